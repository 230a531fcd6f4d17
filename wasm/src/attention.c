// Grouped-query attention over the KV cache, softmax computed online (Milakov & Gimelshein
// 2018, arXiv:1805.02867). A unit of work is one kv head and up to 8 tokens: a tile of 32 positions
// is decoded once and serves all its tokens and query heads. Tiles begin at multiples of 32, so a
// token's result does not depend on how a prompt was cut into steps.
#include "attention.h"

#include "math.h"

// Running softmax of one (token, head): largest score, sum of weights, weighted sum of values.
typedef struct {
  float maximum, sum;
} SoftmaxState;

EXPORT(scratch_attention_bytes)
uint32_t scratch_attention_bytes(uint32_t heads, uint32_t kv_heads, uint32_t head_dim) {
  const uint32_t rows = TOKEN_TILE * (heads / kv_heads);
  return 2 * POSITION_TILE * head_dim * 4 + rows * head_dim * 4 +
         ((rows * sizeof(SoftmaxState) + 15) & ~15u);
}

uint32_t attention_units(uint32_t kv_heads, uint32_t tokens) {
  return kv_heads * ((tokens + TOKEN_TILE - 1) / TOKEN_TILE);
}

// Scores of a tile's positions; those outside [first, last] become -infinity.
INLINE void tile_scores(const AttentionArguments *a, const float *q, const float *keys,
                        uint32_t count, int32_t first, int32_t last, float *scores) {
  const uint32_t n = a->head_dim;
  v128_t scale = wasm_f32x4_splat(a->scale), cap = wasm_f32x4_splat(a->softcap);
  v128_t lowest = wasm_f32x4_const_splat(-__builtin_inff());
  for (uint32_t p = 0; p < POSITION_TILE; p += 4) {
    v128_t score = lowest;
    if (p < count) {
      const float *k = keys + (size_t)p * n;
      v128_t s0 = wasm_f32x4_const_splat(0), s1 = s0, s2 = s0, s3 = s0;
      for (uint32_t i = 0; i < n; i += 4) {
        v128_t x = wasm_v128_load(q + i);
        s0 = wasm_f32x4_add(s0, wasm_f32x4_mul(x, wasm_v128_load(k + i)));
        s1 = wasm_f32x4_add(s1, wasm_f32x4_mul(x, wasm_v128_load(k + n + i)));
        s2 = wasm_f32x4_add(s2, wasm_f32x4_mul(x, wasm_v128_load(k + 2 * n + i)));
        s3 = wasm_f32x4_add(s3, wasm_f32x4_mul(x, wasm_v128_load(k + 3 * n + i)));
      }
      score = wasm_f32x4_mul(horizontal_sums4(s0, s1, s2, s3), scale);
      if (a->softcap > 0) score = wasm_f32x4_mul(cap, tanh_f32x4(wasm_f32x4_div(score, cap)));
      v128_t at = wasm_i32x4_add(wasm_i32x4_splat((int32_t)p), wasm_i32x4_const(0, 1, 2, 3));
      v128_t visible = wasm_v128_and(wasm_i32x4_ge(at, wasm_i32x4_splat(first)),
                                     wasm_i32x4_le(at, wasm_i32x4_splat(last)));
      score = wasm_v128_bitselect(score, lowest, visible);
    }
    wasm_v128_store(scores + p, score);
  }
}

// Turns scores into weights relative to the new maximum; returns what older sums must be multiplied
// by.
INLINE float tile_softmax(SoftmaxState *state, float *scores) {
  v128_t largest = wasm_v128_load(scores);
  for (uint32_t p = 4; p < POSITION_TILE; p += 4) {
    largest = wasm_f32x4_max(largest, wasm_v128_load(scores + p));
  }
  const float before = state->maximum, tile = horizontal_max(largest);
  const float maximum = tile > before || tile != tile ? tile : before;
  v128_t sums = wasm_f32x4_const_splat(0), shift = wasm_f32x4_splat(maximum);
  for (uint32_t p = 0; p < POSITION_TILE; p += 4) {
    v128_t weight = exp_f32x4(wasm_f32x4_sub(wasm_v128_load(scores + p), shift));
    sums = wasm_f32x4_add(sums, weight);
    wasm_v128_store(scores + p, weight);
  }
  const float keep = before == maximum ? 1 : exp_f32(before - maximum);
  state->maximum = maximum;
  state->sum = state->sum * keep + horizontal_sum(sums);
  return keep;
}

INLINE void accumulate_values(const float *weights, const float *values, uint32_t count, uint32_t n,
                              float keep, float *total) {
  v128_t keeps = wasm_f32x4_splat(keep);
  uint32_t i = 0;
  for (; i + 16 <= n; i += 16) {
    v128_t sums[4];
    UNROLL for (int j = 0; j < 4; j++) sums[j] =
        wasm_f32x4_mul(wasm_v128_load(total + i + 4 * j), keeps);
    for (uint32_t p = 0; p < count; p++) {
      v128_t weight = wasm_v128_load32_splat(weights + p);
      UNROLL for (int j = 0; j < 4; j++) {
        v128_t value = wasm_v128_load(values + (size_t)p * n + i + 4 * j);
        sums[j] = wasm_f32x4_add(sums[j], wasm_f32x4_mul(weight, value));
      }
    }
    UNROLL for (int j = 0; j < 4; j++) wasm_v128_store(total + i + 4 * j, sums[j]);
  }
  for (; i < n; i += 4) {
    v128_t sum = wasm_f32x4_mul(wasm_v128_load(total + i), keeps);
    for (uint32_t p = 0; p < count; p++) {
      v128_t value = wasm_v128_load(values + (size_t)p * n + i);
      sum = wasm_f32x4_add(sum, wasm_f32x4_mul(wasm_v128_load32_splat(weights + p), value));
    }
    wasm_v128_store(total + i, sum);
  }
}

typedef struct {
  uint32_t first, last;
} Visible;

// What the query at `position` sees of the `filled` positions.
INLINE Visible visible_from(const AttentionArguments *a, uint32_t position, uint32_t filled) {
  const uint32_t behind = a->bidirectional ? a->window / 2 : a->window - 1;
  Visible seen = {0, a->bidirectional ? filled - 1 : position};
  if (a->window > 0 && position > behind) seen.first = position - behind;
  if (a->window > 0 && a->bidirectional) seen.last = min_u32(seen.last, position + behind);
  return seen;
}

static void attend_unit(const AttentionArguments *a, const Cache *cache, uint32_t kv_head,
                        uint32_t token_begin, uint32_t token_end, uint32_t position,
                        uint32_t filled, uint8_t *scratch) {
  const uint32_t n = a->head_dim, shared = a->heads / a->kv_heads;
  float *keys = (float *)scratch, *values = keys + POSITION_TILE * n,
        *totals = values + POSITION_TILE * n;
  SoftmaxState *states = (SoftmaxState *)(totals + TOKEN_TILE * shared * n);
  const uint32_t rows = (token_end - token_begin) * shared;
  __builtin_memset(totals, 0, (size_t)rows * n * sizeof(float));
  for (uint32_t r = 0; r < rows; r++) states[r] = (SoftmaxState){-__builtin_inff(), 0};

  const uint32_t end = visible_from(a, position + token_end - 1, filled).last + 1;
  const uint32_t begin =
      visible_from(a, position + token_begin, filled).first & ~(POSITION_TILE - 1u);
  const size_t base = ((size_t)a->layer * cache->kv_heads + kv_head) * cache->capacity;
  for (uint32_t p = begin; p < end; p += POSITION_TILE) {
    const uint32_t count = min_u32(POSITION_TILE, end - p);
    decode_tile(cache, cache->keys, cache->key_scales, base + p, count, keys);
    decode_tile(cache, cache->values, cache->value_scales, base + p, count, values);
    for (uint32_t r = 0; r < rows; r++) {
      const uint32_t token = token_begin + r / shared, head = kv_head * shared + r % shared;
      const Visible seen = visible_from(a, position + token, filled);
      if (seen.last < p || seen.first >= p + count) continue;
      float scores[POSITION_TILE] __attribute__((aligned(16)));
      const float *q = a->q + ((size_t)token * a->heads + head) * n;
      tile_scores(a, q, keys, count, (int32_t)(seen.first - p), (int32_t)(seen.last - p), scores);
      const float keep = tile_softmax(&states[r], scores);
      accumulate_values(scores, values, min_u32(count, seen.last - p + 1), n, keep,
                        totals + (size_t)r * n);
    }
  }
  for (uint32_t r = 0; r < rows; r++) {
    const uint32_t token = token_begin + r / shared, head = kv_head * shared + r % shared;
    float *out = a->out + ((size_t)token * a->heads + head) * n;
    const float inverse = 1 / states[r].sum;
    for (uint32_t i = 0; i < n; i++) out[i] = totals[(size_t)r * n + i] * inverse;
  }
}

// Units [begin, end) of attention_units(kv_heads, tokens).
EXPORT(attention_cache_tile32)
void attention_cache_tile32(const AttentionArguments *a, const Cache *cache, uint32_t tokens,
                            uint32_t position, uint8_t *scratch, uint32_t begin, uint32_t end) {
  const uint32_t tiles = (tokens + TOKEN_TILE - 1) / TOKEN_TILE;
  for (uint32_t unit = begin; unit < end; unit++) {
    const uint32_t token = unit % tiles * TOKEN_TILE;
    attend_unit(a, cache, unit / tiles, token, min_u32(tokens, token + TOKEN_TILE), position,
                position + tokens, scratch);
  }
}

// Scalar twin: two passes in plain order; equal within rounding (relative 1e-5).
EXPORT(attention_cache_scalar)
void attention_cache_scalar(const AttentionArguments *a, const Cache *cache, uint32_t tokens,
                            uint32_t position, float *weights) {
  const uint32_t n = a->head_dim, shared = a->heads / a->kv_heads;
  for (uint32_t t = 0; t < tokens; t++) {
    for (uint32_t h = 0; h < a->heads; h++) {
      const float *q = a->q + ((size_t)t * a->heads + h) * n;
      float *out = a->out + ((size_t)t * a->heads + h) * n;
      const Visible seen = visible_from(a, position + t, position + tokens);
      const size_t base = ((size_t)a->layer * cache->kv_heads + h / shared) * cache->capacity;
      float maximum = -__builtin_inff(), sum = 0;
      for (uint32_t p = seen.first; p <= seen.last; p++) {
        float dot = 0;
        for (uint32_t i = 0; i < n; i++)
          dot += q[i] * cache_value(cache, cache->keys, cache->key_scales, base + p, i);
        dot *= a->scale;
        weights[p] = a->softcap > 0 ? a->softcap * tanh_f32(dot / a->softcap) : dot;
        if (weights[p] > maximum) maximum = weights[p];
      }
      for (uint32_t p = seen.first; p <= seen.last; p++)
        sum += weights[p] = exp_f32(weights[p] - maximum);
      for (uint32_t i = 0; i < n; i++) {
        float total = 0;
        for (uint32_t p = seen.first; p <= seen.last; p++) {
          total += weights[p] * cache_value(cache, cache->values, cache->value_scales, base + p, i);
        }
        out[i] = total / sum;
      }
    }
  }
}
