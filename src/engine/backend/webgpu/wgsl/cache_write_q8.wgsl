// The step's keys and values to (kvHead, position, size of a head) of one layer, four int8 a word with a scale
// for each vector. A workgroup is one vector of keys or values.
struct Params {
  heads: u32,
  head_dim: u32,
  value_dim: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> cache: Cache;
@group(0) @binding(3) var<storage, read_write> k: array<vec4<f32>>;
@group(0) @binding(4) var<storage, read_write> v: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read_write> keys: array<u32>;
@group(0) @binding(6) var<storage, read_write> values: array<u32>;
// (kvHead, position) of the keys, then of the values.
@group(0) @binding(7) var<storage, read_write> scales: array<f32>;

var<workgroup> maxima: array<f32, 32>;

fn pack(value: vec4<f32>, inverse: f32) -> u32 {
  let q = clamp(vec4<i32>(round(value * inverse)), vec4<i32>(-127), vec4<i32>(127));
  let bytes = vec4<u32>(q) & vec4<u32>(255u);
  return bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}

@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let head = workgroup.x;
  let token = workgroup.y;
  let is_value = workgroup.z == 1u;
  let units = select(params.head_dim, params.value_dim, is_value) / 4u;
  let source = (token * params.heads + head) * units;
  var magnitude = vec4<f32>(0.0);
  for (var i = local; i < units; i += 32u) {
    if (is_value) {
      magnitude = max(magnitude, abs(v[source + i]));
    } else {
      magnitude = max(magnitude, abs(k[source + i]));
    }
  }
  maxima[local] = max(max(magnitude.x, magnitude.y), max(magnitude.z, magnitude.w));
  workgroupBarrier();
  var maximum = 0.0;
  for (var i = 0u; i < 32u; i++) {
    maximum = max(maximum, maxima[i]);
  }
  let tiny = maximum < 1e-30;
  let inverse = select(127.0 / maximum, 0.0, tiny);
  let vector = head * cache.capacity + step.position + token;
  for (var i = local; i < units; i += 32u) {
    if (is_value) {
      values[vector * units + i] = pack(v[source + i], inverse);
    } else {
      keys[vector * units + i] = pack(k[source + i], inverse);
    }
  }
  if (local == 0u) {
    let first = select(0u, params.heads * cache.capacity, is_value);
    scales[first + vector] = select(maximum / 127.0, 0.0, tiny);
  }
}
