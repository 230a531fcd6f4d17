// Rows of float32 to a file's quantised types, for making smaller models.
//
// encode_TYPE_rows(x, rows, columns, importance, out, sums) writes whole blocks and adds to sums[0]
// the squared error and to sums[1] the power of the values. Both, and the choice of the scales, are
// weighted by `importance` (a weight per column, 0: none is known). The methods are those of
// src/engine/formats/quants: Q8_0, and Q4_0 without importance, are equal to them byte for byte;
// the others search the same candidates in single precision, so single digits may differ.
//
// The twins share the layouts of the blocks (checked against the dequantisers) and nothing else.
#include "simd.h"

enum { SUPER = 256, SUB = 32 };

typedef struct {
  float scale, minimum;
} Fit;

// ---- what an error weighs ----

// Without importance, types with a scale alone weigh by x^2, those with a minimum by spread + |x|.
enum { WEIGH_POWER, WEIGH_SPREAD };

INLINE float power_x4(const float *x, int count) {
  v128_t sum = wasm_f32x4_const_splat(0);
  for (int i = 0; i < count; i += 4) {
    v128_t v = wasm_v128_load(x + i);
    sum = wasm_f32x4_add(sum, wasm_f32x4_mul(v, v));
  }
  return horizontal_sum(sum);
}

// Scalar sums in the order of the lanes.
INLINE float lanes_sum(const float *s) { return (s[0] + s[2]) + (s[1] + s[3]); }

static float power_scalar(const float *x, int count) {
  float sum[4] = {0, 0, 0, 0};
  for (int i = 0; i < count; i++) sum[i & 3] += x[i] * x[i];
  return lanes_sum(sum);
}

// `mean_square`: of the values around, see minimumWeights in importance.ts.
INLINE void weights_x4(int weigh, const float *x, const float *importance, float mean_square,
                       int count, float *w) {
  v128_t spread = wasm_f32x4_splat(__builtin_sqrtf(mean_square));
  v128_t twice = wasm_f32x4_splat(2.0f * mean_square);
  for (int i = 0; i < count; i += 4) {
    v128_t v = wasm_v128_load(x + i), square = wasm_f32x4_mul(v, v), weight;
    if (importance && weigh == WEIGH_POWER) {
      weight = wasm_v128_load(importance + i);
    } else if (importance) {
      weight = wasm_f32x4_mul(wasm_v128_load(importance + i),
                              wasm_f32x4_sqrt(wasm_f32x4_add(twice, square)));
    } else {
      weight = weigh == WEIGH_POWER ? square : wasm_f32x4_add(spread, wasm_f32x4_abs(v));
    }
    wasm_v128_store(w + i, weight);
  }
}

static void weights_scalar(int weigh, const float *x, const float *importance, float mean_square,
                           int count, float *w) {
  for (int i = 0; i < count; i++) {
    float square = x[i] * x[i];
    if (importance && weigh == WEIGH_POWER) {
      w[i] = importance[i];
    } else if (importance) {
      w[i] = importance[i] * __builtin_sqrtf(2.0f * mean_square + square);
    } else {
      w[i] = weigh == WEIGH_POWER ? square : __builtin_sqrtf(mean_square) + absolute(x[i]);
    }
  }
}

// ---- the search for scales, see scale-fit.ts ----

// The value of largest magnitude, the first where several are equal.
INLINE float extreme_x4(const float *x, int count) {
  v128_t most = wasm_f32x4_const_splat(0);
  for (int i = 0; i < count; i += 4) {
    most = wasm_f32x4_pmax(most, wasm_f32x4_abs(wasm_v128_load(x + i)));
  }
  float magnitude = horizontal_max(most);
  for (int i = 0; i < count; i++) {
    if (absolute(x[i]) == magnitude) return x[i];
  }
  return 0;
}

static float extreme_scalar(const float *x, int count) {
  float extreme = 0;
  for (int i = 0; i < count; i++) {
    if (absolute(x[i]) > absolute(extreme)) extreme = x[i];
  }
  return extreme;
}

#define SMALLEST_EXTREME 1e-15f

INLINE v128_t clamp_nearest(v128_t v, float least, float most) {
  v = wasm_f32x4_pmin(wasm_f32x4_nearest(v), wasm_f32x4_splat(most));
  return wasm_f32x4_pmax(v, wasm_f32x4_splat(least));
}

static float clamp_nearest_scalar(float v, float least, float most) {
  float digit = nearest(v);
  if (most < digit) digit = most;
  return digit < least ? least : digit;
}

INLINE float fit_scale_x4(const float *x, const float *w, int count, float levels) {
  float extreme = extreme_x4(x, count), best = 0, best_gain = -1;
  if (absolute(extreme) < SMALLEST_EXTREME) return 0;
  for (int step = -9; step <= 9; step++) {
    v128_t inverse = wasm_f32x4_splat(-(levels + 0.1f * (float)step) / extreme);
    v128_t products = wasm_f32x4_const_splat(0), squares = wasm_f32x4_const_splat(0);
    for (int i = 0; i < count; i += 4) {
      v128_t v = wasm_v128_load(x + i);
      v128_t q = clamp_nearest(wasm_f32x4_mul(v, inverse), -levels, levels - 1);
      v128_t wq = wasm_f32x4_mul(wasm_v128_load(w + i), q);
      products = wasm_f32x4_add(products, wasm_f32x4_mul(wq, v));
      squares = wasm_f32x4_add(squares, wasm_f32x4_mul(wq, q));
    }
    float p = horizontal_sum(products), s = horizontal_sum(squares);
    if (s > 0 && p * p / s > best_gain) {
      best_gain = p * p / s;
      best = p / s;
    }
  }
  return best;
}

static float fit_scale_scalar(const float *x, const float *w, int count, float levels) {
  float extreme = extreme_scalar(x, count), best = 0, best_gain = -1;
  if (absolute(extreme) < SMALLEST_EXTREME) return 0;
  for (int step = -9; step <= 9; step++) {
    float inverse = -(levels + 0.1f * (float)step) / extreme;
    float products[4] = {0, 0, 0, 0}, squares[4] = {0, 0, 0, 0};
    for (int i = 0; i < count; i++) {
      float q = clamp_nearest_scalar(x[i] * inverse, -levels, levels - 1);
      products[i & 3] += w[i] * q * x[i];
      squares[i & 3] += w[i] * q * q;
    }
    float p = lanes_sum(products), s = lanes_sum(squares);
    if (s > 0 && p * p / s > best_gain) {
      best_gain = p * p / s;
      best = p / s;
    }
  }
  return best;
}

// Of weights w, values x and digits q of one candidate.
typedef struct {
  double w, x, xx, q, qq, xq;
} Sums;

// Below this share the digits are all but equal, and the equations say nothing.
#define SMALLEST_DETERMINANT 1e-5

// Better fits replace *best; the solution of the weighted least squares of x = scale * q + minimum.
INLINE void try_fit(const Sums *s, Fit *best, double *best_error) {
  double determinant = s->w * s->qq - s->q * s->q;
  if (determinant <= SMALLEST_DETERMINANT * s->w * s->qq) return;
  double scale = (s->w * s->xq - s->x * s->q) / determinant;
  double minimum = (s->qq * s->x - s->q * s->xq) / determinant;
  if (minimum > 0) {
    scale = s->xq / s->qq;
    minimum = 0;
  }
  double error = s->xx + scale * (scale * s->qq - 2 * s->xq + 2 * minimum * s->q) +
                 minimum * (minimum * s->w - 2 * s->x);
  if (error >= *best_error) return;
  *best_error = error;
  best->scale = (float)scale;
  best->minimum = (float)minimum;
}

INLINE Fit fit_minimum_x4(const float *x, const float *w, float largest) {
  v128_t zero = wasm_f32x4_const_splat(0), lows = zero, highs = wasm_v128_load(x);
  v128_t sw = zero, sx = zero, sxx = zero, wx[SUB / 4];
  for (int i = 0; i < SUB / 4; i++) {
    v128_t v = wasm_v128_load(x + 4 * i), weight = wasm_v128_load(w + 4 * i);
    lows = wasm_f32x4_pmin(lows, v);
    highs = wasm_f32x4_pmax(highs, v);
    wx[i] = wasm_f32x4_mul(weight, v);
    sw = wasm_f32x4_add(sw, weight);
    sx = wasm_f32x4_add(sx, wx[i]);
    sxx = wasm_f32x4_add(sxx, wasm_f32x4_mul(wx[i], v));
  }
  float least = -horizontal_max(wasm_f32x4_neg(lows)), most = horizontal_max(highs);
  Fit best = {0, least};
  if (most <= least) return best;
  best.scale = (most - least) / largest;
  double best_error = __builtin_inf();
  Sums s = {.w = horizontal_sum(sw), .x = horizontal_sum(sx), .xx = horizontal_sum(sxx)};
  v128_t offset = wasm_f32x4_splat(least);
  for (int step = 0; step <= 20; step++) {
    v128_t inverse = wasm_f32x4_splat((largest - 1 + 0.1f * (float)step) / (most - least));
    v128_t sq = zero, sqq = zero, sxq = zero;
    UNROLL for (int i = 0; i < SUB / 4; i++) {
      v128_t v = wasm_f32x4_sub(wasm_v128_load(x + 4 * i), offset);
      v128_t q = clamp_nearest(wasm_f32x4_mul(v, inverse), 0, largest);
      v128_t wq = wasm_f32x4_mul(wasm_v128_load(w + 4 * i), q);
      sq = wasm_f32x4_add(sq, wq);
      sqq = wasm_f32x4_add(sqq, wasm_f32x4_mul(wq, q));
      sxq = wasm_f32x4_add(sxq, wasm_f32x4_mul(wx[i], q));
    }
    s.q = horizontal_sum(sq);
    s.qq = horizontal_sum(sqq);
    s.xq = horizontal_sum(sxq);
    try_fit(&s, &best, &best_error);
  }
  return best;
}

static Fit fit_minimum_scalar(const float *x, const float *w, float largest) {
  float least = 0, most = x[0];
  float sw[4] = {0, 0, 0, 0}, sx[4] = {0, 0, 0, 0}, sxx[4] = {0, 0, 0, 0};
  for (int i = 0; i < SUB; i++) {
    if (x[i] < least) least = x[i];
    if (x[i] > most) most = x[i];
    sw[i & 3] += w[i];
    sx[i & 3] += w[i] * x[i];
    sxx[i & 3] += w[i] * x[i] * x[i];
  }
  Fit best = {0, least};
  if (most <= least) return best;
  best.scale = (most - least) / largest;
  double best_error = __builtin_inf();
  Sums s = {.w = lanes_sum(sw), .x = lanes_sum(sx), .xx = lanes_sum(sxx)};
  for (int step = 0; step <= 20; step++) {
    float inverse = (largest - 1 + 0.1f * (float)step) / (most - least);
    float sq[4] = {0, 0, 0, 0}, sqq[4] = {0, 0, 0, 0}, sxq[4] = {0, 0, 0, 0};
    for (int i = 0; i < SUB; i++) {
      float q = clamp_nearest_scalar((x[i] - least) * inverse, 0, largest);
      sq[i & 3] += w[i] * q;
      sqq[i & 3] += w[i] * q * q;
      sxq[i & 3] += w[i] * x[i] * q;
    }
    s.q = lanes_sum(sq);
    s.qq = lanes_sum(sqq);
    s.xq = lanes_sum(sxq);
    try_fit(&s, &best, &best_error);
  }
  return best;
}

// ---- digits, and what is left of the values ----

// Digits of (x + minimum) / scale from `least` to `most`, stored minus `least`, and their values.
INLINE void digits_x4(const float *x, int count, float scale, float minimum, float least,
                      float most, uint8_t *digits, float *values) {
  v128_t s = wasm_f32x4_splat(scale), m = wasm_f32x4_splat(minimum);
  for (int i = 0; i < count; i += 4) {
    v128_t q = wasm_f32x4_const_splat(0);
    if (scale != 0) {
      v128_t v = wasm_f32x4_add(wasm_v128_load(x + i), m);
      q = clamp_nearest(wasm_f32x4_div(v, s), least, most);
    }
    wasm_v128_store(values + i, wasm_f32x4_sub(wasm_f32x4_mul(s, q), m));
    v128_t whole = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_sub(q, wasm_f32x4_splat(least)));
    whole = wasm_u8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(whole, whole), whole);
    wasm_v128_store32_lane(digits + i, whole, 0);
  }
}

static void digits_scalar(const float *x, int count, float scale, float minimum, float least,
                          float most, uint8_t *digits, float *values) {
  for (int i = 0; i < count; i++) {
    float q = scale == 0 ? 0 : clamp_nearest_scalar((x[i] + minimum) / scale, least, most);
    values[i] = scale * q - minimum;
    digits[i] = (uint8_t)(q - least);
  }
}

INLINE void add_errors_x4(const float *x, const float *values, const float *importance, int count,
                          double *sums) {
  v128_t error = wasm_f32x4_const_splat(0), power = wasm_f32x4_const_splat(0);
  for (int i = 0; i < count; i += 4) {
    v128_t v = wasm_v128_load(x + i), d = wasm_f32x4_sub(v, wasm_v128_load(values + i));
    v128_t dd = wasm_f32x4_mul(d, d), vv = wasm_f32x4_mul(v, v);
    if (importance) {
      v128_t w = wasm_v128_load(importance + i);
      dd = wasm_f32x4_mul(w, dd);
      vv = wasm_f32x4_mul(w, vv);
    }
    error = wasm_f32x4_add(error, dd);
    power = wasm_f32x4_add(power, vv);
  }
  sums[0] += horizontal_sum(error);
  sums[1] += horizontal_sum(power);
}

static void add_errors_scalar(const float *x, const float *values, const float *importance,
                              int count, double *sums) {
  float error[4] = {0, 0, 0, 0}, power[4] = {0, 0, 0, 0};
  for (int i = 0; i < count; i++) {
    float d = x[i] - values[i], w = importance ? importance[i] : 1;
    error[i & 3] += w * (d * d);
    power[i & 3] += w * (x[i] * x[i]);
  }
  sums[0] += lanes_sum(error);
  sums[1] += lanes_sum(power);
}

INLINE void put_half(uint8_t *out, float x) {
  uint16_t half = float_to_half(x);
  __builtin_memcpy(out, &half, 2);
}

// ---- blocks: `scalar` is a constant, so that each build of a function has one of both ways ----

#define WAY(name) (scalar ? name##_scalar : name##_x4)

// Ties away from zero, as C's roundf.
INLINE v128_t round_away_x4(v128_t v) {
  v128_t whole = wasm_f32x4_trunc(v), rest = wasm_f32x4_abs(wasm_f32x4_sub(v, whole));
  v128_t sign = wasm_v128_and(v, wasm_i32x4_const_splat((int32_t)0x80000000));
  v128_t one = wasm_v128_or(wasm_f32x4_const_splat(1), sign);
  return wasm_f32x4_add(whole,
                        wasm_v128_and(one, wasm_f32x4_ge(rest, wasm_f32x4_const_splat(0.5f))));
}

static float round_away_scalar(float v) {
  float whole = __builtin_truncf(v);
  return absolute(v - whole) < 0.5f ? whole : v < 0 ? whole - 1 : whole + 1;
}

INLINE void encode_q8_0(int scalar, const float *x, const float *importance, uint8_t *out,
                        double *sums) {
  float scale = absolute(WAY(extreme)(x, BLOCK)) / 127, values[BLOCK];
  float inverse = scale == 0 ? 0 : 1 / scale;
  put_half(out, scale);
  float stored = half_to_float(load_u16(out));
  if (scalar) {
    for (int i = 0; i < BLOCK; i++) {
      float q = round_away_scalar(x[i] * inverse);
      out[2 + i] = (uint8_t)(int8_t)q;
      values[i] = stored * q;
    }
  } else {
    for (int i = 0; i < BLOCK; i += 4) {
      v128_t q = round_away_x4(wasm_f32x4_mul(wasm_v128_load(x + i), wasm_f32x4_splat(inverse)));
      wasm_v128_store(values + i, wasm_f32x4_mul(wasm_f32x4_splat(stored), q));
      v128_t whole = wasm_i32x4_trunc_sat_f32x4(q);
      whole = wasm_i8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(whole, whole), whole);
      wasm_v128_store32_lane(out + 2 + i, whole, 0);
    }
  }
  WAY(add_errors)(x, values, importance, BLOCK, sums);
}

INLINE void encode_q4_0(int scalar, const float *x, const float *importance, uint8_t *out,
                        double *sums) {
  float scale, w[BLOCK], values[BLOCK];
  if (importance) {
    WAY(weights)(WEIGH_SPREAD, x, importance, WAY(power)(x, BLOCK) / BLOCK, BLOCK, w);
    scale = WAY(fit_scale)(x, w, BLOCK, 8);
  } else {
    scale = WAY(extreme)(x, BLOCK) / -8;
  }
  float inverse = scale == 0 ? 0 : 1 / scale;
  put_half(out, scale);
  float stored = half_to_float(load_u16(out));
  uint8_t digits[BLOCK];
  if (scalar) {
    for (int i = 0; i < BLOCK; i++) {
      float q = __builtin_truncf(x[i] * inverse + 8.5f);
      digits[i] = (uint8_t)(q < 0 ? 0 : q > 15 ? 15 : q);
    }
  } else {
    for (int i = 0; i < BLOCK; i += 4) {
      v128_t q = wasm_f32x4_mul(wasm_v128_load(x + i), wasm_f32x4_splat(inverse));
      q = wasm_i32x4_trunc_sat_f32x4(wasm_f32x4_add(q, wasm_f32x4_const_splat(8.5f)));
      q = wasm_i32x4_max(wasm_i32x4_min(q, wasm_i32x4_const_splat(15)), wasm_i32x4_const_splat(0));
      q = wasm_u8x16_narrow_i16x8(wasm_i16x8_narrow_i32x4(q, q), q);
      wasm_v128_store32_lane(digits + i, q, 0);
    }
  }
  for (int i = 0; i < BLOCK; i++) values[i] = stored * (float)((int)digits[i] - 8);
  for (int i = 0; i < 16; i++) out[2 + i] = (uint8_t)(digits[i] | digits[i + 16] << 4);
  WAY(add_errors)(x, values, importance, BLOCK, sums);
}

INLINE uint8_t six_bits(float value, float unit) {
  return unit > 0 ? (uint8_t)clamp_nearest_scalar(value / unit, 0, 63) : 0;
}

// The first 16 bytes of Q4_K and Q5_K (k-scales.ts), and the digits.
INLINE void encode_minimum_block(int scalar, const float *x, const float *importance, float largest,
                                 uint8_t *out, uint8_t *digits, double *sums) {
  Fit fits[8];
  float w[SUB], values[SUPER], largest_scale = 0, largest_minimum = 0;
  float around = importance ? WAY(power)(x, SUPER) / SUPER : 0;
  for (int b = 0; b < 8; b++) {
    const float *sub = x + SUB * b;
    float mean_square = importance ? around : WAY(power)(sub, SUB) / SUB;
    WAY(weights)
    (WEIGH_SPREAD, sub, importance ? importance + SUB * b : 0, mean_square, SUB, w);
    fits[b] = WAY(fit_minimum)(sub, w, largest);
    if (fits[b].scale > largest_scale) largest_scale = fits[b].scale;
    if (-fits[b].minimum > largest_minimum) largest_minimum = -fits[b].minimum;
  }
  put_half(out, largest_scale / 63);
  put_half(out + 2, largest_minimum / 63);
  float d = half_to_float(load_u16(out)), dmin = half_to_float(load_u16(out + 2));
  uint8_t scales[8], minimums[8];
  for (int b = 0; b < 8; b++) {
    scales[b] = six_bits(fits[b].scale, d);
    minimums[b] = six_bits(-fits[b].minimum, dmin);
    WAY(digits)
    (x + SUB * b, SUB, d * scales[b], dmin * minimums[b], 0, largest, digits + SUB * b,
     values + SUB * b);
  }
  for (int i = 0; i < 4; i++) {
    out[4 + i] = (uint8_t)(scales[i] | scales[i + 4] >> 4 << 6);
    out[8 + i] = (uint8_t)(minimums[i] | minimums[i + 4] >> 4 << 6);
    out[12 + i] = (uint8_t)((scales[i + 4] & 15) | (minimums[i + 4] & 15) << 4);
  }
  WAY(add_errors)(x, values, importance, SUPER, sums);
}

INLINE void pack_low_nibbles(const uint8_t *digits, uint8_t *out) {
  for (int pair = 0; pair < 4; pair++) {
    const uint8_t *low = digits + 64 * pair, *high = low + 32;
    for (int j = 0; j < 32; j++) {
      out[32 * pair + j] = (uint8_t)((low[j] & 15) | (high[j] & 15) << 4);
    }
  }
}

INLINE void encode_q4_k(int scalar, const float *x, const float *importance, uint8_t *out,
                        double *sums) {
  uint8_t digits[SUPER];
  encode_minimum_block(scalar, x, importance, 15, out, digits, sums);
  pack_low_nibbles(digits, out + 16);
}

INLINE void encode_q5_k(int scalar, const float *x, const float *importance, uint8_t *out,
                        double *sums) {
  uint8_t digits[SUPER];
  encode_minimum_block(scalar, x, importance, 31, out, digits, sums);
  for (int j = 0; j < 32; j++) {
    int fifths = 0;
    for (int b = 0; b < 8; b++) fifths |= digits[32 * b + j] >> 4 << b;
    out[16 + j] = (uint8_t)fifths;
  }
  pack_low_nibbles(digits, out + 48);
}

INLINE void encode_q6_k(int scalar, const float *x, const float *importance, uint8_t *out,
                        double *sums) {
  float w[16], fits[16], values[SUPER], extreme = 0;
  uint8_t digits[SUPER];
  for (int b = 0; b < 16; b++) {
    const float *weights = importance ? importance + 16 * b : 0;
    WAY(weights)(WEIGH_POWER, x + 16 * b, weights, 0, 16, w);
    fits[b] = WAY(fit_scale)(x + 16 * b, w, 16, 32);
    if (absolute(fits[b]) > absolute(extreme)) extreme = fits[b];
  }
  put_half(out + 208, extreme / -128);
  float d = half_to_float(load_u16(out + 208));
  for (int b = 0; b < 16; b++) {
    float scale = d == 0 ? 0 : clamp_nearest_scalar(fits[b] / d, -128, 127);
    out[192 + b] = (uint8_t)(int8_t)scale;
    WAY(digits)(x + 16 * b, 16, d * scale, 0, -32, 31, digits + 16 * b, values + 16 * b);
  }
  for (int half = 0; half < 2; half++) {
    const uint8_t *q = digits + 128 * half;
    for (int j = 0; j < 64; j++) {
      out[64 * half + j] = (uint8_t)((q[j] & 15) | (q[64 + j] & 15) << 4);
    }
    for (int j = 0; j < 32; j++) {
      out[128 + 32 * half + j] =
          (uint8_t)(q[j] >> 4 | q[32 + j] >> 4 << 2 | q[64 + j] >> 4 << 4 | q[96 + j] >> 4 << 6);
    }
  }
  WAY(add_errors)(x, values, importance, SUPER, sums);
}

#define ENCODER_WAY(name, type, scalar, elements, bytes)                              \
  EXPORT(name)                                                                        \
  void name(const float *x, uint32_t rows, uint32_t columns, const float *importance, \
            uint8_t *out, double *sums) {                                             \
    for (uint32_t row = 0; row < rows; row++) {                                       \
      for (uint32_t column = 0; column < columns; column += elements) {               \
        encode_##type(scalar, x, importance ? importance + column : 0, out, sums);    \
        x += elements;                                                                \
        out += bytes;                                                                 \
      }                                                                               \
    }                                                                                 \
  }
#define ENCODER(type, elements, bytes)                        \
  ENCODER_WAY(encode_##type##_rows, type, 0, elements, bytes) \
  ENCODER_WAY(encode_##type##_rows_scalar, type, 1, elements, bytes)

ENCODER(q8_0, 32, 34)
ENCODER(q4_0, 32, 18)
ENCODER(q4_k, 256, 144)
ENCODER(q5_k, 256, 176)
ENCODER(q6_k, 256, 210)

// ---- float sources; finite values only, NaN and infinity are found by the sums ----

EXPORT(floats_of_f16) void floats_of_f16(const uint16_t *halves, uint32_t count, float *out) {
  for (uint32_t i = 0; i < count; i++) {
    // An exponent of 31 must not become an ordinary number.
    out[i] = half_is_finite(halves[i]) ? half_to_float(halves[i]) : __builtin_inff();
  }
}

EXPORT(floats_of_bf16) void floats_of_bf16(const uint16_t *values, uint32_t count, float *out) {
  for (uint32_t i = 0; i < count; i++) out[i] = bits_float((uint32_t)values[i] << 16);
}
