// Embedding lookup: rows of a matrix on planes or of a dense one, times a factor.
#include "planes.h"

static float plane_value(const Matrix *m, const Reading *r, uint32_t row, uint32_t column) {
  const uint32_t hi_bytes = block_bytes(m), lane = row % GROUP, i = column % 16;
  const int shift = column % BLOCK < 16 ? 0 : 4;
  const size_t index = (size_t)(row / GROUP) * (m->columns / BLOCK) + column / BLOCK;
  const uint8_t *hi = m->hi + index * hi_bytes;
  const uint32_t at = 32 * (i / 4) + 4 * lane + i % 4;
  const int32_t digit = (hi[hi_bytes - DIGIT_BYTES + at] >> shift) & 15;
  const float scale = r->factor * half_to_float(load_u16(hi + 2 * lane));
  const float minimum =
      m->has_minimum ? m->minimum_factor * half_to_float(load_u16(hi + SCALE_BYTES + 2 * lane)) : 0;
  if (r->truncated) return scale * ((float)(256 * digit - r->zero256) * (1 / 256.0f)) + minimum;
  const int32_t low = r->two_planes ? (m->lo[index * DIGIT_BYTES + at] >> shift) & 15 : 0;
  return scale * (float)((r->two_planes ? 16 * digit + low : digit) - r->zero) + minimum;
}

// One token costs as much as one row of a matrix, so scalar code is fast enough. Token t gets the
// row tokens[t], or without tokens the row first_row + t * row_step.
EXPORT(embed_rows)
void embed_rows(const Matrix *m, const int32_t *tokens, uint32_t first_row, uint32_t row_step,
                float scale, uint32_t precision, float *out, uint32_t token_begin,
                uint32_t token_end) {
  const Reading r = reading_of(m, precision);
  for (uint32_t t = token_begin; t < token_end; t++) {
    float *row = out + (size_t)t * m->columns;
    const uint32_t index = tokens ? (uint32_t)tokens[t] : first_row + t * row_step;
    for (uint32_t c = 0; c < m->columns; c++) {
      float value =
          m->dense ? m->dense[(size_t)index * m->columns + c] : plane_value(m, &r, index, c);
      row[c] = value * scale;
    }
  }
}
