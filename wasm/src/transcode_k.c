// Blocks of 256 columns, and the codebook types, to nibble planes; see src/transcode.c.
//
// The scales of sub-blocks (d times an integer) are rounded to a half: a relative error of at most
// 2^-11. Digits are exact, but for half of those of the types with a scale for 16 columns.
#include "transcode.h"

// Scale or minimum `sub` of the eight of Q4_K and Q5_K, 6 bits each: of the first four the bytes'
// lower six bits, of the others a nibble of the last four bytes and the upper two bits.
INLINE uint32_t packed_scale(const uint8_t *p, uint32_t sub) {
  if (sub < 4) return p[sub] & 63;
  return (p[sub + 4] & 15) | ((p[sub - 4] >> 6) << 4);
}

INLINE uint32_t packed_minimum(const uint8_t *p, uint32_t sub) {
  if (sub < 4) return p[sub + 4] & 63;
  return (p[sub + 4] >> 4) | ((p[sub] >> 6) << 4);
}

INLINE int decode_packed_scales(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  uint16_t d = load_u16(p), dmin = load_u16(p + 2);
  out->scale = half_to_float(d) * (float)packed_scale(p + 4, sub);
  out->minimum = -(half_to_float(dmin) * (float)packed_minimum(p + 4, sub));
  return half_is_finite(d) & half_is_finite(dmin);
}

// 32 nibbles, low or high ones, of the 32 bytes at p.
INLINE v128_t nibbles(const uint8_t *p, uint32_t shift) {
  return wasm_v128_and(wasm_u8x16_shr(wasm_v128_load(p), shift), wasm_i8x16_const_splat(15));
}

INLINE int decode_q4_k(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  const uint8_t *digits = p + 16 + 32 * (sub >> 1);
  uint32_t shift = 4 * (sub & 1);
  out->hi = wasm_v128_or(nibbles(digits, shift), wasm_i8x16_shl(nibbles(digits + 16, shift), 4));
  return decode_packed_scales(p, sub, out);
}

// Five bits as eight, as in decode_five_bits: 8 * q.
INLINE v128_t five_bits_times_8(v128_t low, v128_t fifth, uint32_t sub) {
  v128_t bit = wasm_i8x16_shl(wasm_u8x16_shr(fifth, sub), 7);
  return wasm_v128_or(wasm_i8x16_shl(low, 3), bit);
}

INLINE int decode_q5_k(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  const uint8_t *digits = p + 48 + 32 * (sub >> 1);
  uint32_t shift = 4 * (sub & 1);
  split_bytes(out, five_bits_times_8(nibbles(digits, shift), wasm_v128_load(p + 16), sub),
              five_bits_times_8(nibbles(digits + 16, shift), wasm_v128_load(p + 32), sub));
  return decode_packed_scales(p, sub, out);
}

// One scale for two halves of 16 columns: the larger of both, divided so that the digits of its
// half fill 8 bits and stay exact, while those of the other half are rounded to its steps. `ratio`
// is in 1/32768; 32767 stands for 1, which is exact too, because products are rounded to integers.
typedef struct {
  float scale;
  int16_t ratio[2];
} SharedScale;

INLINE int16_t scale_ratio(int32_t scale, int32_t largest) {
  if (largest == 0) return 0;
  float ratio = nearest(32768.0f * (float)scale / (float)largest);
  return (int16_t)(ratio > 32767.0f ? 32767.0f : ratio);
}

INLINE SharedScale share_scale(int32_t first, int32_t second) {
  int32_t largest = (first < 0 ? -first : first) < (second < 0 ? -second : second) ? second : first;
  return (SharedScale){(float)largest, {scale_ratio(first, largest), scale_ratio(second, largest)}};
}

// 16 signed bytes times a ratio, rounded, as unsigned bytes with zero 128.
INLINE v128_t scale_bytes(v128_t bytes, int16_t ratio) {
  v128_t r = wasm_i16x8_splat(ratio);
  v128_t low = wasm_i16x8_q15mulr_sat(wasm_i16x8_extend_low_i8x16(bytes), r);
  v128_t high = wasm_i16x8_q15mulr_sat(wasm_i16x8_extend_high_i8x16(bytes), r);
  return wasm_v128_xor(wasm_i8x16_narrow_i16x8(low, high), wasm_i8x16_const_splat((char)0x80));
}

INLINE v128_t q6_k_digits(const uint8_t *low, uint32_t low_shift, const uint8_t *high,
                          uint32_t high_shift) {
  v128_t upper =
      wasm_v128_and(wasm_u8x16_shr(wasm_v128_load(high), high_shift), wasm_i8x16_const_splat(3));
  v128_t q = wasm_v128_or(nibbles(low, low_shift), wasm_i8x16_shl(upper, 4));
  return wasm_v128_xor(wasm_i8x16_shl(q, 2), wasm_i8x16_const_splat((char)0x80));  // 4 * (q - 32)
}

INLINE int decode_q6_k(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  const uint8_t *low = p + 64 * (sub >> 2) + 32 * (sub & 1), *high = p + 128 + 32 * (sub >> 2);
  const int8_t *scales = (const int8_t *)p + 192 + 2 * sub;
  uint32_t low_shift = 4 * ((sub >> 1) & 1), high_shift = 2 * (sub & 3);
  SharedScale shared = share_scale(scales[0], scales[1]);
  split_bytes(
      out, scale_bytes(q6_k_digits(low, low_shift, high, high_shift), shared.ratio[0]),
      scale_bytes(q6_k_digits(low + 16, low_shift, high + 16, high_shift), shared.ratio[1]));
  uint16_t d = load_u16(p + 208);
  out->scale = half_to_float(d) * shared.scale * 0.25f;
  return half_is_finite(d);
}

INLINE uint32_t q3_k_scale(const uint8_t *p, uint32_t s) {
  return ((p[s & 7] >> (4 * (s >> 3))) & 15) | (((p[8 + (s & 3)] >> (2 * (s >> 2))) & 3) << 4);
}

INLINE v128_t q3_k_digits(const uint8_t *low, const uint8_t *high, uint32_t sub) {
  v128_t lower =
      wasm_v128_and(wasm_u8x16_shr(wasm_v128_load(low), 2 * (sub & 3)), wasm_i8x16_const_splat(3));
  v128_t third = wasm_i8x16_shl(wasm_u8x16_shr(wasm_v128_load(high), sub), 7);
  v128_t q = wasm_v128_or(wasm_i8x16_shl(lower, 5), third);
  return wasm_v128_xor(q, wasm_i8x16_const_splat((char)0x80));  // 32 * (q - 4)
}

INLINE int decode_q3_k(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  const uint8_t *low = p + 32 + 32 * (sub >> 2);
  SharedScale shared = share_scale((int32_t)q3_k_scale(p + 96, 2 * sub) - 32,
                                   (int32_t)q3_k_scale(p + 96, 2 * sub + 1) - 32);
  split_bytes(out, scale_bytes(q3_k_digits(low, p, sub), shared.ratio[0]),
              scale_bytes(q3_k_digits(low + 16, p + 16, sub), shared.ratio[1]));
  uint16_t d = load_u16(p + 108);
  out->scale = half_to_float(d) * shared.scale * 0.03125f;
  return half_is_finite(d);
}

// The levels of the IQ4 types plus 128: exact as 8-bit digits.
static const uint8_t iq4_levels[16] = {1,   24,  45,  63,  79,  93,  106, 118,
                                       129, 141, 153, 166, 181, 197, 217, 241};

INLINE void decode_levels(const uint8_t *p, PlaneBlock *out) {
  v128_t levels = wasm_v128_load(iq4_levels);
  split_bytes(out, wasm_i8x16_swizzle(levels, nibbles(p, 0)),
              wasm_i8x16_swizzle(levels, nibbles(p, 4)));
}

INLINE int decode_iq4_nl(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  (void)sub;
  uint16_t scale = load_u16(p);
  out->scale = half_to_float(scale);
  decode_levels(p + 2, out);
  return half_is_finite(scale);
}

INLINE int decode_iq4_xs(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  uint16_t d = load_u16(p);
  uint32_t low = (p[4 + (sub >> 1)] >> (4 * (sub & 1))) & 15;
  uint32_t high = (load_u16(p + 2) >> (2 * sub)) & 3;
  out->scale = half_to_float(d) * (float)((int32_t)(low | high << 4) - 32);
  decode_levels(p + 8 + 16 * sub, out);
  return half_is_finite(d);
}

// Ternary digits are digits of one plane with zero 1.
INLINE int decode_tq2_0(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  const uint8_t *digits = p + 32 * (sub >> 2);
  uint32_t shift = 2 * (sub & 3);
  v128_t three = wasm_i8x16_const_splat(3);
  v128_t first = wasm_v128_and(wasm_u8x16_shr(wasm_v128_load(digits), shift), three);
  v128_t second = wasm_v128_and(wasm_u8x16_shr(wasm_v128_load(digits + 16), shift), three);
  out->hi = wasm_v128_or(first, wasm_i8x16_shl(second, 4));
  uint16_t d = load_u16(p + 64);
  out->scale = half_to_float(d);
  return half_is_finite(d);
}

// A byte is a fraction in 1/256: times a power of three, modulo 1, its first ternary place.
INLINE v128_t ternary_places(v128_t bytes, v128_t low_powers, v128_t high_powers) {
  v128_t fraction = wasm_i16x8_const_splat(0xff), three = wasm_i16x8_const_splat(3);
  v128_t low = wasm_i16x8_mul(wasm_u16x8_extend_low_u8x16(bytes), low_powers);
  v128_t high = wasm_i16x8_mul(wasm_u16x8_extend_high_u8x16(bytes), high_powers);
  low = wasm_u16x8_shr(wasm_i16x8_mul(wasm_v128_and(low, fraction), three), 8);
  high = wasm_u16x8_shr(wasm_i16x8_mul(wasm_v128_and(high, fraction), three), 8);
  return wasm_u8x16_narrow_i16x8(low, high);
}

INLINE v128_t ternary_place(const uint8_t *p, uint32_t place) {
  static const int16_t powers[5] = {1, 3, 9, 27, 81};
  v128_t power = wasm_i16x8_splat(powers[place]);
  return ternary_places(wasm_v128_load(p), power, power);
}

INLINE int decode_tq1_0(const uint8_t *p, uint32_t sub, PlaneBlock *out) {
  v128_t first, second;
  if (sub < 5) {  // five places of 32 bytes
    first = ternary_place(p, sub);
    second = ternary_place(p + 16, sub);
  } else {  // five places of 16 bytes, then four of 4
    first = ternary_place(p + 32, 2 * (sub - 5));
    second = sub < 7 ? ternary_place(p + 32, 2 * (sub - 5) + 1)
                     : ternary_places(wasm_v128_load32_splat(p + 48),
                                      wasm_i16x8_const(1, 1, 1, 1, 3, 3, 3, 3),
                                      wasm_i16x8_const(9, 9, 9, 9, 27, 27, 27, 27));
  }
  out->hi = wasm_v128_or(first, wasm_i8x16_shl(second, 4));
  uint16_t d = load_u16(p + 52);
  out->scale = half_to_float(d);
  return half_is_finite(d);
}

TRANSCODER(tq1_0, 54, 8, 0, 0)
TRANSCODER(tq2_0, 66, 8, 0, 0)
TRANSCODER(q3_k, 110, 8, 0, 1)
TRANSCODER(q4_k, 144, 8, 1, 0)
TRANSCODER(q5_k, 176, 8, 1, 1)
TRANSCODER(q6_k, 210, 8, 0, 1)
TRANSCODER(iq4_nl, 18, 1, 0, 1)
TRANSCODER(iq4_xs, 136, 8, 0, 1)
