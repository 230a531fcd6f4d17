// Vector and scalar exp, tanh, erf, scalar log. Scalar and vector versions do the same steps and
// agree to the bit.
#pragma once

#include "simd.h"

// exp: x = n ln2 + r with |r| <= ln2 / 2, then a polynomial for exp(r) (coefficients of Cephes,
// Moshier 1989). Relative error below 2e-7; 0 below -87.3, largest finite region clamped at 88.3.
#define EXP_LOWEST -87.3f
#define EXP_HIGHEST 88.3f
#define LOG2_E 1.44269504088896341f
#define LN2_HIGH 0.693359375f
#define LN2_LOW -2.12194440e-4f

static const float exp_coefficients[6] = {1.9875691500e-4f, 1.3981999507e-3f, 8.3334519073e-3f,
                                          4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f};

// The same constants as vectors in memory. V8 makes a constant vector anew at every use, three
// instructions where a load is one: half of all instructions of an exp.
enum {
  EXP_AT_LOWEST = 6,
  EXP_AT_HIGHEST,
  EXP_AT_LOG2_E,
  EXP_AT_LN2_HIGH,
  EXP_AT_LN2_LOW,
  EXP_AT_ONE,
  EXP_AT_ROUNDING,
  EXP_AT_BIAS,
  EXP_VECTORS,
};
#define FOUR_TIMES(x) \
  { x, x, x, x }
static const float exp_vectors[EXP_VECTORS][4] __attribute__((aligned(16))) = {
    FOUR_TIMES(1.9875691500e-4f), FOUR_TIMES(1.3981999507e-3f), FOUR_TIMES(8.3334519073e-3f),
    FOUR_TIMES(4.1665795894e-2f), FOUR_TIMES(1.6666665459e-1f), FOUR_TIMES(5.0000001201e-1f),
    FOUR_TIMES(EXP_LOWEST),       FOUR_TIMES(EXP_HIGHEST),      FOUR_TIMES(LOG2_E),
    FOUR_TIMES(LN2_HIGH),         FOUR_TIMES(LN2_LOW),          FOUR_TIMES(1.0f),
    FOUR_TIMES(ROUNDING),         FOUR_TIMES(ROUNDING - 127),
};

INLINE v128_t exp_f32x4(v128_t x) {
  const float(*c)[4] = exp_vectors;
  KEEP(c);
  v128_t lowest = wasm_v128_load(c[EXP_AT_LOWEST]);
  v128_t bounded = wasm_f32x4_pmax(lowest, wasm_f32x4_pmin(wasm_v128_load(c[EXP_AT_HIGHEST]), x));
  v128_t n = wasm_f32x4_nearest(wasm_f32x4_mul(bounded, wasm_v128_load(c[EXP_AT_LOG2_E])));
  v128_t r = wasm_f32x4_sub(bounded, wasm_f32x4_mul(n, wasm_v128_load(c[EXP_AT_LN2_HIGH])));
  r = wasm_f32x4_sub(r, wasm_f32x4_mul(n, wasm_v128_load(c[EXP_AT_LN2_LOW])));
  v128_t p = wasm_v128_load(c[0]);
  UNROLL for (int i = 1; i < 6; i++) {
    p = wasm_f32x4_add(wasm_f32x4_mul(p, r), wasm_v128_load(c[i]));
  }
  p = wasm_f32x4_mul(p, wasm_f32x4_mul(r, r));
  p = wasm_f32x4_add(wasm_f32x4_add(p, r), wasm_v128_load(c[EXP_AT_ONE]));
  // 2^n: n in the low bits of a float (see ROUNDING), 127 more is its exponent's field.
  v128_t rounded = wasm_f32x4_add(n, wasm_v128_load(c[EXP_AT_ROUNDING]));
  v128_t power = wasm_i32x4_shl(wasm_i32x4_sub(rounded, wasm_v128_load(c[EXP_AT_BIAS])), 23);
  v128_t result = wasm_f32x4_mul(p, power);
  // Keep NaN; everything below the range is 0.
  result = wasm_v128_bitselect(result, x, wasm_f32x4_eq(x, x));
  return wasm_v128_andnot(result, wasm_f32x4_lt(x, lowest));
}

INLINE float exp_f32(float x) {
  if (x != x) return x;
  if (x < EXP_LOWEST) return 0;
  if (x > EXP_HIGHEST) x = EXP_HIGHEST;
  float n = nearest(x * LOG2_E), r = x - n * LN2_HIGH;
  r = r - n * LN2_LOW;
  float p = exp_coefficients[0];
  for (int i = 1; i < 6; i++) p = p * r + exp_coefficients[i];
  p = p * (r * r);
  p = p + r + 1;
  return p * bits_float((uint32_t)((int32_t)n + 127) << 23);
}

// tanh: an odd polynomial near 0 (Cephes), 1 - 2 / (exp(2|x|) + 1) elsewhere.
#define TANH_SMALL 0.625f
static const float tanh_coefficients[5] = {-5.70498872745e-3f, 2.06390887954e-2f,
                                           -5.37397155531e-2f, 1.33314422036e-1f,
                                           -3.33332819422e-1f};

INLINE v128_t tanh_f32x4(v128_t x) {
  v128_t magnitude = wasm_f32x4_abs(x), square = wasm_f32x4_mul(x, x);
  v128_t p = wasm_f32x4_splat(tanh_coefficients[0]);
  UNROLL for (int i = 1; i < 5; i++) {
    p = wasm_f32x4_add(wasm_f32x4_mul(p, square), wasm_f32x4_splat(tanh_coefficients[i]));
  }
  v128_t small = wasm_f32x4_add(wasm_f32x4_mul(wasm_f32x4_mul(p, square), x), x);
  v128_t one = wasm_f32x4_const_splat(1);
  v128_t e = exp_f32x4(wasm_f32x4_add(magnitude, magnitude));
  v128_t large =
      wasm_f32x4_sub(one, wasm_f32x4_div(wasm_f32x4_const_splat(2), wasm_f32x4_add(e, one)));
  v128_t sign = wasm_v128_and(x, wasm_i32x4_const_splat((int32_t)0x80000000));
  return wasm_v128_bitselect(small, wasm_v128_or(large, sign),
                             wasm_f32x4_lt(magnitude, wasm_f32x4_const_splat(TANH_SMALL)));
}

INLINE float tanh_f32(float x) {
  float magnitude = absolute(x), square = x * x;
  if (magnitude < TANH_SMALL) {
    float p = tanh_coefficients[0];
    for (int i = 1; i < 5; i++) p = p * square + tanh_coefficients[i];
    return p * square * x + x;
  }
  float large = 1 - 2 / (exp_f32(magnitude + magnitude) + 1);
  return x < 0 ? -large : large;
}

// erf: Abramowitz & Stegun 7.1.26, absolute error 1.5e-7 (5e-7 in float arithmetic).
static const float erf_coefficients[5] = {1.061405429f, -1.453152027f, 1.421413741f, -0.284496736f,
                                          0.254829592f};
#define ERF_P 0.3275911f

INLINE v128_t erf_f32x4(v128_t x) {
  v128_t one = wasm_f32x4_const_splat(1), magnitude = wasm_f32x4_abs(x);
  v128_t t = wasm_f32x4_div(
      one, wasm_f32x4_add(one, wasm_f32x4_mul(wasm_f32x4_const_splat(ERF_P), magnitude)));
  v128_t p = wasm_f32x4_splat(erf_coefficients[0]);
  UNROLL for (int i = 1; i < 5; i++) {
    p = wasm_f32x4_add(wasm_f32x4_mul(p, t), wasm_f32x4_splat(erf_coefficients[i]));
  }
  v128_t e = exp_f32x4(wasm_f32x4_neg(wasm_f32x4_mul(x, x)));
  v128_t value = wasm_f32x4_sub(one, wasm_f32x4_mul(wasm_f32x4_mul(p, t), e));
  return wasm_v128_or(value, wasm_v128_and(x, wasm_i32x4_const_splat((int32_t)0x80000000)));
}

INLINE float erf_f32(float x) {
  float t = 1 / (1 + ERF_P * absolute(x));
  float p = erf_coefficients[0];
  for (int i = 1; i < 5; i++) p = p * t + erf_coefficients[i];
  float value = 1 - p * t * exp_f32(-(x * x));
  return x < 0 ? -value : value;
}

// log of a positive number: x = m 2^e with m in [1/sqrt 2, sqrt 2), then a polynomial for log(m)
// (coefficients of Cephes, Moshier 1989). Relative error below 2e-7 away from 1.
static const float log_coefficients[9] = {7.0376836292e-2f,  -1.1514610310e-1f, 1.1676998740e-1f,
                                          -1.2420140846e-1f, 1.4249322787e-1f,  -1.6668057665e-1f,
                                          2.0000714765e-1f,  -2.4999993993e-1f, 3.3333331174e-1f};

INLINE float log_f32(float x) {
  const uint32_t bits = float_bits(x);
  int32_t exponent = (int32_t)(bits >> 23) - 126;
  float m = bits_float((bits & 0x7fffff) | 0x3f000000);
  if (m < 0.707106781186547524f) {
    exponent--;
    m += m;
  }
  m -= 1;
  float p = log_coefficients[0];
  for (int i = 1; i < 9; i++) p = p * m + log_coefficients[i];
  const float square = m * m, e = (float)exponent;
  float y = p * m * square + e * LN2_LOW;
  y -= 0.5f * square;
  return m + y + e * LN2_HIGH;
}
