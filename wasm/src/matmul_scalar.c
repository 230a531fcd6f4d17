// Scalar twin of matvec and matmat on planes: the same order and roundings, equal to the bit.
// Reads activations in the byte layout in every build.
#include "matmul.h"

EXPORT(matmul_planes_scalar)
void matmul_planes_scalar(const Matrix *m, const Quantized *x, uint32_t tokens, uint32_t precision,
                          const float *bias, float *out) {
  const Reading r = reading_of(m, precision);
  const uint32_t blocks = m->columns / BLOCK, hi_bytes = block_bytes(m);
  for (uint32_t t = 0; t < tokens; t++) {
    for (uint32_t row = 0; row < m->rows; row++) {
      float sum = 0;
      for (uint32_t b = 0; b < blocks; b++) {
        size_t index = (size_t)(row / GROUP) * blocks + b;
        const uint8_t *hi = m->hi + index * hi_bytes, *digits = hi + hi_bytes - DIGIT_BYTES;
        const int8_t *xb = x->digits + ((size_t)t * blocks + b) * BLOCK;
        int32_t sum_x = x->sums[t * blocks + b], dot = -zero_correction(&r, sum_x);
        for (int c = 0; c < BLOCK; c++) {
          int shift = c < 16 ? 0 : 4, i = c % 16;
          uint32_t at = 32 * (i / 4) + 4 * (row % GROUP) + i % 4;
          int32_t digit = (digits[at] >> shift) & 15;
          if (r.two_planes) digit = 16 * digit + ((m->lo[index * DIGIT_BYTES + at] >> shift) & 15);
          dot += digit * xb[c];
        }
        float scale = x->scales[t * blocks + b];
        sum += (float)dot * (half_raw(load_u16(hi + 2 * (row % GROUP))) * scale);
        if (m->has_minimum) {
          float by = scale * (1 / TWO_112) * (float)sum_x * r.inverse;
          sum += half_to_float(load_u16(hi + SCALE_BYTES + 2 * (row % GROUP))) * by;
        }
      }
      out[(size_t)t * m->rows + row] = sum * r.factor + (bias ? bias[row] : 0);
    }
  }
}
