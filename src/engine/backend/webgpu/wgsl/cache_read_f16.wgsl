// Keys and values of one layer, two halves a word; d counts vectors of four components.
@group(0) @binding(4) var<storage, read> keys: array<vec2<u32>>;
@group(0) @binding(5) var<storage, read> values: array<vec2<u32>>;

fn unpack(words: vec2<u32>) -> vec4<f32> {
  return vec4<f32>(unpack2x16float(words.x), unpack2x16float(words.y));
}

fn key_at(vector: u32, units: u32, d: u32) -> vec4<f32> {
  return unpack(keys[vector * units + d]);
}

fn value_at(vector: u32, units: u32, d: u32) -> vec4<f32> {
  return unpack(values[vector * units + d]);
}
