// Matrix on nibble planes times several quantised vectors (prefill): 8 rows x 4 tokens of sums in
// registers. The digits of 8 rows are unpacked once into a panel that stays in the first-level
// cache and is read by every tile of 4 tokens; long rows are cut into panels of 64 blocks.
#include "matmul.h"

enum {
  PANEL_BLOCKS = 64,
#ifdef __wasm_relaxed_simd__
  PLANE_BLOCK = 256,  // 8 words x 8 rows of 4 bytes
  PANEL_BLOCK = 2 * PLANE_BLOCK,
#else
  PLANE_BLOCK = 512,  // 16 pairs x 8 rows of 2 int16
  PANEL_BLOCK = PLANE_BLOCK,
#endif
};

EXPORT(scratch_matmul_bytes)
uint32_t scratch_matmul_bytes(uint32_t tokens, uint32_t columns) {
  uint32_t corrections = tokens * (columns / BLOCK) * 12;
  return ((corrections + 15) & ~15u) + tokens * GROUP * 4 + PANEL_BLOCKS * PANEL_BLOCK;
}

INLINE void start_sums(const int tokens, const BlockTerms *terms, v128_t *sums) {
  UNROLL for (int t = 0; t < tokens; t++) {
    sums[2 * t] = sums[2 * t + 1] = wasm_v128_load32_splat(&terms[t].start);
  }
}

#ifdef __wasm_relaxed_simd__

// Words 0-3 are the low nibbles (columns 4w..), words 4-7 the high ones (columns 16+4w..).
INLINE void unpack_plane(uint8_t *panel, const uint8_t *digits, v128_t mask) {
  UNROLL for (int i = 0; i < 8; i++) {
    v128_t d = wasm_v128_load(digits + 16 * i);
    wasm_v128_store(panel + 16 * i, wasm_v128_and(d, mask));
    wasm_v128_store(panel + 128 + 16 * i, wasm_v128_and(wasm_u16x8_shr(d, 4), mask));
  }
}

INLINE void unpack_block(const int two, uint8_t *panel, const uint8_t *hi, const uint8_t *lo) {
  v128_t mask = wasm_i8x16_const_splat(0x0f);
  KEEP(mask);
  unpack_plane(panel, hi, mask);
  if (two) unpack_plane(panel + PLANE_BLOCK, lo, mask);
}

INLINE void dot_plane(const int tokens, const uint8_t *panel, const int8_t *const *x,
                      v128_t *sums) {
  UNROLL for (int w = 0; w < 8; w++) {
    v128_t a = wasm_v128_load(panel + 32 * w), b = wasm_v128_load(panel + 32 * w + 16);
    UNROLL for (int t = 0; t < tokens; t++) {
      v128_t splat = wasm_v128_load32_splat(x[t] + 4 * w);
      sums[2 * t] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(splat, a, sums[2 * t]);
      sums[2 * t + 1] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(splat, b, sums[2 * t + 1]);
    }
  }
}

// As above in 16-bit sums (see DOT_PAIRS), which are added to `sums` times `unit`, or to the start
// values of `terms` where these are given: eight registers that are free until the end.
INLINE void pair_plane(const int tokens, const uint8_t *panel, const int8_t *const *x, v128_t unit,
                       const BlockTerms *terms, v128_t *sums) {
  v128_t pairs[2 * TILE];
  UNROLL for (int w = 0; w < 8; w++) {
    v128_t a = wasm_v128_load(panel + 32 * w), b = wasm_v128_load(panel + 32 * w + 16);
    UNROLL for (int t = 0; t < tokens; t++) {
      v128_t splat = wasm_v128_load32_splat(x[t] + 4 * w);
      v128_t pa = wasm_i16x8_relaxed_dot_i8x16_i7x16(splat, a);
      v128_t pb = wasm_i16x8_relaxed_dot_i8x16_i7x16(splat, b);
      pairs[2 * t] = w == 0 ? pa : wasm_i16x8_add(pairs[2 * t], pa);
      pairs[2 * t + 1] = w == 0 ? pb : wasm_i16x8_add(pairs[2 * t + 1], pb);
    }
  }
  UNROLL for (int i = 0; i < 2 * tokens; i++) {
    v128_t before = terms ? wasm_v128_load32_splat(&terms[i / 2].start) : sums[i];
    sums[i] = wasm_i32x4_add(before, wasm_i32x4_dot_i16x8(pairs[i], unit));
  }
}

INLINE void dot_block(const int dot, const int tokens, const int two, const uint8_t *panel,
                      const int8_t *const *x, const BlockTerms *terms, v128_t *sums) {
  if (dot == DOT_PAIRS) {
    pair_plane(tokens, panel, x, wasm_i16x8_splat(two ? 16 : 1), terms, sums);
    if (two) pair_plane(tokens, panel + PLANE_BLOCK, x, wasm_i16x8_const_splat(1), NULL, sums);
    return;
  }
  start_sums(tokens, terms, sums);
  dot_plane(tokens, panel, x, sums);
  if (!two) return;
  UNROLL for (int i = 0; i < 2 * tokens; i++) sums[i] = wasm_i32x4_shl(sums[i], 4);
  dot_plane(tokens, panel + PLANE_BLOCK, x, sums);
}

enum { START_DIVISOR_TWO_PLANES = 16 };

#else

// int16 values: with two planes 16 * hi + lo, so both modes cost the same. Pairs in the order of
// src/quantize.c.
INLINE void unpack_block(const int two, uint8_t *panel, const uint8_t *hi, const uint8_t *lo) {
  v128_t mask = wasm_i16x8_const_splat(0x000f);
  UNROLL for (int i = 0; i < 8; i++) {
    uint8_t *out = panel + 128 * (i / 2) + 16 * (i % 2);
    v128_t d = wasm_v128_load(hi + 16 * i);
    v128_t e = two ? wasm_v128_load(lo + 16 * i) : d;
    UNROLL for (int n = 0; n < 4; n++) {
      v128_t digit = wasm_v128_and(wasm_u16x8_shr(d, 4 * n), mask);
      if (two)
        digit =
            wasm_v128_or(wasm_i16x8_shl(digit, 4), wasm_v128_and(wasm_u16x8_shr(e, 4 * n), mask));
      wasm_v128_store(out + 32 * n, digit);
    }
  }
}

INLINE void dot_block(const int dot, const int tokens, const int two, const uint8_t *panel,
                      const int8_t *const *x, const BlockTerms *terms, v128_t *sums) {
  (void)two;
  (void)dot;
  start_sums(tokens, terms, sums);
  UNROLL for (int w = 0; w < 16; w++) {
    v128_t a = wasm_v128_load(panel + 32 * w), b = wasm_v128_load(panel + 32 * w + 16);
    UNROLL for (int t = 0; t < tokens; t++) {
      v128_t splat = wasm_v128_load32_splat(x[t] + 4 * w);
      sums[2 * t] = wasm_i32x4_add(sums[2 * t], wasm_i32x4_dot_i16x8(a, splat));
      sums[2 * t + 1] = wasm_i32x4_add(sums[2 * t + 1], wasm_i32x4_dot_i16x8(b, splat));
    }
  }
}

enum { START_DIVISOR_TWO_PLANES = 1 };

#endif

typedef struct {
  const uint8_t *panel, *scales;  // scales: the hi plane's blocks of this group and panel
  uint32_t hi_bytes, first_block, count;
} Panel;

// Adds the panel's products to the partial sums of `tokens` tokens from `token` on.
INLINE void multiply_tile(const int dot, const int tokens, const int two, const int has_minimum,
                          const Panel *panel, const Quantized *x, const uint32_t *from,
                          uint32_t blocks, uint32_t token, const Corrections *c, float *partial) {
  const uint32_t x_bytes = BLOCK * activation_bytes();
  const int8_t *xs[TILE];
  v128_t totals[2 * TILE], half_mask = wasm_i32x4_const_splat((int32_t)HALF_RAW_MASK);
  KEEP(half_mask);
  UNROLL for (int t = 0; t < tokens; t++) {
    const size_t row = mapped(from, token + t);
    xs[t] = x->digits + (row * blocks + panel->first_block) * x_bytes;
    totals[2 * t] = wasm_v128_load(partial + GROUP * t);
    totals[2 * t + 1] = wasm_v128_load(partial + GROUP * t + 4);
  }
  const size_t first = (size_t)token * blocks + (size_t)panel->first_block * tokens;
  const BlockTerms *terms = c->terms + first;
  const float *minimum_factors = c->minimum_factors + first;
  const uint8_t *halves_at = panel->scales, *digits = panel->panel;
  for (uint32_t b = 0; b < panel->count; b++) {
    v128_t sums[2 * TILE];
    dot_block(dot, tokens, two, digits, xs, terms, sums);
    v128_t halves = wasm_v128_load(halves_at);
    v128_t low = half_raw_low(halves, half_mask), high = half_raw_high(halves, half_mask);
    v128_t low_minimum = low, high_minimum = high;
    if (has_minimum) {
      halves = wasm_v128_load(halves_at + SCALE_BYTES);
      low_minimum = half_low(halves, half_mask);
      high_minimum = half_high(halves, half_mask);
    }
    UNROLL for (int t = 0; t < tokens; t++) {
      v128_t scale = wasm_v128_load32_splat(&terms[t].scale);
      v128_t a = wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sums[2 * t]), wasm_f32x4_mul(low, scale));
      v128_t e =
          wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sums[2 * t + 1]), wasm_f32x4_mul(high, scale));
      totals[2 * t] = wasm_f32x4_add(totals[2 * t], a);
      totals[2 * t + 1] = wasm_f32x4_add(totals[2 * t + 1], e);
      if (has_minimum) {
        v128_t by = wasm_v128_load32_splat(minimum_factors + t);
        totals[2 * t] = wasm_f32x4_add(totals[2 * t], wasm_f32x4_mul(low_minimum, by));
        totals[2 * t + 1] = wasm_f32x4_add(totals[2 * t + 1], wasm_f32x4_mul(high_minimum, by));
      }
    }
    UNROLL for (int t = 0; t < tokens; t++) xs[t] += x_bytes;
    terms += tokens;
    minimum_factors += tokens;
    digits += PANEL_BLOCK;
    halves_at += panel->hi_bytes;
  }
  UNROLL for (int t = 0; t < tokens; t++) {
    wasm_v128_store(partial + GROUP * t, totals[2 * t]);
    wasm_v128_store(partial + GROUP * t + 4, totals[2 * t + 1]);
  }
}

INLINE void matmat_groups(const int dot, const int two, const int has_minimum, const Matrix *m,
                          const Quantized *x, TokenMap map, uint32_t tokens, const Corrections *c,
                          const float *bias, float factor, float *out, uint32_t group_begin,
                          uint32_t group_end, float *partial, uint8_t *panel_bytes) {
  const uint32_t blocks = m->columns / BLOCK,
                 hi_bytes = SCALE_BYTES * (1 + has_minimum) + DIGIT_BYTES;
  for (uint32_t group = group_begin; group < group_end; group++) {
    __builtin_memset(partial, 0, (size_t)tokens * GROUP * 4);
    for (uint32_t first = 0; first < blocks; first += PANEL_BLOCKS) {
      size_t index = (size_t)group * blocks + first;
      Panel panel = {panel_bytes, m->hi + index * hi_bytes, hi_bytes, first,
                     min_u32(PANEL_BLOCKS, blocks - first)};
      for (uint32_t b = 0; b < panel.count; b++) {
        unpack_block(two, panel_bytes + b * PANEL_BLOCK,
                     panel.scales + (b + 1) * hi_bytes - DIGIT_BYTES,
                     two ? m->lo + (index + b) * DIGIT_BYTES : NULL);
      }
      uint32_t t = 0;
      for (; t + TILE <= tokens; t += TILE)
        multiply_tile(dot, TILE, two, has_minimum, &panel, x, map.from, blocks, t, c,
                      partial + GROUP * t);
      for (; t < tokens; t++)
        multiply_tile(dot, 1, two, has_minimum, &panel, x, map.from, blocks, t, c,
                      partial + GROUP * t);
    }
    v128_t factors = wasm_f32x4_splat(factor);
    for (uint32_t t = 0; t < tokens; t++) {
      store_group(m, group, wasm_v128_load(partial + GROUP * t),
                  wasm_v128_load(partial + GROUP * t + 4), factors, bias,
                  out + (size_t)mapped(map.to, t) * m->rows);
    }
  }
}

typedef void (*Matmat)(const Matrix *m, const Quantized *x, TokenMap map, uint32_t tokens,
                       const Corrections *c, const float *bias, float factor, float *out,
                       uint32_t begin, uint32_t end, float *partial, uint8_t *panel);

#define MATMAT_VARIANT(dot, two, has_minimum)                                                    \
  static void matmat_##dot##_##two##_##has_minimum(                                              \
      const Matrix *m, const Quantized *x, TokenMap map, uint32_t tokens, const Corrections *c,  \
      const float *bias, float factor, float *out, uint32_t begin, uint32_t end, float *partial, \
      uint8_t *panel) {                                                                          \
    matmat_groups(dot, two, has_minimum, m, x, map, tokens, c, bias, factor, out, begin, end,    \
                  partial, panel);                                                               \
  }

#define MATMAT_VARIANTS(dot) \
  MATMAT_VARIANT(dot, 0, 0)  \
  MATMAT_VARIANT(dot, 0, 1)  \
  MATMAT_VARIANT(dot, 1, 0)  \
  MATMAT_VARIANT(dot, 1, 1)

// [dot][two planes][minimum]
#define MATMAT_TABLE(dot)                                                                \
  {                                                                                      \
    {matmat_##dot##_0_0, matmat_##dot##_0_1}, { matmat_##dot##_1_0, matmat_##dot##_1_1 } \
  }

MATMAT_VARIANTS(0)
#ifdef __wasm_relaxed_simd__
MATMAT_VARIANTS(1)
static const Matmat matmats[DOT_COUNT][2][2] = {MATMAT_TABLE(0), MATMAT_TABLE(1)};
#else
static const Matmat matmats[DOT_COUNT][2][2] = {MATMAT_TABLE(0)};
#endif

uint32_t dot_method = DOT_QUADS;

// How products are summed up from now on, one of the methods below the number returned.
EXPORT(hermit_choose_dot) uint32_t hermit_choose_dot(uint32_t method) {
  dot_method = min_u32(method, DOT_COUNT - 1);
  return DOT_COUNT;
}

static const TokenMap every_token = {NULL, NULL};

// Scratch of a matmat: corrections, sums of one group's rows, one unpacked panel.
typedef struct {
  Corrections corrections;
  float *partial;
  uint8_t *panel;
} MatmatScratch;

INLINE MatmatScratch matmat_scratch(const Matrix *m, uint32_t tokens, uint8_t *scratch) {
  const size_t count = (size_t)tokens * (m->columns / BLOCK);
  float *partial = (float *)(scratch + ((count * 12 + 15) & ~(size_t)15));
  return (MatmatScratch){{(BlockTerms *)scratch, (float *)scratch + 2 * count},
                         partial,
                         (uint8_t *)(partial + (size_t)tokens * GROUP)};
}

static void prepare_mapped(const Matrix *m, const Quantized *x, TokenMap map, uint32_t tokens,
                           uint32_t precision, uint8_t *scratch) {
  const Reading r = reading_of(m, precision);
  MatmatScratch s = matmat_scratch(m, tokens, scratch);
  prepare_corrections(m, &r, x, map.from, 0, tokens, tokens - tokens % TILE, 1,
                      start_divisor(r.two_planes, START_DIVISOR_TWO_PLANES), &s.corrections);
}

static void run_mapped(const Matrix *m, const Quantized *x, TokenMap map, uint32_t tokens,
                       uint32_t precision, const float *bias, float *out, uint32_t group_begin,
                       uint32_t group_end, uint8_t *prepared) {
  const Reading r = reading_of(m, precision);
  const MatmatScratch s = matmat_scratch(m, tokens, prepared);
  matmats[dot_method][r.two_planes][m->has_minimum](m, x, map, tokens, &s.corrections, bias,
                                                    r.factor, out, group_begin, group_end,
                                                    s.partial, s.panel);
}

// What all groups of a matmat need, once for the whole of it.
void matmat_prepare(const Matrix *m, const Quantized *x, uint32_t tokens, uint32_t precision,
                    uint8_t *scratch) {
  prepare_mapped(m, x, every_token, tokens, precision, scratch);
}

void matmat_run(const Matrix *m, const Quantized *x, uint32_t tokens, uint32_t precision,
                const float *bias, float *out, uint32_t group_begin, uint32_t group_end,
                uint8_t *prepared) {
  run_mapped(m, x, every_token, tokens, precision, bias, out, group_begin, group_end, prepared);
}

// out (tokens, rows) = x * matrix^T + bias for the groups [group_begin, group_end).
EXPORT(matmat_planes_8x4)
void matmat_planes_8x4(const Matrix *m, const Quantized *x, uint32_t tokens, uint32_t precision,
                       const float *bias, float *out, uint32_t group_begin, uint32_t group_end,
                       uint8_t *scratch) {
  matmat_prepare(m, x, tokens, precision, scratch);
  matmat_run(m, x, tokens, precision, bias, out, group_begin, group_end, scratch);
}

// The same for the `tokens` tokens of a map.
void matmat_mapped_8x4(const Matrix *m, const Quantized *x, TokenMap map, uint32_t tokens,
                       uint32_t precision, const float *bias, float *out, uint32_t group_begin,
                       uint32_t group_end, uint8_t *scratch) {
  prepare_mapped(m, x, map, tokens, precision, scratch);
  run_mapped(m, x, map, tokens, precision, bias, out, group_begin, group_end, scratch);
}
