// Matrix on nibble planes times several quantised vectors (prefill): 8 rows x 4 tokens of sums in
// registers. The digits of 8 rows are unpacked once into a panel that stays in the first-level
// cache and is read by every tile of 4 tokens; long rows are cut into panels of 16 KiB. The tokens
// of a tile are interleaved once for the whole matrix, with what each block of them needs behind
// its digits, so that one pointer walks a tile and no register holds an address to spare.
#include "matmul.h"

enum {
  TILE = 4,
  PANEL_BYTES = 16384,
#ifdef __wasm_relaxed_simd__
  PLANE_BLOCK = 256,  // 8 words x 8 rows of 4 bytes
  X_WORDS = 8,
#else
  PLANE_BLOCK = 512,  // 16 pairs x 8 rows of 2 int16
  X_WORDS = 16,
#endif
};

// A block of a tile of n tokens: words (X_WORDS, n) of activations, then for each token what the
// sums start at, its scale, and what multiplies a minimum.
INLINE uint32_t tile_block_bytes(uint32_t tokens) { return tokens * (4 * X_WORDS + 16); }

// Tokens after the last whole tile are a tile of one, or share one that is filled up.
INLINE uint32_t tile_size(uint32_t token, uint32_t tokens) {
  return tokens - token == 1 ? 1 : TILE;
}

// What digits a panel holds. Five bits lie in two planes as 8 times their value; unpacked they are
// one digit again, so that they cost what four cost. The plain build makes one number of two digits
// anyway.
enum { ONE_DIGIT, TWO_DIGITS, FIVE_BITS };

#ifdef __wasm_relaxed_simd__
enum { FORM_COUNT = 3 };
#else
enum { FORM_COUNT = 2 };
#endif

INLINE int form_of(const Matrix *m, const Reading *r) {
  return !r->two_planes ? ONE_DIGIT : FORM_COUNT == 3 && m->low_step == 8 ? FIVE_BITS : TWO_DIGITS;
}

INLINE uint32_t panel_block_bytes(int form) {
  return FORM_COUNT == 3 && form == TWO_DIGITS ? 2 * PLANE_BLOCK : PLANE_BLOCK;
}

EXPORT(scratch_matmul_bytes)
uint32_t scratch_matmul_bytes(uint32_t tokens, uint32_t columns) {
  const uint32_t padded = (tokens + TILE - 1) & ~(TILE - 1u);
  return columns / BLOCK * tile_block_bytes(padded) + padded * GROUP * 4 + PANEL_BYTES;
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

// Low digits are 0 or 8 here.
INLINE void unpack_five_bits(uint8_t *panel, const uint8_t *hi, const uint8_t *lo) {
  v128_t even = wasm_i8x16_const_splat(0x1e), one = wasm_i8x16_const_splat(1);
  KEEP(even);
  KEEP(one);
  UNROLL for (int i = 0; i < 8; i++) {
    v128_t d = wasm_v128_load(hi + 16 * i), e = wasm_v128_load(lo + 16 * i);
    v128_t first = wasm_v128_or(wasm_v128_and(wasm_i16x8_shl(d, 1), even),
                                wasm_v128_and(wasm_u16x8_shr(e, 3), one));
    v128_t second = wasm_v128_or(wasm_v128_and(wasm_u16x8_shr(d, 3), even),
                                 wasm_v128_and(wasm_u16x8_shr(e, 7), one));
    wasm_v128_store(panel + 16 * i, first);
    wasm_v128_store(panel + 128 + 16 * i, second);
  }
}

INLINE void unpack_block(const int form, uint8_t *panel, const uint8_t *hi, const uint8_t *lo) {
  if (form == FIVE_BITS) {
    unpack_five_bits(panel, hi, lo);
    return;
  }
  v128_t mask = wasm_i8x16_const_splat(0x0f);
  KEEP(mask);
  unpack_plane(panel, hi, mask);
  if (form == TWO_DIGITS) unpack_plane(panel + PLANE_BLOCK, lo, mask);
}

// Sums of four, in registers from the start on.
INLINE void dot_plane(const int tile, const uint8_t *panel, const int8_t *x, v128_t *sums) {
  UNROLL for (int w = 0; w < X_WORDS; w++) {
    v128_t a = wasm_v128_load(panel + 32 * w), b = wasm_v128_load(panel + 32 * w + 16);
    UNROLL for (int t = 0; t < tile; t++) {
      v128_t splat = wasm_v128_load32_splat(x + 4 * (tile * w + t));
      sums[2 * t] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(splat, a, sums[2 * t]);
      sums[2 * t + 1] = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(splat, b, sums[2 * t + 1]);
    }
    UNROLL for (int i = 0; i < 2 * tile; i++) KEEP(sums[i]);
  }
}

// Sums of two in 16 bits (see DOT_PAIRS) of the first `tokens` tokens of a tile.
INLINE void pair_tile_words(const int tokens, const int tile, const int two, const uint8_t *panel,
                            const int8_t *x, v128_t *high, v128_t *low) {
  UNROLL for (int w = 0; w < X_WORDS; w++) {
    UNROLL for (int half = 0; half < 2; half++) {
      v128_t a = wasm_v128_load(panel + 32 * w + 16 * half), e = a;
      if (two) e = wasm_v128_load(panel + PLANE_BLOCK + 32 * w + 16 * half);
      UNROLL for (int t = 0; t < tokens; t++) {
        const int i = 2 * t + half;
        v128_t splat = wasm_v128_load32_splat(x + 4 * (tile * w + t));
        high[i] = wasm_i16x8_add(high[i], wasm_i16x8_relaxed_dot_i8x16_i7x16(splat, a));
        if (two) {
          v128_t products = wasm_i16x8_relaxed_dot_i8x16_i7x16(splat, e);
          low[i] = w == 0 ? products : wasm_i16x8_add(low[i], products);
        }
      }
    }
    UNROLL for (int i = 0; i < 2 * tokens; i++) {
      KEEP(high[i]);
      if (two) KEEP(low[i]);
    }
  }
}

// The products of a block for the first `tokens` tokens of a tile, whose starts are at `start`.
INLINE void dot_block(const int dot, const int tokens, const int tile, const int form,
                      const int has_minimum, const uint8_t *panel, const int8_t *x,
                      const int8_t *start, v128_t *sums) {
  const int two = form == TWO_DIGITS;
  UNROLL for (int t = 0; t < tokens; t++) {
    sums[2 * t] = sums[2 * t + 1] = wasm_v128_load32_splat(start + 4 * t);
  }
  if (dot == DOT_PAIRS) {
    v128_t low[2 * TILE], one = wasm_i16x8_const_splat(1), sixteen = wasm_i16x8_const_splat(16);
    pair_tile_words(tokens, tile, two, panel, x, sums, low);
    UNROLL for (int i = 0; i < 2 * tokens; i++) {
      sums[i] = wasm_i32x4_dot_i16x8(sums[i], two ? sixteen : one);
      if (two) sums[i] = wasm_i32x4_add(sums[i], wasm_i32x4_dot_i16x8(low[i], one));
    }
    if (form != FIVE_BITS || !has_minimum) return;
    UNROLL for (int i = 0; i < 2 * tokens; i++) {
      v128_t back = wasm_v128_load32_splat(start + 4 * (3 * tile + i / 2));
      sums[i] = wasm_i32x4_add(sums[i], back);
    }
    return;
  }
  dot_plane(tile, panel, x, sums);
  if (!two) return;
  UNROLL for (int i = 0; i < 2 * tokens; i++) sums[i] = wasm_i32x4_shl(sums[i], 4);
  dot_plane(tile, panel + PLANE_BLOCK, x, sums);
}

// Two digits in 16-bit sums fill the registers with two tokens.
INLINE int tokens_at_once(const int dot, const int tile, const int form) {
  return dot == DOT_PAIRS && form == TWO_DIGITS && tile > 2 ? 2 : tile;
}

enum { START_DIVISOR_TWO_DIGITS = 16 };

#else

// int16 values: with two planes 16 * hi + lo, so both modes cost the same. Pairs in the order of
// src/quantize.c.
INLINE void unpack_block(const int form, uint8_t *panel, const uint8_t *hi, const uint8_t *lo) {
  const int two = form == TWO_DIGITS;
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

INLINE void dot_block(const int dot, const int tokens, const int tile, const int form,
                      const int has_minimum, const uint8_t *panel, const int8_t *x,
                      const int8_t *start, v128_t *sums) {
  (void)form;
  (void)has_minimum;
  (void)dot;
  UNROLL for (int t = 0; t < tokens; t++) {
    sums[2 * t] = sums[2 * t + 1] = wasm_v128_load32_splat(start + 4 * t);
  }
  UNROLL for (int w = 0; w < X_WORDS; w++) {
    v128_t a = wasm_v128_load(panel + 32 * w), b = wasm_v128_load(panel + 32 * w + 16);
    UNROLL for (int t = 0; t < tokens; t++) {
      v128_t splat = wasm_v128_load32_splat(x + 4 * (tile * w + t));
      sums[2 * t] = wasm_i32x4_add(sums[2 * t], wasm_i32x4_dot_i16x8(a, splat));
      sums[2 * t + 1] = wasm_i32x4_add(sums[2 * t + 1], wasm_i32x4_dot_i16x8(b, splat));
    }
    UNROLL for (int i = 0; i < 2 * tokens; i++) KEEP(sums[i]);
  }
}

INLINE int tokens_at_once(const int dot, const int tile, const int form) {
  (void)dot;
  (void)form;
  return tile;
}

enum { START_DIVISOR_TWO_DIGITS = 1 };

#endif

// ---- activations, interleaved ----

// One token's words of a block to every tile-th place.
INLINE void spread_words(const int tile, const int8_t *from, int8_t *to) {
  UNROLL for (int w = 0; w < X_WORDS; w++) { __builtin_memcpy(to + 4 * tile * w, from + 4 * w, 4); }
}

// What the 16-bit sums of a block start at: the lanes of one row share the correction, each by the
// columns that it adds up, so that the whole sum of a lane fits in 16 bits.
INLINE int32_t pair_start(int32_t zero256, const int8_t *x, int32_t correction) {
  int32_t even = 0;
  for (int c = 0; c < BLOCK; c += 4) even += x[c] + x[c + 1];
  const int32_t share = (zero256 * even) >> 8;
  return (int32_t)(((uint32_t)-share & 0xffff) | ((uint32_t)(share - correction) << 16));
}

// How sums are corrected: by what they start at, the same in 1/256 of a digit, and by what comes
// back at the end. Sums of two of five-bit digits start at the middle of the digits, because those
// of digits from 0 on would not fit in 16 bits.
typedef struct {
  int pairs;
  int32_t zero256, back;
} Starts;

INLINE Starts starts_of(const Reading *r, int form) {
  const int32_t zero = form == FIVE_BITS ? r->zero / 8 : r->zero / (form == TWO_DIGITS ? 16 : 1);
  const int pairs = activation_bytes() == 1 && tile_dot_method == DOT_PAIRS;
  if (pairs && form == FIVE_BITS) return (Starts){1, 256 * 16, 16 - zero};
  return (Starts){pairs, r->truncated ? r->zero256 : 256 * zero, 0};
}

// The tiles of all tokens of a call, (tile, block).
static void prepare_tiles(const Matrix *m, const Reading *r, const Quantized *x,
                          const uint32_t *from, uint32_t tokens, int8_t *out) {
  const uint32_t blocks = m->columns / BLOCK, x_bytes = BLOCK * activation_bytes();
  const int form = form_of(m, r);
  const Starts starts = starts_of(r, form);
  const int divisor = form == TWO_DIGITS ? START_DIVISOR_TWO_DIGITS : form == FIVE_BITS ? 8 : 1;
  const float inverse = form == FIVE_BITS ? r->inverse / 8 : r->inverse;
  for (uint32_t token = 0; token < tokens; token += TILE) {
    const uint32_t tile = tile_size(token, tokens), count = min_u32(tile, tokens - token);
    const size_t block_bytes = tile_block_bytes(tile);
    for (uint32_t t = 0; t < tile; t++) {
      // Places that no token takes repeat the last one, whose products are dropped.
      const size_t row = mapped(from, token + min_u32(t, count - 1));
      const int8_t *digits = x->digits + row * blocks * x_bytes;
      const int32_t *sums = x->sums + row * blocks;
      const float *scales = x->scales + row * blocks;
      int8_t *to = out + 4 * t;
      for (uint32_t b = 0; b < blocks; b++) {
        if (tile == 1) {
          spread_words(1, digits, to);
        } else {
          spread_words(TILE, digits, to);
        }
        int32_t *terms = (int32_t *)(to + (size_t)4 * X_WORDS * tile);
        const int32_t back = starts.back * sums[b];
        const int32_t correction = zero_correction(r, sums[b]) / divisor + back;
        terms[0] = starts.pairs ? pair_start(starts.zero256, digits, correction) : -correction;
        terms[3 * tile] = back;
        ((float *)terms)[tile] = scales[b];
        // Without the 2^112 of the scales: times a sum of up to 4064 it would leave float's range.
        if (m->has_minimum) {
          ((float *)terms)[2 * tile] = scales[b] * (1 / TWO_112) * (float)sums[b] * inverse;
        }
        digits += x_bytes;
        to += block_bytes;
      }
    }
    out += blocks * block_bytes;
  }
}

// ---- products ----

typedef struct {
  const uint8_t *panel, *scales;  // scales: the hi plane's blocks of this group and panel
  uint32_t hi_bytes, count;
} Panel;

// Adds the panel's products to the partial sums of a tile of tokens; `x`: their blocks.
INLINE void multiply_tile(const int dot, const int tile, const int form, const int has_minimum,
                          const Panel *panel, const int8_t *x, float *partial) {
  const int at_once = tokens_at_once(dot, tile, form);
  v128_t totals[2 * TILE], half_mask = wasm_i32x4_const_splat((int32_t)HALF_RAW_MASK);
  UNROLL for (int i = 0; i < 2 * tile; i++) totals[i] = wasm_v128_load(partial + 4 * i);
  const uint8_t *halves_at = panel->scales, *digits = panel->panel;
  const uint8_t *const end = digits + (size_t)panel->count * panel_block_bytes(form);
  const uint32_t hi_bytes = panel->hi_bytes;
  while (digits < end) {
    UNROLL for (int first = 0; first < tile; first += at_once) {
      // Fresh pointers: what follows is reached by constant offsets.
      const uint8_t *block_digits = digits, *block_halves = halves_at;
      const int8_t *block_x = x;
      KEEP(block_digits);
      KEEP(block_x);
      KEEP(block_halves);
      const int8_t *terms = block_x + 4 * X_WORDS * tile + 4 * first;
      v128_t sums[2 * TILE];
      dot_block(dot, at_once, tile, form, has_minimum, block_digits, block_x + 4 * first, terms,
                sums);
      v128_t halves = wasm_v128_load(block_halves);
      v128_t low = half_raw_low(halves, half_mask), high = half_raw_high(halves, half_mask);
      v128_t low_minimum = low, high_minimum = high;
      if (has_minimum) {
        halves = wasm_v128_load(block_halves + SCALE_BYTES);
        low_minimum = half_low(halves, half_mask);
        high_minimum = half_high(halves, half_mask);
      }
      UNROLL for (int t = 0; t < at_once; t++) {
        v128_t scale = wasm_v128_load32_splat(terms + 4 * (tile + t));
        v128_t a =
            wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sums[2 * t]), wasm_f32x4_mul(low, scale));
        v128_t e =
            wasm_f32x4_mul(wasm_f32x4_convert_i32x4(sums[2 * t + 1]), wasm_f32x4_mul(high, scale));
        v128_t *total = totals + 2 * (first + t);
        total[0] = wasm_f32x4_add(total[0], a);
        total[1] = wasm_f32x4_add(total[1], e);
        if (has_minimum) {
          v128_t by = wasm_v128_load32_splat(terms + 4 * (2 * tile + t));
          total[0] = wasm_f32x4_add(total[0], wasm_f32x4_mul(low_minimum, by));
          total[1] = wasm_f32x4_add(total[1], wasm_f32x4_mul(high_minimum, by));
        }
      }
    }
    x += tile_block_bytes(tile);
    digits += panel_block_bytes(form);
    halves_at += hi_bytes;
  }
  UNROLL for (int i = 0; i < 2 * tile; i++) wasm_v128_store(partial + 4 * i, totals[i]);
}

INLINE void matmat_groups(const int dot, const int form, const int has_minimum, const Matrix *m,
                          const int8_t *tiles, const uint32_t *to, uint32_t tokens,
                          const float *bias, float factor, float *out, uint32_t group_begin,
                          uint32_t group_end, float *partial, uint8_t *panel_bytes) {
  const uint32_t blocks = m->columns / BLOCK, most = PANEL_BYTES / panel_block_bytes(form),
                 hi_bytes = SCALE_BYTES * (1 + has_minimum) + DIGIT_BYTES;
  const uint32_t padded = (tokens + TILE - 1) & ~(TILE - 1u);
  for (uint32_t group = group_begin; group < group_end; group++) {
    __builtin_memset(partial, 0, (size_t)padded * GROUP * 4);
    for (uint32_t first = 0; first < blocks; first += most) {
      size_t index = (size_t)group * blocks + first;
      Panel panel = {panel_bytes, m->hi + index * hi_bytes, hi_bytes,
                     min_u32(most, blocks - first)};
      for (uint32_t b = 0; b < panel.count; b++) {
        unpack_block(form, panel_bytes + b * panel_block_bytes(form),
                     panel.scales + (b + 1) * hi_bytes - DIGIT_BYTES,
                     form == ONE_DIGIT ? NULL : m->lo + (index + b) * DIGIT_BYTES);
      }
      const int8_t *x = tiles;
      for (uint32_t t = 0; t < tokens; t += TILE) {
        const uint32_t tile = tile_size(t, tokens), bytes = tile_block_bytes(tile);
        const int8_t *from = x + (size_t)first * bytes;
        if (tile == TILE) {
          multiply_tile(dot, TILE, form, has_minimum, &panel, from, partial + GROUP * t);
        } else {
          multiply_tile(dot, 1, form, has_minimum, &panel, from, partial + GROUP * t);
        }
        x += (size_t)blocks * bytes;
      }
    }
    v128_t factors = wasm_f32x4_splat(factor);
    for (uint32_t t = 0; t < tokens; t++) {
      store_group(m, group, wasm_v128_load(partial + GROUP * t),
                  wasm_v128_load(partial + GROUP * t + 4), factors, bias,
                  out + (size_t)mapped(to, t) * m->rows);
    }
  }
}

typedef void (*Matmat)(const Matrix *m, const int8_t *tiles, const uint32_t *to, uint32_t tokens,
                       const float *bias, float factor, float *out, uint32_t begin, uint32_t end,
                       float *partial, uint8_t *panel);

#define MATMAT_VARIANT(dot, form, has_minimum)                                                   \
  static void matmat_##dot##_##form##_##has_minimum(                                             \
      const Matrix *m, const int8_t *tiles, const uint32_t *to, uint32_t tokens,                 \
      const float *bias, float factor, float *out, uint32_t begin, uint32_t end, float *partial, \
      uint8_t *panel) {                                                                          \
    matmat_groups(dot, form, has_minimum, m, tiles, to, tokens, bias, factor, out, begin, end,   \
                  partial, panel);                                                               \
  }

#define MATMAT_VARIANTS(dot) \
  MATMAT_VARIANT(dot, 0, 0)  \
  MATMAT_VARIANT(dot, 0, 1)  \
  MATMAT_VARIANT(dot, 1, 0)  \
  MATMAT_VARIANT(dot, 1, 1)

// [dot][form][minimum]
#define MATMAT_FORMS(dot) \
  {matmat_##dot##_0_0, matmat_##dot##_0_1}, { matmat_##dot##_1_0, matmat_##dot##_1_1 }

MATMAT_VARIANTS(0)
#ifdef __wasm_relaxed_simd__
MATMAT_VARIANTS(1)
MATMAT_VARIANT(0, 2, 0)
MATMAT_VARIANT(0, 2, 1)
MATMAT_VARIANT(1, 2, 0)
MATMAT_VARIANT(1, 2, 1)
static const Matmat matmats[DOT_COUNT][FORM_COUNT][2] = {
    {MATMAT_FORMS(0), {matmat_0_2_0, matmat_0_2_1}},
    {MATMAT_FORMS(1), {matmat_1_2_0, matmat_1_2_1}}};
#else
static const Matmat matmats[DOT_COUNT][FORM_COUNT][2] = {{MATMAT_FORMS(0)}};
#endif

uint32_t dot_method = DOT_QUADS, tile_dot_method = DOT_QUADS;

// How products are summed up from now on, one of the methods below the number returned.
EXPORT(hermit_choose_dot) uint32_t hermit_choose_dot(uint32_t method) {
  dot_method = tile_dot_method = min_u32(method, DOT_COUNT - 1);
  return DOT_COUNT;
}

// The same for several tokens at once alone.
EXPORT(hermit_choose_tile_dot) void hermit_choose_tile_dot(uint32_t method) {
  tile_dot_method = min_u32(method, DOT_COUNT - 1);
}

static const TokenMap every_token = {NULL, NULL};

// Scratch of a matmat: the tokens' tiles, sums of one group's rows, one unpacked panel.
typedef struct {
  int8_t *tiles;
  float *partial;
  uint8_t *panel;
} MatmatScratch;

INLINE MatmatScratch matmat_scratch(const Matrix *m, uint32_t tokens, uint8_t *scratch) {
  const uint32_t padded = (tokens + TILE - 1) & ~(TILE - 1u);
  float *partial = (float *)(scratch + (size_t)(m->columns / BLOCK) * tile_block_bytes(padded));
  return (MatmatScratch){(int8_t *)scratch, partial, (uint8_t *)(partial + padded * GROUP)};
}

static void prepare_mapped(const Matrix *m, const Quantized *x, TokenMap map, uint32_t tokens,
                           uint32_t precision, uint8_t *scratch) {
  const Reading r = reading_of(m, precision);
  prepare_tiles(m, &r, x, map.from, tokens, (int8_t *)scratch);
}

static void run_mapped(const Matrix *m, TokenMap map, uint32_t tokens, uint32_t precision,
                       const float *bias, float *out, uint32_t group_begin, uint32_t group_end,
                       uint8_t *prepared) {
  const Reading r = reading_of(m, precision);
  const MatmatScratch s = matmat_scratch(m, tokens, prepared);
  const int form = form_of(m, &r);
  const float factor = form == FIVE_BITS ? 8 * r.factor : r.factor;
  matmats[tile_dot_method][form][m->has_minimum](m, s.tiles, map.to, tokens, bias, factor, out,
                                                 group_begin, group_end, s.partial, s.panel);
}

// What all groups of a matmat need, once for the whole of it.
void matmat_prepare(const Matrix *m, const Quantized *x, uint32_t tokens, uint32_t precision,
                    uint8_t *scratch) {
  prepare_mapped(m, x, every_token, tokens, precision, scratch);
}

void matmat_run(const Matrix *m, uint32_t tokens, uint32_t precision, const float *bias, float *out,
                uint32_t group_begin, uint32_t group_end, uint8_t *prepared) {
  run_mapped(m, every_token, tokens, precision, bias, out, group_begin, group_end, prepared);
}

// out (tokens, rows) = x * matrix^T + bias for the groups [group_begin, group_end).
EXPORT(matmat_planes_8x4)
void matmat_planes_8x4(const Matrix *m, const Quantized *x, uint32_t tokens, uint32_t precision,
                       const float *bias, float *out, uint32_t group_begin, uint32_t group_end,
                       uint8_t *scratch) {
  matmat_prepare(m, x, tokens, precision, scratch);
  matmat_run(m, tokens, precision, bias, out, group_begin, group_end, scratch);
}

// The same for the `tokens` tokens of a map.
void matmat_mapped_8x4(const Matrix *m, const Quantized *x, TokenMap map, uint32_t tokens,
                       uint32_t precision, const float *bias, float *out, uint32_t group_begin,
                       uint32_t group_end, uint8_t *scratch) {
  prepare_mapped(m, x, map, tokens, precision, scratch);
  run_mapped(m, map, tokens, precision, bias, out, group_begin, group_end, scratch);
}
