// The step's keys and values to (kvHead, position, headDim) of one layer, two halves a word.
struct Params {
  width: u32,
  head_dim: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> cache: Cache;
@group(0) @binding(3) var<storage, read_write> k: array<vec2<f32>>;
@group(0) @binding(4) var<storage, read_write> v: array<vec2<f32>>;
@group(0) @binding(5) var<storage, read_write> keys: array<u32>;
@group(0) @binding(6) var<storage, read_write> values: array<u32>;

// Beyond the largest half the result of packing would be undefined.
fn pack(value: vec2<f32>) -> u32 {
  return pack2x16float(clamp(value, vec2<f32>(-65504.0), vec2<f32>(65504.0)));
}

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let i = flat_index(workgroup, grid, local, 256u);
  let width = params.width / 2u;
  let head_dim = params.head_dim / 2u;
  if (i >= step.tokens * width) {
    return;
  }
  let token = i / width;
  let column = i % width;
  let vector = (column / head_dim) * cache.capacity + step.position + token;
  let at = vector * head_dim + column % head_dim;
  keys[at] = pack(k[i]);
  values[at] = pack(v[i]);
}
