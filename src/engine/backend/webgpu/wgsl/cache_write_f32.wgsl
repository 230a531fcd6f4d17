// The step's keys and values to (kvHead, position, size of a head) of one layer, float32.
struct Params {
  heads: u32,
  head_dim: u32,
  value_dim: u32,
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
  let i = flat_index(vec3<u32>(workgroup.xy, 0u), grid, local, 256u);
  // Keys and values are workgroups of their own.
  let is_value = workgroup.z == 1u;
  let size = select(params.head_dim, params.value_dim, is_value);
  let width = params.heads * size;
  if (i >= step.tokens * width) {
    return;
  }
  let column = i % width;
  let vector = (column / size) * cache.capacity + step.position + i / width;
  let at = vector * size + column % size;
  if (is_value) {
    values[at] = v[i];
  } else {
    keys[at] = k[i];
  }
}
