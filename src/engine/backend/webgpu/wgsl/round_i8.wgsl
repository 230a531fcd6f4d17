// Four floats as whole numbers from -127 to 127, and these as the bytes of a word.
fn rounded(value: vec4<f32>, inverse: f32) -> vec4<i32> {
  return clamp(vec4<i32>(round(value * inverse)), vec4<i32>(-127), vec4<i32>(127));
}

fn pack_rounded(value: vec4<f32>, inverse: f32) -> u32 {
  let bytes = vec4<u32>(rounded(value, inverse)) & vec4<u32>(255u);
  return bytes.x | (bytes.y << 8u) | (bytes.z << 16u) | (bytes.w << 24u);
}
