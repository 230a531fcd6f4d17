// Keys and values of one layer, float32; d counts vectors of four components.
@group(0) @binding(4) var<storage, read> keys: array<vec4<f32>>;
@group(0) @binding(5) var<storage, read> values: array<vec4<f32>>;

fn key_at(vector: u32, units: u32, d: u32) -> vec4<f32> {
  return keys[vector * units + d];
}

fn value_at(vector: u32, units: u32, d: u32) -> vec4<f32> {
  return values[vector * units + d];
}
