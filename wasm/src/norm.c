// Root mean square and layer normalisation over groups of columns. Sums run in four lanes; the
// scalar twins add in the same order and are equal to the bit.
#include "simd.h"

INLINE float lane_sum(const float lanes[4]) {
  return (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
}

INLINE v128_t square_sums(const float *x, uint32_t n, v128_t mean) {
  v128_t sums = wasm_f32x4_const_splat(0);
  for (uint32_t i = 0; i + 4 <= n; i += 4) {
    v128_t d = wasm_f32x4_sub(wasm_v128_load(x + i), mean);
    sums = wasm_f32x4_add(sums, wasm_f32x4_mul(d, d));
  }
  return sums;
}

INLINE void norm_group(const int layer, const float *x, const float *weight, const float *bias,
                       float epsilon, uint32_t n, float *out) {
  const uint32_t whole = n & ~3u;
  float mean = 0;
  if (layer) {
    v128_t sums = wasm_f32x4_const_splat(0);
    for (uint32_t i = 0; i < whole; i += 4) sums = wasm_f32x4_add(sums, wasm_v128_load(x + i));
    mean = horizontal_sum(sums);
    for (uint32_t i = whole; i < n; i++) mean += x[i];
    mean /= (float)n;
  }
  float squares = horizontal_sum(square_sums(x, n, wasm_f32x4_splat(mean)));
  for (uint32_t i = whole; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
  const float inverse = 1 / __builtin_sqrtf(squares / (float)n + epsilon);
  v128_t means = wasm_f32x4_splat(mean), inverses = wasm_f32x4_splat(inverse);
  for (uint32_t i = 0; i < whole; i += 4) {
    v128_t value = wasm_f32x4_mul(wasm_f32x4_sub(wasm_v128_load(x + i), means), inverses);
    if (weight) value = wasm_f32x4_mul(value, wasm_v128_load(weight + i));
    if (bias) value = wasm_f32x4_add(value, wasm_v128_load(bias + i));
    wasm_v128_store(out + i, value);
  }
  for (uint32_t i = whole; i < n; i++) {
    float value = (x[i] - mean) * inverse * (weight ? weight[i] : 1);
    out[i] = bias ? value + bias[i] : value;
  }
}

// Groups [begin, end) of `n` columns each; weight and bias may be null and have `affine_rows` rows
// of `n` values, for the groups in turn.
EXPORT(norm_f32_x4)
void norm_f32_x4(uint32_t layer, const float *x, const float *weight, const float *bias,
                 uint32_t affine_rows, float epsilon, uint32_t n, float *out, uint32_t begin,
                 uint32_t end) {
  for (uint32_t g = begin; g < end; g++) {
    const size_t at = (size_t)g * n, row = (size_t)(g % affine_rows) * n;
    const float *w = weight ? weight + row : 0, *b = bias ? bias + row : 0;
    if (layer) {
      norm_group(1, x + at, w, b, epsilon, n, out + at);
    } else {
      norm_group(0, x + at, w, b, epsilon, n, out + at);
    }
  }
}

EXPORT(norm_f32_scalar)
void norm_f32_scalar(uint32_t layer, const float *x, const float *weight, const float *bias,
                     uint32_t affine_rows, float epsilon, uint32_t n, float *out, uint32_t begin,
                     uint32_t end) {
  const uint32_t whole = n & ~3u;
  for (uint32_t g = begin; g < end; g++) {
    const size_t row = (size_t)(g % affine_rows) * n;
    const float *xg = x + (size_t)g * n;
    float mean = 0, lanes[4] = {0, 0, 0, 0}, squares[4] = {0, 0, 0, 0};
    if (layer) {
      for (uint32_t i = 0; i < whole; i++) lanes[i % 4] += xg[i];
      mean = lane_sum(lanes);
      for (uint32_t i = whole; i < n; i++) mean += xg[i];
      mean /= (float)n;
    }
    for (uint32_t i = 0; i < whole; i++) squares[i % 4] += (xg[i] - mean) * (xg[i] - mean);
    float total = lane_sum(squares);
    for (uint32_t i = whole; i < n; i++) total += (xg[i] - mean) * (xg[i] - mean);
    const float inverse = 1 / __builtin_sqrtf(total / (float)n + epsilon);
    for (uint32_t i = 0; i < n; i++) {
      float value = (xg[i] - mean) * inverse * (weight ? weight[row + i] : 1);
      out[(size_t)g * n + i] = bias ? value + bias[row + i] : value;
    }
  }
}
