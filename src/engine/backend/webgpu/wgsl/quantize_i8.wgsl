// Activations to int8 per block of 32: q = round(x * 127 / max|x|). Eight threads share a block.
struct Params {
  columns: u32,
  are_outputs: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read_write> digits: array<u32>;
// Scale and sum of the 32 integers.
@group(0) @binding(4) var<storage, read_write> scales: array<vec2<f32>>;

var<workgroup> maxima: array<f32, 64>;
var<workgroup> sums: array<f32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let i = flat_index(workgroup, grid, local, 64u);
  let count = rows_of(step, params.are_outputs) * params.columns / 4u;
  var value = vec4<f32>(0.0);
  if (i < count) {
    value = x[i];
  }
  let magnitude = abs(value);
  maxima[local] = max(max(magnitude.x, magnitude.y), max(magnitude.z, magnitude.w));
  workgroupBarrier();
  let first = local & ~7u;
  var maximum = 0.0;
  for (var j = 0u; j < 8u; j++) {
    maximum = max(maximum, maxima[first + j]);
  }
  // Smaller maxima count as zero: their reciprocal would not be finite.
  let inverse = select(127.0 / maximum, 0.0, maximum < 1e-30);
  let q = clamp(vec4<i32>(round(value * inverse)), vec4<i32>(-127), vec4<i32>(127));
  sums[local] = f32(q.x + q.y + q.z + q.w);
  workgroupBarrier();
  if (i >= count) {
    return;
  }
  let bytes = vec4<u32>(q) & vec4<u32>(255u);
  digits[i] = bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
  if (local == first) {
    var sum = 0.0;
    for (var j = 0u; j < 8u; j++) {
      sum += sums[first + j];
    }
    scales[i / 8u] = vec2<f32>(select(maximum / 127.0, 0.0, maximum < 1e-30), sum);
  }
}
