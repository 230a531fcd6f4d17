// A chunk of a quantised row of activations in the memory of a workgroup of 128 threads.

// Blocks of a chunk: 4096 columns, 5 KiB.
const CHUNK = 128u;
var<workgroup> chunk_digits: array<u32, 1024>;
var<workgroup> chunk_scales: array<vec2<f32>, 128>;

// To be followed by a barrier. `first` is the chunk's first block among all of the input.
fn load_chunk(local: u32, first: u32, count: u32) {
  for (var i = local; i < 8u * count; i += 128u) {
    chunk_digits[i] = x_digits[8u * first + i];
  }
  if (local < count) {
    chunk_scales[local] = x_scales[first + local];
  }
}

fn dots(bytes: vec4<u32>, x: u32) -> vec4<i32> {
  return vec4<i32>(dot4I8Packed(bytes.x, x), dot4I8Packed(bytes.y, x), dot4I8Packed(bytes.z, x),
                   dot4I8Packed(bytes.w, x));
}
