// Small building blocks shared by all kernels. No libc: what is needed is here.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <wasm_simd128.h>

#define EXPORT(name) __attribute__((export_name(#name)))
#define INLINE static inline __attribute__((always_inline))

// Makes the compiler treat x as freshly computed. In inner loops it stops LLVM from rematerialising
// constants (a load per use) and from merging loads whose results would only be spilled:
// 23 to 28 GB/s in decode, 61 to 85 GMAC/s in prefill on the machine of src/README.md.
#define KEEP(x) __asm__ volatile("" : "+r"(x))

#define UNROLL _Pragma("clang loop unroll(full)")

enum { BLOCK = 32, GROUP = 8 };

INLINE uint32_t min_u32(uint32_t a, uint32_t b) { return a < b ? a : b; }
INLINE uint32_t max_u32(uint32_t a, uint32_t b) { return a > b ? a : b; }
INLINE float absolute(float x) { return __builtin_fabsf(x); }
// The larger magnitude; NaN wins, as in f32x4.max.
INLINE float larger_magnitude(float a, float x) {
  float b = absolute(x);
  return a != a ? a : b > a || b != b ? b : a;
}
INLINE float nearest(float x) { return __builtin_rintf(x); }

INLINE uint32_t float_bits(float x) {
  union {
    float f;
    uint32_t u;
  } v = {x};
  return v.u;
}

INLINE float bits_float(uint32_t x) {
  union {
    uint32_t u;
    float f;
  } v = {.u = x};
  return v.f;
}

INLINE uint16_t load_u16(const uint8_t *p) {
  uint16_t v;
  __builtin_memcpy(&v, p, 2);
  return v;
}

INLINE uint32_t load_u32(const uint8_t *p) {
  uint32_t v;
  __builtin_memcpy(&v, p, 4);
  return v;
}

// 1.5 * 2^23: a float of this size has steps of 1, so that adding it rounds to the nearest integer,
// ties to even, and leaves that integer in the low bits.
#define ROUNDING 12582912.0f

// The nearest integers of numbers within 2^22, in two instructions: a conversion that bounds what
// does not fit takes eight on x86. Of others, NaN among them, some integer.
INLINE v128_t whole_f32x4(v128_t x) {
  return wasm_i32x4_sub(wasm_f32x4_add(x, wasm_f32x4_const_splat(ROUNDING)),
                        wasm_f32x4_const_splat(ROUNDING));
}

INLINE float horizontal_sum(v128_t v) {
  v128_t pair = wasm_f32x4_add(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
  return wasm_f32x4_extract_lane(pair, 0) + wasm_f32x4_extract_lane(pair, 1);
}

INLINE float horizontal_max(v128_t v) {
  v128_t pair = wasm_f32x4_max(v, wasm_i32x4_shuffle(v, v, 2, 3, 0, 1));
  pair = wasm_f32x4_max(pair, wasm_i32x4_shuffle(pair, pair, 1, 0, 3, 2));
  return wasm_f32x4_extract_lane(pair, 0);
}

// Four vectors to the vector of their four horizontal sums.
INLINE v128_t horizontal_sums4(v128_t a, v128_t b, v128_t c, v128_t d) {
  v128_t ab =
      wasm_f32x4_add(wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), wasm_i32x4_shuffle(a, b, 2, 6, 3, 7));
  v128_t cd =
      wasm_f32x4_add(wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), wasm_i32x4_shuffle(c, d, 2, 6, 3, 7));
  // ab = (a02, b02, a13, b13)
  return wasm_f32x4_add(wasm_i32x4_shuffle(ab, cd, 0, 1, 4, 5),
                        wasm_i32x4_shuffle(ab, cd, 2, 3, 6, 7));
}

// ---- half precision ----
// Raw decoding moves sign, exponent and fraction into place and leaves the exponent bias wrong by
// 2^-112; the factor 2^112 is folded into something that is multiplied anyway. Exact for normal and
// subnormal halves. Infinity and NaN do not survive: they are refused when weights are transcoded.
#define HALF_RAW_MASK 0x8fffe000
#define TWO_112 0x1p112f

INLINE v128_t half_raw_low(v128_t halves, v128_t mask) {
  return wasm_v128_and(wasm_i32x4_shl(wasm_i32x4_extend_low_i16x8(halves), 13), mask);
}

INLINE v128_t half_raw_high(v128_t halves, v128_t mask) {
  return wasm_v128_and(wasm_i32x4_shl(wasm_i32x4_extend_high_i16x8(halves), 13), mask);
}

INLINE v128_t half_low(v128_t halves, v128_t mask) {
  return wasm_f32x4_mul(half_raw_low(halves, mask), wasm_f32x4_const_splat(TWO_112));
}

INLINE v128_t half_high(v128_t halves, v128_t mask) {
  return wasm_f32x4_mul(half_raw_high(halves, mask), wasm_f32x4_const_splat(TWO_112));
}

INLINE float half_raw(uint16_t half) {
  return bits_float(((uint32_t)(int32_t)(int16_t)half << 13) & HALF_RAW_MASK);
}

INLINE float half_to_float(uint16_t half) { return half_raw(half) * TWO_112; }

INLINE int half_is_finite(uint16_t half) { return (half & 0x7c00) != 0x7c00; }

// Nearest half, ties to even; magnitudes beyond 65504 saturate, NaN stays NaN.
INLINE uint16_t float_to_half(float x) {
  uint32_t bits = float_bits(x), sign = (bits >> 16) & 0x8000, magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return (uint16_t)(sign | 0x7e00);
  if (magnitude > 0x477fe000) magnitude = 0x477fe000;
  if (magnitude < 0x38800000) {
    // Adding 0.5 lets the float adder round at 2^-24, the unit of subnormal halves.
    uint32_t rounded = float_bits(bits_float(magnitude) + 0.5f) - 0x3f000000;
    return (uint16_t)(sign | rounded);
  }
  magnitude += 0xfff + ((magnitude >> 13) & 1) - 0x38000000;
  return (uint16_t)(sign | (magnitude >> 13));
}

// Four floats to halves in the low 16 bits of each lane; the same function as float_to_half.
INLINE v128_t float_to_half_x4(v128_t x) {
  v128_t sign = wasm_v128_and(wasm_u32x4_shr(x, 16), wasm_i32x4_const_splat(0x8000));
  v128_t magnitude = wasm_v128_and(x, wasm_i32x4_const_splat(0x7fffffff));
  v128_t is_nan = wasm_i32x4_gt(magnitude, wasm_i32x4_const_splat(0x7f800000));
  v128_t bounded = wasm_i32x4_min(magnitude, wasm_i32x4_const_splat(0x477fe000));
  v128_t odd = wasm_v128_and(wasm_u32x4_shr(bounded, 13), wasm_i32x4_const_splat(1));
  v128_t normal = wasm_u32x4_shr(
      wasm_i32x4_add(wasm_i32x4_add(bounded, odd), wasm_i32x4_const_splat(0xfff - 0x38000000)), 13);
  v128_t small = wasm_i32x4_sub(wasm_f32x4_add(bounded, wasm_f32x4_const_splat(0.5f)),
                                wasm_i32x4_const_splat(0x3f000000));
  v128_t is_small = wasm_i32x4_lt(bounded, wasm_i32x4_const_splat(0x38800000));
  v128_t half = wasm_v128_bitselect(small, normal, is_small);
  half = wasm_v128_bitselect(wasm_i32x4_const_splat(0x7e00), half, is_nan);
  return wasm_v128_or(half, sign);
}
