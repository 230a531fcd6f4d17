// A row normalised (norm_f32.wgsl) and in 8 bits (quantize_i8.wgsl) for the matrices that read it; a
// workgroup is a row, eight threads share a block.
struct Params {
  columns: u32,
  are_outputs: u32,
  is_layer: u32,
  epsilon: f32,
  affine: u32,
  has_weight: u32,
  has_bias: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<storage, read_write> x: array<vec4<f32>>;
@group(0) @binding(3) var<storage, read> weight: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read> bias: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> digits: array<u32>;
@group(0) @binding(6) var<storage, read_write> scales: array<vec2<f32>>;

const SIZE = 256u;
var<workgroup> partial: array<f32, 256>;
var<workgroup> maxima: array<f32, 256>;
var<workgroup> sums: array<i32, 256>;

fn sum_all(local: u32, value: f32) -> f32 {
  partial[local] = value;
  workgroupBarrier();
  for (var half = SIZE / 2u; half > 0u; half /= 2u) {
    if (local < half) {
      partial[local] += partial[local + half];
    }
    workgroupBarrier();
  }
  let total = partial[0];
  workgroupBarrier();
  return total;
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let row = workgroup.y * grid.x + workgroup.x;
  if (row >= rows_of(step, params.are_outputs)) {
    return;
  }
  let units = params.columns / 4u;
  let start = row * units;
  var mean = 0.0;
  if (params.is_layer == 1u) {
    var sum = vec4<f32>(0.0);
    for (var i = local; i < units; i += SIZE) {
      sum += x[start + i];
    }
    mean = sum_all(local, dot(sum, vec4<f32>(1.0))) / f32(params.columns);
  }
  var squares = 0.0;
  for (var i = local; i < units; i += SIZE) {
    let centred = x[start + i] - mean;
    squares += dot(centred, centred);
  }
  let inverse_size = 1.0 / sqrt(sum_all(local, squares) / f32(params.columns) + params.epsilon);
  for (var begin = 0u; begin < units; begin += SIZE) {
    let i = begin + local;
    var value = vec4<f32>(0.0);
    if (i < units) {
      value = (x[start + i] - mean) * inverse_size;
      if (params.has_weight == 1u) {
        value *= weight[i];
      }
      if (params.has_bias == 1u) {
        value += bias[i];
      }
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
    let q = rounded(value, inverse);
    sums[local] = q.x + q.y + q.z + q.w;
    workgroupBarrier();
    if (i < units) {
      digits[start + i] = pack_rounded(value, inverse);
      if (local == first) {
        var sum = 0;
        for (var j = 0u; j < 8u; j++) {
          sum += sums[first + j];
        }
        scales[(start + i) / 8u] =
            vec2<f32>(select(maximum / 127.0, 0.0, maximum < 1e-30), f32(sum));
      }
    }
  }
}
