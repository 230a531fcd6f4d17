// Grouped-query attention over the KV cache, softmax computed online (Milakov & Gimelshein
// 2018, arXiv:1805.02867). A unit of work is one kv head and up to 8 tokens: a tile of 32 positions
// is decoded once and serves all its tokens and query heads. Tiles and chunks of tiles begin at
// multiples of their size, so a token's result does not depend on how a prompt was cut into steps.
// In decode a unit is one kv head and one chunk of positions (as in Flash-Decoding, Dao et al.
// 2023, and arXiv:2112.05682).
#include "attention.h"

#include "math.h"

// Running softmax of one (token, head): largest score, sum of weights, weighted sum of values.
typedef struct {
  float maximum, sum;
} SoftmaxState;

EXPORT(scratch_attention_bytes)
uint32_t scratch_attention_bytes(uint32_t heads, uint32_t kv_heads, uint32_t head_dim,
                                 uint32_t value_dim) {
  const uint32_t rows = TOKEN_TILE * (heads / kv_heads);
  return POSITION_TILE * (head_dim + value_dim) * 4 + 2 * rows * value_dim * 4 +
         ((2 * rows * sizeof(SoftmaxState) + 15) & ~15u);
}

uint32_t attention_units(uint32_t kv_heads, uint32_t tokens) {
  return kv_heads * ((tokens + TOKEN_TILE - 1) / TOKEN_TILE);
}

// Scores of four positions from `p` on: `products` of query and keys, scaled; those outside
// [first, last] become -infinity.
INLINE v128_t four_scores(const AttentionArguments *a, v128_t products, uint32_t p, int32_t first,
                          int32_t last) {
  v128_t cap = wasm_f32x4_splat(a->softcap);
  v128_t score = wasm_f32x4_mul(products, wasm_f32x4_splat(a->scale));
  if (a->softcap > 0) score = wasm_f32x4_mul(cap, tanh_f32x4(wasm_f32x4_div(score, cap)));
  v128_t at = wasm_i32x4_add(wasm_i32x4_splat((int32_t)p), wasm_i32x4_const(0, 1, 2, 3));
  v128_t visible = wasm_v128_and(wasm_i32x4_ge(at, wasm_i32x4_splat(first)),
                                 wasm_i32x4_le(at, wasm_i32x4_splat(last)));
  return wasm_v128_bitselect(score, wasm_f32x4_const_splat(-__builtin_inff()), visible);
}

// Scores of a tile's decoded positions for `rows` queries, one or two, that see the same of it: two
// keep the arithmetic busy while sums wait for each other, and share what is loaded.
INLINE void tile_scores(const int rows, const AttentionArguments *a, const float *const *q,
                        const float *keys, uint32_t count, int32_t first, int32_t last,
                        float *scores) {
  const uint32_t n = a->head_dim;
  for (uint32_t p = 0; p < POSITION_TILE; p += 4) {
    v128_t products[2];
    if (p < count) {
      const float *k = keys + (size_t)p * n, *k1 = k + n, *k2 = k1 + n, *k3 = k2 + n;
      v128_t sums[8];
      UNROLL for (int i = 0; i < 4 * rows; i++) sums[i] = wasm_f32x4_const_splat(0);
      for (uint32_t i = 0; i < n; i += 4) {
        v128_t x0 = wasm_v128_load(q[0] + i), x1 = rows == 2 ? wasm_v128_load(q[1] + i) : x0;
        v128_t key[4] = {wasm_v128_load(k + i), wasm_v128_load(k1 + i), wasm_v128_load(k2 + i),
                         wasm_v128_load(k3 + i)};
        UNROLL for (int j = 0; j < 4; j++) {
          sums[j] = wasm_f32x4_add(sums[j], wasm_f32x4_mul(x0, key[j]));
          if (rows == 2) sums[4 + j] = wasm_f32x4_add(sums[4 + j], wasm_f32x4_mul(x1, key[j]));
        }
      }
      UNROLL for (int r = 0; r < rows; r++) {
        const v128_t *own = sums + 4 * r;
        products[r] = horizontal_sums4(own[0], own[1], own[2], own[3]);
      }
    }
    UNROLL for (int r = 0; r < rows; r++) {
      v128_t score = wasm_f32x4_const_splat(-__builtin_inff());
      if (p < count) score = four_scores(a, products[r], p, first, last);
      wasm_v128_store(scores + r * POSITION_TILE + p, score);
    }
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

// Adds the weighted values of a tile to the totals of `rows` queries, n numbers from one to the
// next.
INLINE void accumulate_values(const int rows, const float *weights, const float *values,
                              uint32_t count, uint32_t n, const float *keep, float *totals) {
  v128_t keeps[2];
  UNROLL for (int r = 0; r < rows; r++) keeps[r] = wasm_v128_load32_splat(keep + r);
  uint32_t i = 0;
  for (; i + 16 <= n; i += 16) {
    v128_t sums[8];
    float *total = totals + i;
    UNROLL for (int j = 0; j < 4 * rows; j++) sums[j] =
        wasm_f32x4_mul(wasm_v128_load(total + (j / 4) * n + 4 * (j % 4)), keeps[j / 4]);
    const float *from = values + i;
    for (uint32_t p = 0; p < count; p++) {
      v128_t first = wasm_v128_load32_splat(weights + p), second = first;
      if (rows == 2) second = wasm_v128_load32_splat(weights + POSITION_TILE + p);
      UNROLL for (int j = 0; j < 4; j++) {
        v128_t value = wasm_v128_load(from + 4 * j);
        sums[j] = wasm_f32x4_add(sums[j], wasm_f32x4_mul(first, value));
        if (rows == 2) sums[4 + j] = wasm_f32x4_add(sums[4 + j], wasm_f32x4_mul(second, value));
      }
      from += n;
    }
    UNROLL for (int j = 0; j < 4 * rows; j++)
        wasm_v128_store(total + (j / 4) * n + 4 * (j % 4), sums[j]);
  }
  for (; i < n; i += 4) {
    UNROLL for (int r = 0; r < rows; r++) {
      float *total = totals + (size_t)r * n + i;
      v128_t sum = wasm_f32x4_mul(wasm_v128_load(total), keeps[r]);
      for (uint32_t p = 0; p < count; p++) {
        v128_t value = wasm_v128_load(values + (size_t)p * n + i);
        v128_t weight = wasm_v128_load32_splat(weights + r * POSITION_TILE + p);
        sum = wasm_f32x4_add(sum, wasm_f32x4_mul(weight, value));
      }
      wasm_v128_store(total, sum);
    }
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

static const SoftmaxState nothing_seen = {-__builtin_inff(), 0};

// Adds the softmax of a later chunk to what those before it gave.
INLINE void fold_chunk(uint32_t n, const SoftmaxState *chunk, const float *chunk_total,
                       SoftmaxState *state, float *total) {
  if (chunk->maximum == nothing_seen.maximum) return;  // no position of it was visible
  if (state->maximum == nothing_seen.maximum) {
    *state = *chunk;
    __builtin_memcpy(total, chunk_total, n * sizeof(float));
    return;
  }
  const float a = state->maximum, b = chunk->maximum, largest = b > a || b != b ? b : a;
  const float keep = a == largest ? 1 : exp_f32(a - largest);
  const float take = b == largest ? 1 : exp_f32(b - largest);
  state->maximum = largest;
  state->sum = state->sum * keep + chunk->sum * take;
  v128_t keeps = wasm_f32x4_splat(keep), takes = wasm_f32x4_splat(take);
  for (uint32_t i = 0; i < n; i += 4) {
    v128_t old = wasm_f32x4_mul(wasm_v128_load(total + i), keeps);
    wasm_v128_store(total + i,
                    wasm_f32x4_add(old, wasm_f32x4_mul(wasm_v128_load(chunk_total + i), takes)));
  }
}

INLINE void finish_softmax(uint32_t n, const SoftmaxState *state, const float *total, float *out) {
  v128_t inverse = wasm_f32x4_splat(1 / state->sum);
  for (uint32_t i = 0; i < n; i += 4) {
    wasm_v128_store(out + i, wasm_f32x4_mul(wasm_v128_load(total + i), inverse));
  }
}

// One tile of decoded positions for one query, or for two that see the same of it; their totals
// follow each other.
INLINE void attend_tile(const int rows, const AttentionArguments *a, const float *const *q,
                        const float *keys, const float *values, uint32_t p, uint32_t count,
                        Visible seen, SoftmaxState *states, float *totals) {
  if (seen.last < p || seen.first >= p + count) return;
  float scores[2 * POSITION_TILE] __attribute__((aligned(16))), keep[2];
  tile_scores(rows, a, q, keys, count, (int32_t)(seen.first - p), (int32_t)(seen.last - p), scores);
  UNROLL for (int r = 0; r < rows; r++) {
    keep[r] = tile_softmax(states + r, scores + r * POSITION_TILE);
  }
  accumulate_values(rows, scores, values, min_u32(count, seen.last - p + 1), a->value_dim, keep,
                    totals);
}

// Whether two queries see the same positions of a tile.
INLINE int same_view(Visible a, Visible b, uint32_t p, uint32_t count) {
  const uint32_t last = p + count - 1;
  return max_u32(a.first, p) == max_u32(b.first, p) &&
         min_u32(a.last, last) == min_u32(b.last, last);
}

static void attend_unit(const AttentionArguments *a, const Cache *cache, uint32_t kv_head,
                        uint32_t token_begin, uint32_t token_end, uint32_t position,
                        uint32_t filled, uint8_t *scratch) {
  const uint32_t n = a->head_dim, m = a->value_dim, shared = a->heads / a->kv_heads;
  const uint32_t rows = (token_end - token_begin) * shared, most = TOKEN_TILE * shared;
  const CacheLayer *layer = cache->layers + a->layer;
  float *keys = (float *)scratch, *values = keys + POSITION_TILE * n,
        *totals = values + POSITION_TILE * m, *chunk_totals = totals + most * m;
  SoftmaxState *states = (SoftmaxState *)(chunk_totals + most * m), *chunk_states = states + most;
  for (uint32_t r = 0; r < rows; r++) {
    // a sink is a score like another, of a value of zeros
    states[r] =
        a->sinks ? (SoftmaxState){a->sinks[kv_head * shared + r % shared], 1} : nothing_seen;
    chunk_states[r] = nothing_seen;
  }
  __builtin_memset(totals, 0, (size_t)rows * m * sizeof(float));
  __builtin_memset(chunk_totals, 0, (size_t)rows * m * sizeof(float));

  const uint32_t end = visible_from(a, position + token_end - 1, filled).last + 1;
  const uint32_t begin =
      visible_from(a, position + token_begin, filled).first & ~(POSITION_TILE - 1u);
  for (uint32_t p = begin; p < end; p += POSITION_TILE) {
    const uint32_t count = min_u32(POSITION_TILE, end - p);
    const size_t index = cache_index(cache, kv_head, p);
    decode_tile(cache->type, &layer->keys, index, count, keys);
    decode_tile(cache->type, &layer->values, index, count, values);
    const int chunk_ends = (p + POSITION_TILE) % POSITION_CHUNK == 0 || p + POSITION_TILE >= end;
    for (uint32_t r = 0; r < rows;) {
      const float *q[2];
      Visible seen[2];
      const uint32_t pair = min_u32(2, rows - r);
      for (uint32_t i = 0; i < pair; i++) {
        const uint32_t token = token_begin + (r + i) / shared,
                       head = kv_head * shared + (r + i) % shared;
        q[i] = a->q + ((size_t)token * a->heads + head) * n;
        seen[i] = visible_from(a, position + token, filled);
      }
      SoftmaxState *own = chunk_states + r;
      float *own_totals = chunk_totals + (size_t)r * m;
      if (pair == 2 && same_view(seen[0], seen[1], p, count)) {
        attend_tile(2, a, q, keys, values, p, count, seen[0], own, own_totals);
        r += 2;
      } else {
        attend_tile(1, a, q, keys, values, p, count, seen[0], own, own_totals);
        r++;
      }
    }
    if (!chunk_ends) continue;
    for (uint32_t r = 0; r < rows; r++) {
      float *chunk_total = chunk_totals + (size_t)r * m;
      fold_chunk(m, &chunk_states[r], chunk_total, &states[r], totals + (size_t)r * m);
      chunk_states[r] = nothing_seen;
      __builtin_memset(chunk_total, 0, m * sizeof(float));
    }
  }
  for (uint32_t r = 0; r < rows; r++) {
    const uint32_t token = token_begin + r / shared, head = kv_head * shared + r % shared;
    finish_softmax(m, &states[r], totals + (size_t)r * m,
                   a->out + ((size_t)token * a->heads + head) * m);
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

// ---- one token ----

void rope_f32_x4(float *, const float *, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t,
                 uint32_t);

INLINE Visible visible_of(const AttendArguments *a, uint32_t position) {
  const int all = a->window == 0 || position < a->window;
  return (Visible){all ? 0 : position - a->window + 1, position};
}

// Chunks that the token at `position` sees.
INLINE uint32_t attend_chunks(const AttendArguments *a, uint32_t position) {
  const Visible seen = visible_of(a, position);
  return seen.last / POSITION_CHUNK - seen.first / POSITION_CHUNK + 1;
}

EXPORT(attend_units) uint32_t attend_units(const AttendArguments *a, uint32_t position) {
  return a->kv_heads * attend_chunks(a, position);
}

// Bytes of AttendParts for a context of `capacity` positions.
EXPORT(attend_parts_bytes)
uint32_t attend_parts_bytes(uint32_t heads, uint32_t head_dim, uint32_t capacity) {
  const uint32_t chunks = (capacity + POSITION_CHUNK - 1) / POSITION_CHUNK + 1;
  return sizeof(AttendParts) + heads * chunks * (head_dim + 4) * 4;
}

EXPORT(scratch_attend_bytes)
uint32_t scratch_attend_bytes(uint32_t heads, uint32_t kv_heads, uint32_t head_dim) {
  return (heads / kv_heads + 1) * head_dim * 4;
}

// With one token a key or value serves a few query heads only, so that a decoded copy in memory
// would cost more than it saves: up to four heads share a value in a register. Sums run in the
// order of the decoded tiles above.
enum { HEAD_TILE = 4 };

typedef struct {
  v128_t mask, factor;  // of halves
} HalfConstants;

INLINE HalfConstants half_constants(void) {
  HalfConstants d = {wasm_i32x4_const_splat((int32_t)HALF_RAW_MASK),
                     wasm_f32x4_const_splat(TWO_112)};
  KEEP(d.mask);
  KEEP(d.factor);
  return d;
}

// Four numbers from number `at` on; `scale` is that of their vector, for q8.
INLINE v128_t cached_four(const int type, const HalfConstants *d, const uint8_t *data, size_t at,
                          v128_t scale) {
  if (type == KV_F32) return wasm_v128_load((const float *)data + at);
  if (type == KV_F16) {
    v128_t wide = wasm_i32x4_load16x4((const uint16_t *)data + at);
    return wasm_f32x4_mul(wasm_v128_and(wasm_i32x4_shl(wide, 13), d->mask), d->factor);
  }
  v128_t wide =
      wasm_i32x4_extend_low_i16x8(wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(data + at)));
  return wasm_f32x4_mul(wasm_f32x4_convert_i32x4(wide), scale);
}

INLINE v128_t cached_scale(const int type, const Vectors *v, size_t index) {
  return type == KV_Q8 ? wasm_v128_load32_splat(v->scales + index) : wasm_f32x4_const_splat(0);
}

// Products of `heads` queries, (heads, n), with `count` keys from `index` on, not yet summed up
// over the lanes: (heads, POSITION_TILE).
INLINE void key_products(const int type, const int heads, const Vectors *keys, size_t index,
                         uint32_t count, const float *q, v128_t *products) {
  const uint32_t n = keys->size;
  const HalfConstants constants = half_constants();
  for (uint32_t p = 0; p < count; p += 2) {
    // An odd last key is multiplied twice: behind it may be the end of the memory.
    const size_t first = index + p, second = index + min_u32(p + 1, count - 1);
    v128_t scale0 = cached_scale(type, keys, first), scale1 = cached_scale(type, keys, second);
    v128_t sums[2 * HEAD_TILE];
    UNROLL for (int h = 0; h < 2 * heads; h++) sums[h] = wasm_f32x4_const_splat(0);
    for (uint32_t i = 0; i < n; i += 4) {
      v128_t k0 = cached_four(type, &constants, keys->data, first * n + i, scale0);
      v128_t k1 = cached_four(type, &constants, keys->data, second * n + i, scale1);
      UNROLL for (int h = 0; h < heads; h++) {
        v128_t x = wasm_v128_load(q + (size_t)h * n + i);
        sums[2 * h] = wasm_f32x4_add(sums[2 * h], wasm_f32x4_mul(x, k0));
        sums[2 * h + 1] = wasm_f32x4_add(sums[2 * h + 1], wasm_f32x4_mul(x, k1));
      }
    }
    UNROLL for (int h = 0; h < heads; h++) {
      products[h * POSITION_TILE + p] = sums[2 * h];
      products[h * POSITION_TILE + p + 1] = sums[2 * h + 1];
    }
  }
}

// Adds the values' `width` vectors from component `i` on, weighted, to the totals of `heads` heads.
INLINE void add_values(const int type, const int heads, const int width, const Vectors *values,
                       size_t index, uint32_t count, uint32_t i, const float *weights,
                       const float *keeps, float *totals, size_t stride) {
  const uint32_t n = values->size;
  const HalfConstants constants = half_constants();
  v128_t sums[2 * HEAD_TILE];
  UNROLL for (int h = 0; h < heads; h++) {
    v128_t keep = wasm_v128_load32_splat(keeps + h);
    UNROLL for (int j = 0; j < width; j++) sums[2 * h + j] =
        wasm_f32x4_mul(wasm_v128_load(totals + h * stride + i + 4 * j), keep);
  }
  for (uint32_t p = 0; p < count; p++) {
    v128_t scale = cached_scale(type, values, index + p), x[2];
    UNROLL for (int j = 0; j < width; j++) x[j] =
        cached_four(type, &constants, values->data, (index + p) * n + i + 4 * j, scale);
    UNROLL for (int h = 0; h < heads; h++) {
      v128_t weight = wasm_v128_load32_splat(weights + h * POSITION_TILE + p);
      UNROLL for (int j = 0; j < width; j++) sums[2 * h + j] =
          wasm_f32x4_add(sums[2 * h + j], wasm_f32x4_mul(weight, x[j]));
    }
  }
  UNROLL for (int h = 0; h < heads; h++) {
    UNROLL for (int j = 0; j < width; j++)
        wasm_v128_store(totals + h * stride + i + 4 * j, sums[2 * h + j]);
  }
}

INLINE void weighted_values(const int type, const int heads, const Vectors *values, size_t index,
                            uint32_t count, const float *weights, const float *keeps, float *totals,
                            size_t stride) {
  uint32_t i = 0;
  for (; i + 8 <= values->size; i += 8) {
    add_values(type, heads, 2, values, index, count, i, weights, keeps, totals, stride);
  }
  if (i < values->size) {
    add_values(type, heads, 1, values, index, count, i, weights, keeps, totals, stride);
  }
}

typedef void (*KeyProducts)(const Vectors *keys, size_t index, uint32_t count, const float *q,
                            v128_t *products);
typedef void (*WeightedValues)(const Vectors *values, size_t index, uint32_t count,
                               const float *weights, const float *keeps, float *totals,
                               size_t stride);

#define ATTEND_VARIANT(type, heads)                                                            \
  static void keys_##type##_##heads(const Vectors *keys, size_t index, uint32_t count,         \
                                    const float *q, v128_t *products) {                        \
    key_products(type, heads, keys, index, count, q, products);                                \
  }                                                                                            \
  static void values_##type##_##heads(const Vectors *values, size_t index, uint32_t count,     \
                                      const float *weights, const float *keeps, float *totals, \
                                      size_t stride) {                                         \
    weighted_values(type, heads, values, index, count, weights, keeps, totals, stride);        \
  }

#define ATTEND_VARIANTS(type) \
  ATTEND_VARIANT(type, 1)     \
  ATTEND_VARIANT(type, 2)     \
  ATTEND_VARIANT(type, 3)     \
  ATTEND_VARIANT(type, 4)

ATTEND_VARIANTS(KV_F32)
ATTEND_VARIANTS(KV_F16)
ATTEND_VARIANTS(KV_Q8)

#define BY_HEADS(what, type) \
  { what##_##type##_1, what##_##type##_2, what##_##type##_3, what##_##type##_4 }

// [type of the cache][heads - 1]
static const KeyProducts key_kernels[3][HEAD_TILE] = {
    BY_HEADS(keys, KV_F32), BY_HEADS(keys, KV_F16), BY_HEADS(keys, KV_Q8)};
static const WeightedValues value_kernels[3][HEAD_TILE] = {
    BY_HEADS(values, KV_F32), BY_HEADS(values, KV_F16), BY_HEADS(values, KV_Q8)};

// A tile of positions from `p` on for up to HEAD_TILE queries; the state of each stands behind its
// n totals, `stride` numbers from one to the next.
static void attend_heads(const AttentionArguments *a, uint32_t type, const CacheLayer *layer,
                         size_t index, uint32_t p, uint32_t count, Visible seen, const float *q,
                         uint32_t heads, float *totals, size_t stride) {
  v128_t products[HEAD_TILE * POSITION_TILE];
  float weights[HEAD_TILE * POSITION_TILE] __attribute__((aligned(16))), keeps[HEAD_TILE];
  key_kernels[type][heads - 1](&layer->keys, index, count, q, products);
  for (uint32_t h = 0; h < heads; h++) {
    float *scores = weights + h * POSITION_TILE;
    const v128_t *own = products + h * POSITION_TILE;
    for (uint32_t at = 0; at < POSITION_TILE; at += 4) {
      v128_t score = wasm_f32x4_const_splat(-__builtin_inff());
      if (at < count) {
        v128_t sums = horizontal_sums4(own[at], own[at + 1], own[at + 2], own[at + 3]);
        score = four_scores(a, sums, at, (int32_t)(seen.first - p), (int32_t)(seen.last - p));
      }
      wasm_v128_store(scores + at, score);
    }
    keeps[h] = tile_softmax((SoftmaxState *)(totals + h * stride + a->head_dim), scores);
  }
  value_kernels[type][heads - 1](&layer->values, index, count, weights, keeps, totals, stride);
}

// Queries of a kv head, rotated; `key` likewise, for the chunk that the token itself lies in.
INLINE void rotated(const AttendArguments *a, const float *x, uint32_t count, float *out) {
  __builtin_memcpy(out, x, (size_t)count * a->head_dim * sizeof(float));
  if (a->rope) rope_f32_x4(out, a->rope, count, a->head_dim, a->pairs, a->interleaved, 0, 1);
}

// One chunk of one kv head. Whoever finishes the last chunk of a head puts them together.
static void attend_chunk(const AttendArguments *a, const Cache *cache, uint32_t position,
                         AttendParts *parts, uint8_t *scratch, uint32_t kv_head, uint32_t chunk,
                         uint32_t chunks) {
  const uint32_t n = a->head_dim, shared = a->heads / a->kv_heads, stride = n + 4;
  const Visible seen = visible_of(a, position);
  const CacheLayer *layer = cache->layers + a->layer;
  const AttentionArguments scoring = {
      .head_dim = n, .value_dim = n, .scale = a->scale, .softcap = a->softcap};
  float *q = (float *)scratch, *key = q + shared * n;
  const uint32_t first = (seen.first / POSITION_CHUNK + chunk) * POSITION_CHUNK;
  const uint32_t end = min_u32(first + POSITION_CHUNK, position + 1);
  const size_t vector = (size_t)kv_head * n;
  if (end == position + 1) {
    rotated(a, a->k + vector, 1, key);
    cache_write_head(cache, a->layer, kv_head, position, key, a->v + vector);
  }
  rotated(a, a->q + vector * shared, shared, q);
  float *states = parts->states + ((size_t)kv_head * shared * chunks + chunk) * stride;
  for (uint32_t r = 0; r < shared; r++) {
    float *total = states + (size_t)r * chunks * stride;
    __builtin_memset(total, 0, n * sizeof(float));
    *(SoftmaxState *)(total + n) = nothing_seen;
  }
  const uint32_t begin = max_u32(first, seen.first & ~(POSITION_TILE - 1u));
  for (uint32_t p = begin; p < end; p += POSITION_TILE) {
    const uint32_t count = min_u32(POSITION_TILE, end - p);
    const size_t index = cache_index(cache, kv_head, p);
    for (uint32_t r = 0; r < shared; r += HEAD_TILE) {
      attend_heads(&scoring, cache->type, layer, index, p, count, seen, q + (size_t)r * n,
                   min_u32(HEAD_TILE, shared - r), states + (size_t)r * chunks * stride,
                   (size_t)chunks * stride);
    }
  }
  if (__atomic_fetch_add(&parts->done[kv_head], 1, __ATOMIC_SEQ_CST) + 1 < chunks) return;
  parts->done[kv_head] = 0;
  for (uint32_t r = 0; r < shared; r++) {
    float *sum = parts->states + ((size_t)kv_head * shared + r) * chunks * stride;
    SoftmaxState *state = (SoftmaxState *)(sum + n);
    for (uint32_t c = 1; c < chunks; c++) {
      float *other = sum + (size_t)c * stride;
      fold_chunk(n, (SoftmaxState *)(other + n), other, state, sum);
    }
    finish_softmax(n, state, sum, a->out + (vector * shared + (size_t)r * n));
  }
}

// Units [begin, end) of attend_units(a, position). `parts->done` is zero before and after.
EXPORT(attend_token_chunk128)
void attend_token_chunk128(const AttendArguments *a, const Cache *cache, uint32_t position,
                           AttendParts *parts, uint8_t *scratch, uint32_t begin, uint32_t end) {
  const uint32_t chunks = attend_chunks(a, position);
  for (uint32_t unit = begin; unit < end; unit++) {
    attend_chunk(a, cache, position, parts, scratch, unit / chunks, unit % chunks, chunks);
  }
}

// Scalar twin: two passes in plain order; equal within rounding (relative 1e-5).
EXPORT(attention_cache_scalar)
void attention_cache_scalar(const AttentionArguments *a, const Cache *cache, uint32_t tokens,
                            uint32_t position, float *weights) {
  const uint32_t n = a->head_dim, m = a->value_dim, shared = a->heads / a->kv_heads;
  const CacheLayer *layer = cache->layers + a->layer;
  for (uint32_t t = 0; t < tokens; t++) {
    for (uint32_t h = 0; h < a->heads; h++) {
      const float *q = a->q + ((size_t)t * a->heads + h) * n;
      float *out = a->out + ((size_t)t * a->heads + h) * m;
      const Visible seen = visible_from(a, position + t, position + tokens);
      const size_t base = cache_index(cache, h / shared, 0);
      float maximum = a->sinks ? a->sinks[h] : -__builtin_inff(), sum = 0;
      for (uint32_t p = seen.first; p <= seen.last; p++) {
        float dot = 0;
        for (uint32_t i = 0; i < n; i++)
          dot += q[i] * cache_value(cache->type, &layer->keys, base + p, i);
        dot *= a->scale;
        weights[p] = a->softcap > 0 ? a->softcap * tanh_f32(dot / a->softcap) : dot;
        if (weights[p] > maximum) maximum = weights[p];
      }
      if (a->sinks) sum = exp_f32(a->sinks[h] - maximum);
      for (uint32_t p = seen.first; p <= seen.last; p++)
        sum += weights[p] = exp_f32(weights[p] - maximum);
      for (uint32_t i = 0; i < m; i++) {
        float total = 0;
        for (uint32_t p = seen.first; p <= seen.last; p++) {
          total += weights[p] * cache_value(cache->type, &layer->values, base + p, i);
        }
        out[i] = total / sum;
      }
    }
  }
}
