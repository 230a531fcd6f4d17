// A matrix on planes of 4-bit digits inside a slab of weights (16-byte units).
//
// Rows lie in groups of 8, columns in blocks of 32. A plane holds, group by group and block by block,
// 128 bytes: word w (0..3) of row r at 4-byte index 8 * w + r. In byte j of word w the low nibble is
// column 4w + j, the high one column 16 + 4w + j. Scales lie apart, 8 halves a group and block, each
// followed by 8 halves of minimums where the type has them.
//
//   value = factor * scale * (u - zero) + minimum_factor * minimum
//   u = 16 * hi + lo with LOW_PLANE, else hi; factor and zero are those of what is read.
override LOW_PLANE: bool = false;

const DIGITS = 0x0f0f0f0fu;

struct Matrix {
  hi: u32,
  lo: u32,
  scales: u32,
  blocks: u32,
  // Rows of this part, and the first of them in the whole matrix.
  rows: u32,
  first_row: u32,
  // 16-byte units of scales a block: 1, or 2 with minimums.
  scale_units: u32,
  minimum_factor: f32,
  factor8: f32,
  zero8: f32,
  factor4: f32,
  zero4: f32,
};

fn factor_of(m: Matrix) -> f32 {
  return select(m.factor4, m.factor8, LOW_PLANE);
}

fn zero_of(m: Matrix) -> f32 {
  return select(m.zero4, m.zero8, LOW_PLANE);
}

struct Halves {
  low: vec4<f32>,
  high: vec4<f32>,
};

// Eight halves as floats.
fn unpack_halves(words: vec4<u32>) -> Halves {
  let a = unpack2x16float(words.x);
  let b = unpack2x16float(words.y);
  let c = unpack2x16float(words.z);
  let d = unpack2x16float(words.w);
  return Halves(vec4<f32>(a, b), vec4<f32>(c, d));
}

// The bytes u of columns 4w .. 4w + 3 (`first`) and 16 + 4w .. 16 + 4w + 3 (`second`).
fn first_bytes(hi: vec4<u32>, lo: vec4<u32>) -> vec4<u32> {
  if (LOW_PLANE) {
    return ((hi & vec4<u32>(DIGITS)) << vec4<u32>(4u)) | (lo & vec4<u32>(DIGITS));
  }
  return hi & vec4<u32>(DIGITS);
}

fn second_bytes(hi: vec4<u32>, lo: vec4<u32>) -> vec4<u32> {
  if (LOW_PLANE) {
    return (hi & vec4<u32>(~DIGITS)) | ((lo >> vec4<u32>(4u)) & vec4<u32>(DIGITS));
  }
  return (hi >> vec4<u32>(4u)) & vec4<u32>(DIGITS);
}
