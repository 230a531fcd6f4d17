// A head in `head_values` as a vector of the cache, float32.
@group(0) @binding(8) var<storage, read_write> keys: array<f32>;
@group(0) @binding(9) var<storage, read_write> values: array<f32>;

fn store(is_value: bool, vector: u32, local: u32) {
  for (var d = local; d < params.head_dim; d += 64u) {
    if (is_value) {
      values[vector * params.head_dim + d] = head_values[d];
    } else {
      keys[vector * params.head_dim + d] = head_values[d];
    }
  }
}
