// Keys and values of one layer, four int8 a word, a scale for each vector (keys first, then values);
// d counts vectors of four components.
@group(0) @binding(4) var<storage, read> keys: array<u32>;
@group(0) @binding(5) var<storage, read> values: array<u32>;
@group(0) @binding(8) var<storage, read> scales: array<f32>;

fn unpack(word: u32) -> vec4<f32> {
  let shifted = vec4<u32>(word << 24u, word << 16u, word << 8u, word);
  return vec4<f32>(vec4<i32>(shifted) >> vec4<u32>(24u));
}

fn key_at(vector: u32, units: u32, d: u32) -> vec4<f32> {
  return scales[vector] * unpack(keys[vector * units + d]);
}

fn value_at(vector: u32, units: u32, d: u32) -> vec4<f32> {
  return scales[params.kv_heads * cache.capacity + vector] * unpack(values[vector * units + d]);
}
