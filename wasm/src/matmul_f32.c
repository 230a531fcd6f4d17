// Dense float32 matrix times float32 activations, for small or sensitive matrices. Four lanes per
// (row, token) sum up every fourth column and are added pairwise at the end; the order depends
// neither on the number of tokens nor on the tile.
#include "planes.h"

INLINE void multiply_tile_f32(const int rows, const int tokens, const float *w, const float *x,
                              uint32_t columns, float out[4][2]) {
  v128_t sums[4][2];
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int t = 0; t < tokens; t++) sums[r][t] = wasm_f32x4_const_splat(0);
  }
  uint32_t c = 0;
  for (; c + 4 <= columns; c += 4) {
    v128_t xs[2];
    UNROLL for (int t = 0; t < tokens; t++) xs[t] = wasm_v128_load(x + (size_t)t * columns + c);
    UNROLL for (int r = 0; r < rows; r++) {
      v128_t row = wasm_v128_load(w + (size_t)r * columns + c);
      UNROLL for (int t = 0; t < tokens; t++) {
        sums[r][t] = wasm_f32x4_add(sums[r][t], wasm_f32x4_mul(row, xs[t]));
      }
    }
  }
  UNROLL for (int r = 0; r < rows; r++) {
    UNROLL for (int t = 0; t < tokens; t++) {
      out[r][t] = horizontal_sum(sums[r][t]);
      for (uint32_t tail = c; tail < columns; tail++) {
        out[r][t] += w[(size_t)r * columns + tail] * x[(size_t)t * columns + tail];
      }
    }
  }
}

INLINE void multiply_rows_f32(const int rows, const Matrix *m, const float *x, uint32_t tokens,
                              const float *bias, float *out, uint32_t row) {
  const float *w = m->dense + (size_t)row * m->columns;
  for (uint32_t t = 0; t < tokens;) {
    float values[4][2];
    const uint32_t count = tokens - t >= 2 ? 2 : 1;
    const float *xt = x + (size_t)t * m->columns;
    if (count == 2) {
      multiply_tile_f32(rows, 2, w, xt, m->columns, values);
    } else {
      multiply_tile_f32(rows, 1, w, xt, m->columns, values);
    }
    for (uint32_t i = 0; i < count; i++) {
      for (int r = 0; r < rows; r++) {
        out[(size_t)(t + i) * m->rows + row + r] = values[r][i] + (bias ? bias[row + r] : 0);
      }
    }
    t += count;
  }
}

// out (tokens, rows) = x * matrix^T + bias for the groups of 8 rows [group_begin, group_end).
EXPORT(matmul_f32_4x2)
void matmul_f32_4x2(const Matrix *m, const float *x, uint32_t tokens, const float *bias, float *out,
                    uint32_t group_begin, uint32_t group_end) {
  uint32_t row = group_begin * GROUP, end = min_u32(m->rows, group_end * GROUP);
  for (; row + 4 <= end; row += 4) multiply_rows_f32(4, m, x, tokens, bias, out, row);
  for (; row < end; row++) multiply_rows_f32(1, m, x, tokens, bias, out, row);
}

// Scalar twin: lane by lane, equal to the bit.
EXPORT(matmul_f32_scalar)
void matmul_f32_scalar(const Matrix *m, const float *x, uint32_t tokens, const float *bias,
                       float *out) {
  for (uint32_t t = 0; t < tokens; t++) {
    for (uint32_t row = 0; row < m->rows; row++) {
      const float *w = m->dense + (size_t)row * m->columns, *xt = x + (size_t)t * m->columns;
      float lanes[4] = {0, 0, 0, 0};
      uint32_t c = 0, whole = m->columns & ~3u;
      for (; c < whole; c++) lanes[c % 4] += w[c] * xt[c];
      float sum = (lanes[0] + lanes[2]) + (lanes[1] + lanes[3]);
      for (; c < m->columns; c++) sum += w[c] * xt[c];
      out[(size_t)t * m->rows + row] = sum + (bias ? bias[row] : 0);
    }
  }
}
