// A head in `head_values` as a vector of the cache, four int8 a word with a scale.
@group(0) @binding(8) var<storage, read_write> keys: array<u32>;
@group(0) @binding(9) var<storage, read_write> values: array<u32>;
// (kvHead, position) of the keys, then of the values.
@group(0) @binding(10) var<storage, read_write> scales: array<f32>;

fn store(is_value: bool, vector: u32, local: u32) {
  let words = params.head_dim / 4u;
  var maximum = 0.0;
  for (var d = 0u; d < params.head_dim; d++) {
    maximum = max(maximum, abs(head_values[d]));
  }
  let tiny = maximum < 1e-30;
  let inverse = select(127.0 / maximum, 0.0, tiny);
  for (var i = local; i < words; i += 64u) {
    let quad = vec4<f32>(head_values[4u * i], head_values[4u * i + 1u], head_values[4u * i + 2u],
                         head_values[4u * i + 3u]);
    if (is_value) {
      values[vector * words + i] = pack_rounded(quad, inverse);
    } else {
      keys[vector * words + i] = pack_rounded(quad, inverse);
    }
  }
  if (local == 0u) {
    let first = select(0u, params.kv_heads * cache.capacity, is_value);
    scales[first + vector] = select(maximum / 127.0, 0.0, tiny);
  }
}
