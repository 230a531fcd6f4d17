// Activations to int8 per block of 32, once per matmul input and shared by all matrices that read
// it. Symmetric, nearest (ties to even): q = nearest(x * 127 / max|x|). Layouts of the digits:
//
//   bytes         int8, natural order: what relaxed_dot_i8x16_i7x16_add reads
//   pairs         int16 in the order of the nibbles of a 32-bit digit word w, as four int16 pairs:
//                 columns (4w, 4w+2), (16+4w, 18+4w), (4w+1, 4w+3), (17+4w, 19+4w)
//   scaled pairs  the same, times 256, 16, 1, 256: the reciprocals of where a mask leaves the
//   nibble
#include "quantize.h"

#include "planes.h"

static const int16_t pair_factor[8] = {256, 256, 16, 16, 1, 1, 256, 256};
static const int16_t pair_unit[8] = {1, 1, 1, 1, 1, 1, 1, 1};

// Smaller maxima count as zero: their reciprocal would not be finite.
#define SMALLEST_MAXIMUM 1e-30f

INLINE v128_t quantize_8(const float *x, v128_t inverse) {
  v128_t a = whole_f32x4(wasm_f32x4_mul(wasm_v128_load(x), inverse));
  v128_t b = whole_f32x4(wasm_f32x4_mul(wasm_v128_load(x + 4), inverse));
  return wasm_i16x8_narrow_i32x4(a, b);
}

INLINE float block_maximum(const float *x) {
  v128_t m = wasm_f32x4_abs(wasm_v128_load(x));
  for (int i = 4; i < BLOCK; i += 4) m = wasm_f32x4_max(m, wasm_f32x4_abs(wasm_v128_load(x + i)));
  return horizontal_max(m);
}

INLINE void store_pairs(int16_t *out, v128_t low, v128_t high, v128_t factor) {
  v128_t first = wasm_i16x8_shuffle(low, high, 0, 2, 8, 10, 1, 3, 9, 11);
  v128_t second = wasm_i16x8_shuffle(low, high, 4, 6, 12, 14, 5, 7, 13, 15);
  wasm_v128_store(out, wasm_i16x8_mul(first, factor));
  wasm_v128_store(out + 8, wasm_i16x8_mul(second, factor));
}

EXPORT(quantize_f32_i8x32)
void quantize_f32_i8x32(const float *x, uint32_t columns, uint32_t token_begin, uint32_t token_end,
                        uint32_t layout, int8_t *digits, float *scales, int32_t *sums) {
  uint32_t blocks = columns / BLOCK;
  v128_t ones = wasm_i16x8_const_splat(1);
  v128_t factor = wasm_v128_load(layout == LAYOUT_SCALED_PAIRS ? pair_factor : pair_unit);
  for (uint32_t i = token_begin * blocks; i < token_end * blocks; i++) {
    const float *block = x + (size_t)i * BLOCK;
    float maximum = block_maximum(block);
    int tiny = maximum < SMALLEST_MAXIMUM;
    v128_t inverse = wasm_f32x4_splat(tiny ? 0.0f : 127.0f / maximum);
    v128_t q0 = quantize_8(block, inverse), q1 = quantize_8(block + 8, inverse);
    v128_t q2 = quantize_8(block + 16, inverse), q3 = quantize_8(block + 24, inverse);
    v128_t total =
        wasm_i32x4_dot_i16x8(wasm_i16x8_add(wasm_i16x8_add(q0, q1), wasm_i16x8_add(q2, q3)), ones);
    total = wasm_i32x4_add(total, wasm_i32x4_shuffle(total, total, 2, 3, 0, 1));
    sums[i] = wasm_i32x4_extract_lane(total, 0) + wasm_i32x4_extract_lane(total, 1);
    scales[i] = tiny ? 0.0f : maximum / 127.0f * TWO_112;
    if (layout == LAYOUT_BYTES) {
      wasm_v128_store(digits + (size_t)i * BLOCK, wasm_i8x16_narrow_i16x8(q0, q1));
      wasm_v128_store(digits + (size_t)i * BLOCK + 16, wasm_i8x16_narrow_i16x8(q2, q3));
    } else {
      int16_t *pairs = (int16_t *)digits + (size_t)i * BLOCK;
      store_pairs(pairs, q0, q2, factor);
      store_pairs(pairs + 16, q1, q3, factor);
    }
  }
}

// Scalar twin: equal to the bit.
EXPORT(quantize_f32_i8x32_scalar)
void quantize_f32_i8x32_scalar(const float *x, uint32_t columns, uint32_t token_begin,
                               uint32_t token_end, uint32_t layout, int8_t *digits, float *scales,
                               int32_t *sums) {
  uint32_t blocks = columns / BLOCK;
  for (uint32_t i = token_begin * blocks; i < token_end * blocks; i++) {
    const float *block = x + (size_t)i * BLOCK;
    float maximum = 0;
    for (int c = 0; c < BLOCK; c++) maximum = larger_magnitude(maximum, block[c]);
    int tiny = maximum < SMALLEST_MAXIMUM;
    float inverse = tiny ? 0.0f : 127.0f / maximum;
    scales[i] = tiny ? 0.0f : maximum / 127.0f * TWO_112;
    sums[i] = 0;
    for (int c = 0; c < BLOCK; c++) {
      int32_t q = (int32_t)nearest(block[c] * inverse);
      sums[i] += q;
      if (layout == LAYOUT_BYTES) {
        digits[(size_t)i * BLOCK + c] = (int8_t)q;
        continue;
      }
      int high = c / 16, word = c % 16 / 4, odd = c % 2, second = c % 4 / 2;
      int slot = 8 * word + 2 * (2 * odd + high) + second;
      int16_t factor = layout == LAYOUT_SCALED_PAIRS ? pair_factor[slot % 8] : 1;
      ((int16_t *)digits)[(size_t)i * BLOCK + slot] = (int16_t)(q * factor);
    }
  }
}
