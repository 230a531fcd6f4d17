// Nibble planes: the one run-time form of quantised matrices.
//
// Rows lie in groups of 8, columns in blocks of 32. The `hi` plane holds, group by group and block
// by block,
//
//   8 x f16 scale | [8 x f16 minimum] | 128 bytes of digits        (144 or 160 bytes)
//
// and the `lo` plane, where there is one, 128 bytes of digits only, in its own allocation.
// Digits: the four 4-byte words of each row's 16 bytes, interleaved over the 8 rows, so that a SIMD
// lane is a row: word w of row r lies at 32 * w + 4 * r. In byte j of word w the low nibble is
// column 4w + j and the high nibble column 16 + 4w + j, the order of GGUF's Q4_0.
//
//   two planes:              value = factor * scale * (16 * hi + lo - zero) + m
//   one plane:               value = factor * scale * (hi - zero) + m
//   two planes, 4-bit mode:  value = factor * scale * 16 * (hi - zero256 / 256) + m
//   m = minimum_factor * minimum
//
// zero256 places the reconstruction at the mean of the cell that the missing low digit leaves open.
// Rows are padded to whole groups with scale 0.
//
// Scales and minimums are stored times a gain (usually 1024, its reciprocal is part of both
// factors) that lifts the file's subnormal halves into the normal range: x86 processors take a
// hundred cycles for a product with a subnormal number, and one such scale in ten blocks halves the
// speed.
#pragma once

#include "simd.h"

enum { SCALE_BYTES = 16, DIGIT_BYTES = 128 };

typedef struct {
  uint32_t rows;
  uint32_t columns;
  const uint8_t *hi;   // null for a dense matrix
  const uint8_t *lo;   // null where there is one plane
  const float *dense;  // (rows, columns); null for planes
  uint32_t has_minimum;
  int32_t zero;
  int32_t zero256;
  float factor;
  uint32_t planes;  // 1 or 2 planes in the source; `lo` of two may have been dropped
  float minimum_factor;
  uint32_t low_step;  // what every low digit is a multiple of: 8 where the source has five bits
} Matrix;

_Static_assert(sizeof(Matrix) == 48, "mirrored by src/engine/backend/wasm/command-layout.ts");

// How a matrix is read in one step: which planes, and what the integers must be corrected by.
typedef struct {
  int two_planes;  // both planes are read
  int truncated;   // there are two, only the high one is read: zero256 counts, not zero
  int32_t zero;    // of the whole value; with two planes a multiple of 16
  int32_t zero256;
  float factor;   // of the accumulated sum
  float inverse;  // minimum_factor / factor, a power of two
} Reading;

INLINE Reading reading_of(const Matrix *m, uint32_t precision) {
  int two = m->lo != NULL && precision == 8;
  int truncated = m->planes == 2 && !two;
  float factor = truncated ? 16 * m->factor : m->factor;
  return (Reading){two, truncated, m->zero, m->zero256, factor, m->minimum_factor / factor};
}

// What the zero point takes from the sum of digit * activation over a block whose activations sum
// up to `sum`. Integer, so that all kernels and their scalar twins agree to the bit.
INLINE int32_t zero_correction(const Reading *r, int32_t sum) {
  return r->truncated ? (r->zero256 * sum + 128) >> 8 : r->zero * sum;
}

INLINE uint32_t block_bytes(const Matrix *m) {
  return SCALE_BYTES + DIGIT_BYTES + (m->has_minimum ? SCALE_BYTES : 0);
}

INLINE uint32_t groups_of(const Matrix *m) { return (m->rows + GROUP - 1) / GROUP; }

// Activations of one matmul input, quantised per token and block of 32.
typedef struct {
  const int8_t
      *digits;          // bytes (tokens, columns), or int16 pairs (tokens, columns), see quantize.c
  const float *scales;  // (tokens, blocks), times 2^112
  const int32_t *sums;  // (tokens, blocks), sum of the 32 integers
} Quantized;
