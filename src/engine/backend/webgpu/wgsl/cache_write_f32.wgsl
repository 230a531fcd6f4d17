// The step's keys and values to (kvHead, position, headDim) of one layer, float32.
struct Params {
  width: u32,
  head_dim: u32,
};
@group(0) @binding(0) var<uniform> step: Step;
@group(0) @binding(1) var<uniform> params: Params;
@group(0) @binding(2) var<uniform> cache: Cache;
@group(0) @binding(3) var<storage, read_write> k: array<f32>;
@group(0) @binding(4) var<storage, read_write> v: array<f32>;
@group(0) @binding(5) var<storage, read_write> keys: array<f32>;
@group(0) @binding(6) var<storage, read_write> values: array<f32>;

@compute @workgroup_size(256)
fn main(@builtin(workgroup_id) workgroup: vec3<u32>, @builtin(num_workgroups) grid: vec3<u32>,
        @builtin(local_invocation_index) local: u32) {
  let i = flat_index(workgroup, grid, local, 256u);
  if (i >= step.tokens * params.width) {
    return;
  }
  let token = i / params.width;
  let column = i % params.width;
  let vector = (column / params.head_dim) * cache.capacity + step.position + token;
  let at = vector * params.head_dim + column % params.head_dim;
  keys[at] = k[i];
  values[at] = v[i];
}
