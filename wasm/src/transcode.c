// Rows in a file's own encoding to nibble planes (include/planes.h), while a model is read.
//
// transcode_TYPE_planes(source, rows, columns, hi, lo, gain) takes any number of rows that starts
// at a group of 8 and returns flags: 1 when a scale, minimum or value was NaN or infinite (or, for
// floating point sources, too large for a half precision scale), 2 when a scale or minimum times
// `gain` (a power of two, at least 1) overflowed a half: then rescale_planes and a gain of 1 help.
// Exact for the integer types; floating point rows are quantised like Q8_0.
#include "planes.h"

// One block of one row, ready to be interleaved. Digits in Q4_0's nibble order.
typedef struct {
  v128_t hi, lo;
  uint16_t scale, minimum;
} PlaneBlock;

INLINE v128_t low_nibbles(void) { return wasm_i8x16_const_splat(0x0f); }

// Bytes 0..255 (columns 0..15, 16..31) to both planes.
INLINE void split_bytes(PlaneBlock *out, v128_t first, v128_t second) {
  v128_t low = low_nibbles(), high = wasm_i8x16_const_splat((char)0xf0);
  out->hi = wasm_v128_or(wasm_v128_and(wasm_u16x8_shr(first, 4), low), wasm_v128_and(second, high));
  out->lo = wasm_v128_or(wasm_v128_and(first, low), wasm_v128_and(wasm_i16x8_shl(second, 4), high));
}

// ---- decoders: one block at p; they return whether its numbers are finite ----

INLINE int decode_q4_0(const uint8_t *p, PlaneBlock *out) {
  out->scale = load_u16(p);
  out->hi = wasm_v128_load(p + 2);
  return half_is_finite(out->scale);
}

INLINE int decode_q4_1(const uint8_t *p, PlaneBlock *out) {
  out->scale = load_u16(p);
  out->minimum = load_u16(p + 2);
  out->hi = wasm_v128_load(p + 4);
  return half_is_finite(out->scale) & half_is_finite(out->minimum);
}

INLINE int decode_q8_0(const uint8_t *p, PlaneBlock *out) {
  v128_t offset = wasm_i8x16_const_splat((char)0x80);
  out->scale = load_u16(p);
  split_bytes(out, wasm_v128_xor(wasm_v128_load(p + 2), offset),
              wasm_v128_xor(wasm_v128_load(p + 18), offset));
  return half_is_finite(out->scale);
}

// 16 bits to 16 bytes of 0x00 or 0xff.
INLINE v128_t bits_to_bytes(uint32_t bits) {
  v128_t spread =
      wasm_i8x16_swizzle(wasm_i32x4_splat((int32_t)bits),
                         wasm_i8x16_const(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1));
  v128_t select = wasm_i8x16_const(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
  return wasm_i8x16_eq(wasm_v128_and(spread, select), select);
}

// Five bits as eight: 16 * hi + lo = 8 * q, so hi = q >> 1 and lo = 8 * (q & 1); the factor 1/8 is
// the matrix's. Q5_0's zero 16 becomes 128.
INLINE void decode_five_bits(uint32_t fifth, v128_t nibbles, PlaneBlock *out) {
  v128_t sixteen = wasm_i8x16_const_splat(16);
  v128_t q0 = wasm_v128_or(wasm_v128_and(nibbles, low_nibbles()),
                           wasm_v128_and(bits_to_bytes(fifth & 0xffff), sixteen));
  v128_t q1 = wasm_v128_or(wasm_v128_and(wasm_u16x8_shr(nibbles, 4), low_nibbles()),
                           wasm_v128_and(bits_to_bytes(fifth >> 16), sixteen));
  split_bytes(out, wasm_i8x16_shl(q0, 3), wasm_i8x16_shl(q1, 3));
}

INLINE int decode_q5_0(const uint8_t *p, PlaneBlock *out) {
  out->scale = load_u16(p);
  decode_five_bits(load_u32(p + 2), wasm_v128_load(p + 6), out);
  return half_is_finite(out->scale);
}

INLINE int decode_q5_1(const uint8_t *p, PlaneBlock *out) {
  out->scale = load_u16(p);
  out->minimum = load_u16(p + 2);
  decode_five_bits(load_u32(p + 4), wasm_v128_load(p + 8), out);
  return half_is_finite(out->scale) & half_is_finite(out->minimum);
}

// The scale of Q8_0 for a block whose largest magnitude is `maximum`. The digits are computed from
// the rounded scale, which is made larger by one unit where rounding (of subnormals) would let the
// largest digit pass 127.
INLINE uint16_t float_block_scale(float maximum) {
  uint16_t scale = float_to_half(maximum / 127.0f);
  if (maximum > 127.49f * half_to_float(scale)) scale++;
  return scale;
}

INLINE v128_t quantize_to_bytes(const v128_t *x, v128_t inverse) {
  v128_t q[4];
  UNROLL for (int i = 0; i < 4; i++) {
    q[i] = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_nearest(wasm_f32x4_mul(x[i], inverse)));
  }
  v128_t bytes = wasm_i8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(q[0], q[1]),
                                         wasm_i16x8_narrow_i32x4(q[2], q[3]));
  return wasm_v128_xor(bytes, wasm_i8x16_const_splat((char)0x80));
}

INLINE int quantize_floats(const v128_t *x, PlaneBlock *out) {
  v128_t largest = wasm_f32x4_abs(x[0]);
  UNROLL for (int i = 1; i < 8; i++) largest = wasm_f32x4_max(largest, wasm_f32x4_abs(x[i]));
  float maximum = horizontal_max(largest);
  int valid = maximum <= 127.0f * 65504.0f;  // false for NaN too
  out->scale = valid ? float_block_scale(maximum) : 0;
  float scale = half_to_float(out->scale);
  v128_t inverse = wasm_f32x4_splat(scale > 0 ? 1.0f / scale : 0.0f);
  split_bytes(out, quantize_to_bytes(x, inverse), quantize_to_bytes(x + 4, inverse));
  return valid;
}

INLINE int decode_f32(const uint8_t *p, PlaneBlock *out) {
  v128_t x[8];
  UNROLL for (int i = 0; i < 8; i++) x[i] = wasm_v128_load(p + 16 * i);
  return quantize_floats(x, out);
}

INLINE int decode_f16(const uint8_t *p, PlaneBlock *out) {
  v128_t x[8], mask = wasm_i32x4_const_splat((int32_t)HALF_RAW_MASK);
  v128_t factor = wasm_f32x4_const_splat(TWO_112), infinite = wasm_i16x8_const_splat(0x7c00);
  v128_t bad = wasm_i32x4_const_splat(0);
  UNROLL for (int i = 0; i < 4; i++) {
    v128_t halves = wasm_v128_load(p + 16 * i);
    bad = wasm_v128_or(bad, wasm_i16x8_eq(wasm_v128_and(halves, infinite), infinite));
    x[2 * i] = wasm_f32x4_mul(half_raw_low(halves, mask), factor);
    x[2 * i + 1] = wasm_f32x4_mul(half_raw_high(halves, mask), factor);
  }
  int finite = quantize_floats(x, out) & !wasm_v128_any_true(bad);
  if (!finite) out->scale = 0;
  return finite;
}

INLINE int decode_bf16(const uint8_t *p, PlaneBlock *out) {
  v128_t x[8], zero = wasm_i32x4_const_splat(0);
  UNROLL for (int i = 0; i < 4; i++) {
    v128_t halves = wasm_v128_load(p + 16 * i);
    x[2 * i] = wasm_i16x8_shuffle(zero, halves, 0, 8, 1, 9, 2, 10, 3, 11);
    x[2 * i + 1] = wasm_i16x8_shuffle(zero, halves, 4, 12, 5, 13, 6, 14, 7, 15);
  }
  return quantize_floats(x, out);
}

// ---- interleaving ----

// 16 bytes of each of 8 rows to 4-byte words, rows fastest.
INLINE void store_interleaved(uint8_t *out, const v128_t *rows) {
  UNROLL for (int half = 0; half < 2; half++) {
    v128_t a = rows[4 * half], b = rows[4 * half + 1], c = rows[4 * half + 2],
           d = rows[4 * half + 3];
    v128_t ab0 = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), ab1 = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
    v128_t cd0 = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), cd1 = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
    uint8_t *p = out + 16 * half;
    wasm_v128_store(p, wasm_i64x2_shuffle(ab0, cd0, 0, 2));
    wasm_v128_store(p + 32, wasm_i64x2_shuffle(ab0, cd0, 1, 3));
    wasm_v128_store(p + 64, wasm_i64x2_shuffle(ab1, cd1, 0, 2));
    wasm_v128_store(p + 96, wasm_i64x2_shuffle(ab1, cd1, 1, 3));
  }
}

// Eight halves times a power of two; *overflow collects lanes that became too large.
INLINE v128_t multiply_halves(v128_t halves, v128_t gain, v128_t *overflow) {
  v128_t mask = wasm_i32x4_const_splat((int32_t)HALF_RAW_MASK);
  v128_t largest = wasm_f32x4_const_splat(65504.0f);
  v128_t low = wasm_f32x4_mul(half_low(halves, mask), gain);
  v128_t high = wasm_f32x4_mul(half_high(halves, mask), gain);
  v128_t over = wasm_v128_or(wasm_f32x4_gt(wasm_f32x4_abs(low), largest),
                             wasm_f32x4_gt(wasm_f32x4_abs(high), largest));
  *overflow = wasm_v128_or(*overflow, over);
  return wasm_u16x8_narrow_i32x4(float_to_half_x4(low), float_to_half_x4(high));
}

enum { FLAG_NOT_FINITE = 1, FLAG_OVERFLOW = 2 };

typedef int Decoder(const uint8_t *p, PlaneBlock *out);

INLINE int transcode_group(Decoder *decode, int source_bytes, int has_minimum, int has_lo,
                           const uint8_t *source, uint32_t rows, uint32_t blocks, uint8_t *hi,
                           uint8_t *lo, v128_t gain, v128_t *overflow) {
  int finite = 1;
  size_t row_bytes = (size_t)blocks * source_bytes;
  for (uint32_t b = 0; b < blocks; b++) {
    v128_t hi_rows[GROUP], lo_rows[GROUP];
    uint16_t scales[GROUP], minimums[GROUP];
    for (uint32_t r = 0; r < GROUP; r++) {
      PlaneBlock block = {wasm_i32x4_const_splat(0), wasm_i32x4_const_splat(0), 0, 0};
      if (r < rows) finite &= decode(source + r * row_bytes + (size_t)b * source_bytes, &block);
      hi_rows[r] = block.hi;
      lo_rows[r] = block.lo;
      scales[r] = block.scale;
      minimums[r] = block.minimum;
    }
    wasm_v128_store(hi, multiply_halves(wasm_v128_load(scales), gain, overflow));
    hi += SCALE_BYTES;
    if (has_minimum) {
      wasm_v128_store(hi, multiply_halves(wasm_v128_load(minimums), gain, overflow));
      hi += SCALE_BYTES;
    }
    store_interleaved(hi, hi_rows);
    hi += DIGIT_BYTES;
    if (has_lo) {
      store_interleaved(lo, lo_rows);
      lo += DIGIT_BYTES;
    }
  }
  return finite;
}

INLINE int transcode_rows(Decoder *decode, int source_bytes, int has_minimum, int has_lo,
                          const uint8_t *source, uint32_t rows, uint32_t columns, uint8_t *hi,
                          uint8_t *lo, float gain) {
  uint32_t blocks = columns / BLOCK;
  size_t hi_group = (size_t)blocks * (SCALE_BYTES * (1 + has_minimum) + DIGIT_BYTES);
  size_t lo_group = has_lo ? (size_t)blocks * DIGIT_BYTES : 0;
  int finite = 1;
  v128_t gains = wasm_f32x4_splat(gain), overflow = wasm_i32x4_const_splat(0);
  for (uint32_t row = 0; row < rows; row += GROUP) {
    const uint8_t *group = source + (size_t)row * blocks * source_bytes;
    uint32_t count = min_u32(rows - row, GROUP);
    finite &= transcode_group(decode, source_bytes, has_minimum, has_lo, group, count, blocks, hi,
                              lo, gains, &overflow);
    hi += hi_group;
    lo += lo_group;
  }
  return (finite ? 0 : FLAG_NOT_FINITE) | (wasm_v128_any_true(overflow) ? FLAG_OVERFLOW : 0);
}

#define TRANSCODER(type, source_bytes, has_minimum, has_lo)                                        \
  EXPORT(transcode_##type##_planes)                                                                \
  int transcode_##type##_planes(const uint8_t *source, uint32_t rows, uint32_t columns,            \
                                uint8_t *hi, uint8_t *lo, float gain) {                            \
    return transcode_rows(decode_##type, source_bytes, has_minimum, has_lo, source, rows, columns, \
                          hi, lo, gain);                                                           \
  }

TRANSCODER(q4_0, 18, 0, 0)
TRANSCODER(q4_1, 20, 1, 0)
TRANSCODER(q5_0, 22, 0, 1)
TRANSCODER(q5_1, 24, 1, 1)
TRANSCODER(q8_0, 34, 0, 1)
TRANSCODER(f16, 64, 0, 1)
TRANSCODER(bf16, 64, 0, 1)
TRANSCODER(f32, 128, 0, 1)

// Multiplies the scales and minimums of `blocks` plane blocks by a power of two that leaves them
// exact.
EXPORT(rescale_planes)
void rescale_planes(uint8_t *hi, uint32_t blocks, uint32_t has_minimum, float gain) {
  v128_t gains = wasm_f32x4_splat(gain), overflow = wasm_i32x4_const_splat(0);
  for (uint32_t b = 0; b < blocks; b++) {
    for (uint32_t i = 0; i <= has_minimum; i++) {
      uint8_t *halves = hi + i * SCALE_BYTES;
      wasm_v128_store(halves, multiply_halves(wasm_v128_load(halves), gains, &overflow));
    }
    hi += SCALE_BYTES * (1 + has_minimum) + DIGIT_BYTES;
  }
}
