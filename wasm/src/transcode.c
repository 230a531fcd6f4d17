// Rows in a file's own encoding to nibble planes (include/planes.h), while a model is read.
//
// transcode_TYPE_planes(source, rows, columns, hi, lo, gain) takes any number of rows that starts
// at a group of 8 and returns flags: 1 when a scale, minimum or value was NaN or infinite (or, for
// floating point sources, too large for a half precision scale), 2 when a scale or minimum times
// `gain` (a power of two, at least 1) overflowed a half: then rescale_planes and a gain of 1 help.
// Exact for the integer types; floating point rows are quantised like Q8_0. Types whose blocks have
// 256 columns: src/transcode_k.c.
#include "transcode.h"

// ---- decoders ----

INLINE int decode_q4_0(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  (void)sub;
  uint16_t scale = load_u16(p);
  out->scale = half_to_float(scale);
  out->hi = wasm_v128_load(p + 2);
  return half_is_finite(scale);
}

INLINE int decode_q4_1(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  (void)sub;
  uint16_t scale = load_u16(p);
  out->scale = half_to_float(scale);
  uint16_t minimum = load_u16(p + 2);
  out->minimum = half_to_float(minimum);
  out->hi = wasm_v128_load(p + 4);
  return half_is_finite(scale) & half_is_finite(minimum);
}

INLINE int decode_q8_0(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  (void)sub;
  v128_t offset = wasm_i8x16_const_splat((char)0x80);
  uint16_t scale = load_u16(p);
  out->scale = half_to_float(scale);
  split_bytes(out, wasm_v128_xor(wasm_v128_load(p + 2), offset),
              wasm_v128_xor(wasm_v128_load(p + 18), offset));
  return half_is_finite(scale);
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

INLINE int decode_q5_0(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  (void)sub;
  uint16_t scale = load_u16(p);
  out->scale = half_to_float(scale);
  decode_five_bits(load_u32(p + 2), wasm_v128_load(p + 6), out);
  return half_is_finite(scale);
}

INLINE int decode_q5_1(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  (void)sub;
  uint16_t scale = load_u16(p);
  out->scale = half_to_float(scale);
  uint16_t minimum = load_u16(p + 2);
  out->minimum = half_to_float(minimum);
  decode_five_bits(load_u32(p + 4), wasm_v128_load(p + 8), out);
  return half_is_finite(scale) & half_is_finite(minimum);
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
  float scale = valid ? half_to_float(float_block_scale(maximum)) : 0;
  out->scale = scale;
  v128_t inverse = wasm_f32x4_splat(scale > 0 ? 1.0f / scale : 0.0f);
  split_bytes(out, quantize_to_bytes(x, inverse), quantize_to_bytes(x + 4, inverse));
  return valid;
}

INLINE int decode_f32(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  (void)sub;
  v128_t x[8];
  UNROLL for (int i = 0; i < 8; i++) x[i] = wasm_v128_load(p + 16 * i);
  return quantize_floats(x, out);
}

INLINE int decode_f16(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  (void)sub;
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

INLINE int decode_bf16(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  (void)sub;
  v128_t x[8], zero = wasm_i32x4_const_splat(0);
  UNROLL for (int i = 0; i < 4; i++) {
    v128_t halves = wasm_v128_load(p + 16 * i);
    x[2 * i] = wasm_i16x8_shuffle(zero, halves, 0, 8, 1, 9, 2, 10, 3, 11);
    x[2 * i + 1] = wasm_i16x8_shuffle(zero, halves, 4, 12, 5, 13, 6, 14, 7, 15);
  }
  return quantize_floats(x, out);
}

TRANSCODER(q4_0, 18, 1, 0, 0)
TRANSCODER(q4_1, 20, 1, 1, 0)
TRANSCODER(q5_0, 22, 1, 0, 1)
TRANSCODER(q5_1, 24, 1, 1, 1)
TRANSCODER(q8_0, 34, 1, 0, 1)
TRANSCODER(f16, 64, 1, 0, 1)
TRANSCODER(bf16, 64, 1, 0, 1)
TRANSCODER(f32, 128, 1, 0, 1)

// Multiplies the scales and minimums of `blocks` plane blocks by a power of two that leaves them
// exact.
EXPORT(rescale_planes)
void rescale_planes(uint8_t *hi, uint32_t blocks, uint32_t has_minimum, float gain) {
  v128_t gains = wasm_f32x4_splat(gain), overflow = wasm_i32x4_const_splat(0);
  v128_t mask = wasm_i32x4_const_splat((int32_t)HALF_RAW_MASK);
  for (uint32_t b = 0; b < blocks; b++) {
    for (uint32_t i = 0; i <= has_minimum; i++) {
      uint8_t *halves = hi + i * SCALE_BYTES;
      v128_t old = wasm_v128_load(halves);
      wasm_v128_store(
          halves, multiply_to_halves(half_low(old, mask), half_high(old, mask), gains, &overflow));
    }
    hi += SCALE_BYTES * (1 + has_minimum) + DIGIT_BYTES;
  }
}
