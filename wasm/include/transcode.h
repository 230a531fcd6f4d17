// What the transcoders (src/transcode.c, src/transcode_k.c) share: one block in registers, and the
// way from the blocks of eight rows to planes.
#pragma once

#include "planes.h"

// One block of one row, ready to be interleaved. Digits in Q4_0's nibble order.
typedef struct {
  v128_t hi, lo;
  float scale, minimum;
} PlaneBlock;

INLINE v128_t low_nibbles(void) { return wasm_i8x16_const_splat(0x0f); }

// Bytes 0..255 (columns 0..15, 16..31) to both planes.
INLINE void split_bytes(PlaneBlock *out, v128_t first, v128_t second) {
  v128_t low = low_nibbles(), high = wasm_i8x16_const_splat((char)0xf0);
  out->hi = wasm_v128_or(wasm_v128_and(wasm_u16x8_shr(first, 4), low), wasm_v128_and(second, high));
  out->lo = wasm_v128_or(wasm_v128_and(first, low), wasm_v128_and(wasm_i16x8_shl(second, 4), high));
}

// ---- interleaving ----

// 16 bytes of each of 8 rows to 4-byte words, rows fastest.
INLINE void store_interleaved(uint8_t *out, const v128_t *rows) {
  UNROLL for (int half = 0; half < 2; half++) {
    v128_t a = rows[4 * half], b = rows[4 * half + 1], c = rows[4 * half + 2],
           d = rows[4 * half + 3];
    v128_t ab0 = wasm_i32x4_shuffle(a, b, 0, 4, 1, 5), ab1 = wasm_i32x4_shuffle(a, b, 2, 6, 3, 7);
    v128_t cd0 = wasm_i32x4_shuffle(c, d, 0, 4, 1, 5), cd1 = wasm_i32x4_shuffle(c, d, 2, 6, 3, 7);
    uint8_t *p = out + 16 * half;
    wasm_v128_store(p, wasm_i64x2_shuffle(ab0, cd0, 0, 2));
    wasm_v128_store(p + 32, wasm_i64x2_shuffle(ab0, cd0, 1, 3));
    wasm_v128_store(p + 64, wasm_i64x2_shuffle(ab1, cd1, 0, 2));
    wasm_v128_store(p + 96, wasm_i64x2_shuffle(ab1, cd1, 1, 3));
  }
}

// Eight floats times a power of two as halves; *overflow collects lanes that became too large.
INLINE v128_t multiply_to_halves(v128_t low, v128_t high, v128_t gain, v128_t *overflow) {
  v128_t largest = wasm_f32x4_const_splat(65504.0f);
  low = wasm_f32x4_mul(low, gain);
  high = wasm_f32x4_mul(high, gain);
  v128_t over = wasm_v128_or(wasm_f32x4_gt(wasm_f32x4_abs(low), largest),
                             wasm_f32x4_gt(wasm_f32x4_abs(high), largest));
  *overflow = wasm_v128_or(*overflow, over);
  return wasm_u16x8_narrow_i32x4(float_to_half_x4(low), float_to_half_x4(high));
}

enum { FLAG_NOT_FINITE = 1, FLAG_OVERFLOW = 2 };

// Decodes sub-block `sub` of the block at p; returns whether its numbers are finite. Blocks of 32
// columns have one sub-block.
typedef int Decoder(const uint8_t *p, uint32_t sub, PlaneBlock *out);

INLINE int transcode_group(Decoder *decode, int source_bytes, uint32_t subs, int has_minimum,
                           int has_lo, const uint8_t *source, uint32_t rows, uint32_t blocks,
                           uint8_t *hi, uint8_t *lo, v128_t gain, v128_t *overflow) {
  int finite = 1;
  size_t row_bytes = (size_t)(blocks / subs) * source_bytes;
  for (uint32_t b = 0; b < blocks; b++) {
    v128_t hi_rows[GROUP], lo_rows[GROUP];
    float scales[GROUP], minimums[GROUP];
    const uint8_t *at = source + (size_t)(b / subs) * source_bytes;
    for (uint32_t r = 0; r < GROUP; r++) {
      PlaneBlock block = {wasm_i32x4_const_splat(0), wasm_i32x4_const_splat(0), 0, 0};
      if (r < rows) finite &= decode(at + r * row_bytes, b % subs, &block);
      hi_rows[r] = block.hi;
      lo_rows[r] = block.lo;
      scales[r] = block.scale;
      minimums[r] = block.minimum;
    }
    wasm_v128_store(
        hi, multiply_to_halves(wasm_v128_load(scales), wasm_v128_load(scales + 4), gain, overflow));
    hi += SCALE_BYTES;
    if (has_minimum) {
      wasm_v128_store(hi, multiply_to_halves(wasm_v128_load(minimums), wasm_v128_load(minimums + 4),
                                             gain, overflow));
      hi += SCALE_BYTES;
    }
    store_interleaved(hi, hi_rows);
    hi += DIGIT_BYTES;
    if (has_lo) {
      store_interleaved(lo, lo_rows);
      lo += DIGIT_BYTES;
    }
  }
  return finite;
}

INLINE int transcode_rows(Decoder *decode, int source_bytes, uint32_t subs, int has_minimum,
                          int has_lo, const uint8_t *source, uint32_t rows, uint32_t columns,
                          uint8_t *hi, uint8_t *lo, float gain) {
  uint32_t blocks = columns / BLOCK;
  size_t hi_group = (size_t)blocks * (SCALE_BYTES * (1 + has_minimum) + DIGIT_BYTES);
  size_t lo_group = has_lo ? (size_t)blocks * DIGIT_BYTES : 0;
  int finite = 1;
  v128_t gains = wasm_f32x4_splat(gain), overflow = wasm_i32x4_const_splat(0);
  for (uint32_t row = 0; row < rows; row += GROUP) {
    const uint8_t *group = source + (size_t)row * (blocks / subs) * source_bytes;
    uint32_t count = min_u32(rows - row, GROUP);
    finite &= transcode_group(decode, source_bytes, subs, has_minimum, has_lo, group, count, blocks,
                              hi, lo, gains, &overflow);
    hi += hi_group;
    lo += lo_group;
  }
  return (finite ? 0 : FLAG_NOT_FINITE) | (wasm_v128_any_true(overflow) ? FLAG_OVERFLOW : 0);
}

// `subs` sub-blocks of 32 columns make a block of `source_bytes`.
#define TRANSCODER(type, source_bytes, subs, has_minimum, has_lo)                               \
  EXPORT(transcode_##type##_planes)                                                             \
  int transcode_##type##_planes(const uint8_t *source, uint32_t rows, uint32_t columns,         \
                                uint8_t *hi, uint8_t *lo, float gain) {                         \
    return transcode_rows(decode_##type, source_bytes, subs, has_minimum, has_lo, source, rows, \
                          columns, hi, lo, gain);                                               \
  }
