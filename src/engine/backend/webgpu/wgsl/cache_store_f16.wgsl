// A head in `head_values` as a vector of the cache, two halves a word.
@group(0) @binding(8) var<storage, read_write> keys: array<u32>;
@group(0) @binding(9) var<storage, read_write> values: array<u32>;

fn store(is_value: bool, vector: u32, local: u32) {
  let words = params.head_dim / 2u;
  for (var i = local; i < words; i += 64u) {
    let pair = vec2<f32>(head_values[2u * i], head_values[2u * i + 1u]);
    // Beyond the largest half the result of packing would be undefined.
    let word = pack2x16float(clamp(pair, vec2<f32>(-65504.0), vec2<f32>(65504.0)));
    if (is_value) {
      values[vector * words + i] = word;
    } else {
      keys[vector * words + i] = word;
    }
  }
}
