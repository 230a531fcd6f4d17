// Matrix on nibble planes times one quantised vector (decode). A SIMD lane is a row.
//
// Four row groups run at once, each with its own pointer: memory gives one stream 5-7 GB/s and four
// 12-13. A stream walks a quarter of the range, so that it is long and ascends steadily however
// short the rows are: with four neighbouring groups, rows of 576 columns are streams of 2.5 kB,
// which prefetchers lose again and again (half the speed). All versions add up blocks in the same
// order with the same roundings, so plain, relaxed, matvec, matmat and scalar results are equal to
// the bit.
#include "matmul.h"

#ifdef __wasm_relaxed_simd__

typedef struct {
  v128_t nibble;
} Masks;

INLINE Masks make_masks(void) {
  Masks m = {wasm_i8x16_const_splat(0x0f)};
  KEEP(m.nibble);
  return m;
}

// Adds the 32 products of a block to the sums of 8 rows.
INLINE void dot_words(const uint8_t *digits, const int8_t *x, Masks masks, v128_t *low,
                      v128_t *high) {
  UNROLL for (int w = 0; w < 4; w++) {
    v128_t a = wasm_v128_load(digits + 32 * w), b = wasm_v128_load(digits + 32 * w + 16);
    v128_t x0 = wasm_v128_load32_splat(x + 4 * w), x1 = wasm_v128_load32_splat(x + 16 + 4 * w);
    *low = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x0, wasm_v128_and(a, masks.nibble), *low);
    *high = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x0, wasm_v128_and(b, masks.nibble), *high);
    v128_t a1 = wasm_v128_and(wasm_u16x8_shr(a, 4), masks.nibble);
    v128_t b1 = wasm_v128_and(wasm_u16x8_shr(b, 4), masks.nibble);
    *low = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x1, a1, *low);
    *high = wasm_i32x4_relaxed_dot_i8x16_i7x16_add(x1, b1, *high);
  }
}

// The block's 32 products of 8 rows, summed up in pairs of 16 bits (see DOT_PAIRS).
INLINE void pair_words(const uint8_t *digits, const int8_t *x, Masks masks, v128_t *low,
                       v128_t *high) {
  UNROLL for (int w = 0; w < 4; w++) {
    v128_t a = wasm_v128_load(digits + 32 * w), b = wasm_v128_load(digits + 32 * w + 16);
    v128_t x0 = wasm_v128_load32_splat(x + 4 * w), x1 = wasm_v128_load32_splat(x + 16 + 4 * w);
    v128_t a0 = wasm_i16x8_relaxed_dot_i8x16_i7x16(x0, wasm_v128_and(a, masks.nibble));
    v128_t b0 = wasm_i16x8_relaxed_dot_i8x16_i7x16(x0, wasm_v128_and(b, masks.nibble));
    *low = w == 0 ? a0 : wasm_i16x8_add(*low, a0);
    *high = w == 0 ? b0 : wasm_i16x8_add(*high, b0);
    a = wasm_v128_and(wasm_u16x8_shr(a, 4), masks.nibble);
    b = wasm_v128_and(wasm_u16x8_shr(b, 4), masks.nibble);
    *low = wasm_i16x8_add(*low, wasm_i16x8_relaxed_dot_i8x16_i7x16(x1, a));
    *high = wasm_i16x8_add(*high, wasm_i16x8_relaxed_dot_i8x16_i7x16(x1, b));
  }
}

INLINE void dot_block_words(const int dot, const int two, const uint8_t *high_digits,
                            const uint8_t *low_digits, const int8_t *x, Masks masks,
                            const int32_t *start, v128_t *low, v128_t *high) {
  *low = *high = wasm_v128_load32_splat(start);
  if (dot == DOT_PAIRS) {
    v128_t a, b, unit = wasm_i16x8_splat(two ? 16 : 1);
    pair_words(high_digits, x, masks, &a, &b);
    *low = wasm_i32x4_add(*low, wasm_i32x4_dot_i16x8(a, unit));
    *high = wasm_i32x4_add(*high, wasm_i32x4_dot_i16x8(b, unit));
    if (!two) return;
    pair_words(low_digits, x, masks, &a, &b);
    unit = wasm_i16x8_const_splat(1);
    *low = wasm_i32x4_add(*low, wasm_i32x4_dot_i16x8(a, unit));
    *high = wasm_i32x4_add(*high, wasm_i32x4_dot_i16x8(b, unit));
    return;
  }
  dot_words(high_digits, x, masks, low, high);
  if (!two) return;
  *low = wasm_i32x4_shl(*low, 4);
  *high = wasm_i32x4_shl(*high, 4);
  dot_words(low_digits, x, masks, low, high);
}

#else

typedef struct {
  v128_t first, second, third;
} Masks;

INLINE Masks make_masks(void) {
  Masks m = {wasm_i16x8_const_splat(0x000f), wasm_i16x8_const_splat(0x00f0),
             wasm_i16x8_const_splat(0x0f00)};
  KEEP(m.first);
  KEEP(m.second);
  KEEP(m.third);
  return m;
}

// As above, times 256: the activations carry the reciprocal of the place where a mask leaves each
// nibble, which is 17 % faster than shifting nibbles down.
INLINE void dot_words(const uint8_t *digits, const int8_t *x, Masks masks, v128_t *low,
                      v128_t *high) {
  UNROLL for (int w = 0; w < 4; w++) {
    UNROLL for (int half = 0; half < 2; half++) {
      v128_t d = wasm_v128_load(digits + 32 * w + 16 * half), *sum = half ? high : low;
      v128_t s0 =
          wasm_i32x4_dot_i16x8(wasm_v128_and(d, masks.first), wasm_v128_load32_splat(x + 16 * w));
      v128_t s1 = wasm_i32x4_dot_i16x8(wasm_v128_and(d, masks.second),
                                       wasm_v128_load32_splat(x + 16 * w + 4));
      v128_t s2 = wasm_i32x4_dot_i16x8(wasm_v128_and(d, masks.third),
                                       wasm_v128_load32_splat(x + 16 * w + 8));
      v128_t s3 =
          wasm_i32x4_dot_i16x8(wasm_u16x8_shr(d, 12), wasm_v128_load32_splat(x + 16 * w + 12));
      *sum = wasm_i32x4_add(wasm_i32x4_add(*sum, wasm_i32x4_add(s0, s1)), wasm_i32x4_add(s2, s3));
    }
  }
}

INLINE void dot_block_words(const int dot, const int two, const uint8_t *high_digits,
                            const uint8_t *low_digits, const int8_t *x, Masks masks,
                            const int32_t *start, v128_t *low, v128_t *high) {
  (void)dot;
  *low = *high = wasm_v128_load32_splat(start);
  dot_words(high_digits, x, masks, low, high);
  if (!two) return;
  *low = wasm_i32x4_shl(*low, 4);
  *high = wasm_i32x4_shl(*high, 4);
  dot_words(low_digits, x, masks, low, high);
}

#endif

// `streams` streams of `count` groups each, from `group` on; how products are summed up; `two`
// planes; with minimum. All but `count` and `group` are compile-time constants.
INLINE void matvec_streams(const int streams, const int dot, const int two, const int has_minimum,
                           const Matrix *m, const Quantized *x, uint32_t token,
                           const Corrections *corrections, const float *bias, float factor,
                           float *out, uint32_t group, uint32_t count) {
  const uint32_t blocks = m->columns / BLOCK;
  const uint32_t hi_bytes = SCALE_BYTES * (1 + has_minimum) + DIGIT_BYTES;
  const uint32_t x_bytes = BLOCK * activation_bytes();
  const int8_t *const vector = x->digits + (size_t)token * blocks * x_bytes;
  // One pointer a plane and the distance between streams: eight pointers would not fit the
  // registers.
  const uint8_t *hi = m->hi + (size_t)group * blocks * hi_bytes;
  const uint8_t *lo = two ? m->lo + (size_t)group * blocks * DIGIT_BYTES : NULL;
  const size_t hi_stride = (size_t)count * blocks * hi_bytes;
  const size_t lo_stride = (size_t)count * blocks * DIGIT_BYTES;
  v128_t half_mask = wasm_i32x4_const_splat((int32_t)HALF_RAW_MASK);
  v128_t factors = wasm_f32x4_splat(factor);
  Masks masks = make_masks();
  KEEP(half_mask);
  for (uint32_t g = 0; g < count; g++) {
    const int8_t *digits = vector;
    const BlockTerms *terms = corrections->terms;
    const float *minimum_factors = corrections->minimum_factors;
    v128_t sum[2 * MATVEC_STREAMS];
    UNROLL for (int s = 0; s < 2 * streams; s++) sum[s] = wasm_f32x4_const_splat(0);
    for (uint32_t b = 0; b < blocks; b++) {
      const uint8_t *high_block = hi, *low_block = lo;
      UNROLL for (int s = 0; s < streams; s++) {
        // Each stream loads the activations anew: eight splats do not fit beside the sums.
        const int8_t *block_x = digits;
        KEEP(block_x);
        KEEP(high_block);
        if (two) KEEP(low_block);
        v128_t low, high;
        dot_block_words(dot, two, high_block + hi_bytes - DIGIT_BYTES, low_block, block_x, masks,
                        &terms->start, &low, &high);
        if (two) low_block += lo_stride;
        v128_t halves = wasm_v128_load(high_block), scale = wasm_v128_load32_splat(&terms->scale);
        v128_t scale_low = wasm_f32x4_mul(half_raw_low(halves, half_mask), scale);
        v128_t scale_high = wasm_f32x4_mul(half_raw_high(halves, half_mask), scale);
        sum[2 * s] =
            wasm_f32x4_add(sum[2 * s], wasm_f32x4_mul(wasm_f32x4_convert_i32x4(low), scale_low));
        sum[2 * s + 1] = wasm_f32x4_add(sum[2 * s + 1],
                                        wasm_f32x4_mul(wasm_f32x4_convert_i32x4(high), scale_high));
        if (has_minimum) {
          v128_t minimums = wasm_v128_load(high_block + SCALE_BYTES);
          v128_t by = wasm_v128_load32_splat(minimum_factors);
          v128_t low_minimums = half_low(minimums, half_mask),
                 high_minimums = half_high(minimums, half_mask);
          sum[2 * s] = wasm_f32x4_add(sum[2 * s], wasm_f32x4_mul(low_minimums, by));
          sum[2 * s + 1] = wasm_f32x4_add(sum[2 * s + 1], wasm_f32x4_mul(high_minimums, by));
        }
        high_block += hi_stride;
      }
      hi += hi_bytes;
      if (two) lo += DIGIT_BYTES;
      digits += x_bytes;
      terms++;
      if (has_minimum) minimum_factors++;
    }
    UNROLL for (int s = 0; s < streams; s++) {
      store_group(m, group + g + s * count, sum[2 * s], sum[2 * s + 1], factors, bias, out);
    }
  }
}

typedef void (*Matvec)(const Matrix *m, const Quantized *x, uint32_t token, const Corrections *c,
                       const float *bias, float factor, float *out, uint32_t group, uint32_t end);

#define MATVEC_VARIANT(dot, two, has_minimum)                                                \
  static void matvec_##dot##_##two##_##has_minimum(                                          \
      const Matrix *m, const Quantized *x, uint32_t token, const Corrections *c,             \
      const float *bias, float factor, float *out, uint32_t group, uint32_t end) {           \
    const uint32_t each = (end - group) / MATVEC_STREAMS;                                    \
    matvec_streams(MATVEC_STREAMS, dot, two, has_minimum, m, x, token, c, bias, factor, out, \
                   group, each);                                                             \
    group += MATVEC_STREAMS * each;                                                          \
    matvec_streams(1, dot, two, has_minimum, m, x, token, c, bias, factor, out, group,       \
                   end - group);                                                             \
  }

#define MATVEC_VARIANTS(dot) \
  MATVEC_VARIANT(dot, 0, 0)  \
  MATVEC_VARIANT(dot, 0, 1)  \
  MATVEC_VARIANT(dot, 1, 0)  \
  MATVEC_VARIANT(dot, 1, 1)

// [dot][two planes][minimum]
#define MATVEC_TABLE(dot)                                                                \
  {                                                                                      \
    {matvec_##dot##_0_0, matvec_##dot##_0_1}, { matvec_##dot##_1_0, matvec_##dot##_1_1 } \
  }

MATVEC_VARIANTS(0)
#ifdef __wasm_relaxed_simd__
MATVEC_VARIANTS(1)
static const Matvec matvecs[DOT_COUNT][2][2] = {MATVEC_TABLE(0), MATVEC_TABLE(1)};
#else
static const Matvec matvecs[DOT_COUNT][2][2] = {MATVEC_TABLE(0)};
#endif

// What a matvec with `m` needs for the vector: 12 bytes a block into `scratch`.
void matvec_prepare(const Matrix *m, const Quantized *x, uint32_t token, uint32_t precision,
                    uint8_t *scratch) {
  const Reading r = reading_of(m, precision);
  const uint32_t blocks = m->columns / BLOCK;
  const int32_t *sums = x->sums + (size_t)token * blocks;
  const float *scales = x->scales + (size_t)token * blocks;
  BlockTerms *terms = (BlockTerms *)scratch;
  float *minimum_factors = (float *)scratch + 2 * blocks;
  // Sums of four are multiplied by 16 between the planes.
  const int divisor = r.two_planes && dot_method == DOT_QUADS ? 16 : 1;
  // Without the 2^112 of the scales: times a sum of up to 4064 it would leave float's range.
  const float inverse = r.inverse * (float)MATVEC_UNIT;
  for (uint32_t b = 0; b < blocks; b++) {
    terms[b].start = -MATVEC_UNIT * (zero_correction(&r, sums[b]) / divisor);
    terms[b].scale = scales[b];
    if (m->has_minimum) {
      minimum_factors[b] = scales[b] * (1 / TWO_112) * (float)sums[b] * inverse;
    }
  }
}

void matvec_run(const Matrix *m, const Quantized *x, uint32_t token, uint32_t precision,
                const float *bias, float *out, uint32_t group_begin, uint32_t group_end,
                const uint8_t *prepared) {
  const Reading r = reading_of(m, precision);
  const Corrections c = {(BlockTerms *)prepared, (float *)prepared + 2 * (m->columns / BLOCK)};
  matvecs[dot_method][r.two_planes][m->has_minimum](m, x, token, &c, bias, r.factor / MATVEC_UNIT,
                                                    out, group_begin, group_end);
}

// out (rows) = matrix * x[token] + bias for the groups [group_begin, group_end).
EXPORT(matvec_planes_8x32)
void matvec_planes_8x32(const Matrix *m, const Quantized *x, uint32_t token, uint32_t precision,
                        const float *bias, float *out, uint32_t group_begin, uint32_t group_end,
                        uint8_t *scratch) {
  matvec_prepare(m, x, token, precision, scratch);
  matvec_run(m, x, token, precision, bias, out, group_begin, group_end, scratch);
}
