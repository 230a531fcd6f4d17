// The KV cache and what attention needs to know about it.
#pragma once

#include "simd.h"

enum { KV_F32 = 0, KV_F16 = 1, KV_Q8 = 2 };

// The keys, or the values, of one layer: (kvHead, position, size). q8: int8 with one scale per
// vector.
typedef struct {
  uint32_t size;  // numbers of a vector
  uint8_t *data;
  float *scales;  // (kvHead, position), q8 only
} Vectors;

typedef struct {
  uint32_t kv_heads;
  Vectors keys, values;
} CacheLayer;

// `recurrent`: what layers remember beside positions, a block of float32 numbers for each slot.
typedef struct {
  uint32_t capacity, type;
  const CacheLayer *layers;
  float *const *recurrent;
} Cache;

_Static_assert(sizeof(CacheLayer) == 28, "mirrored by src/engine/backend/wasm/command-layout.ts");
_Static_assert(sizeof(Cache) == 16, "mirrored by src/engine/backend/wasm/command-layout.ts");

INLINE size_t cache_index(const Cache *c, uint32_t kv_head, uint32_t position) {
  return (size_t)kv_head * c->capacity + position;
}

INLINE float cache_value(uint32_t type, const Vectors *v, size_t index, uint32_t i) {
  const size_t at = index * v->size + i;
  if (type == KV_F32) return ((const float *)v->data)[at];
  if (type == KV_F16) return half_to_float(((const uint16_t *)v->data)[at]);
  return (float)((const int8_t *)v->data)[at] * v->scales[index];
}

// `count` vectors from `index` on to float32.
INLINE void decode_tile(uint32_t type, const Vectors *v, size_t index, uint32_t count, float *out) {
  const uint32_t n = v->size;
  const uint8_t *data = v->data;
  if (type == KV_F32) {
    __builtin_memcpy(out, (const float *)data + index * n, (size_t)count * n * sizeof(float));
    return;
  }
  for (uint32_t p = 0; p < count; p++) {
    if (type == KV_F16) {
      const uint16_t *from = (const uint16_t *)data + (index + p) * n;
      v128_t mask = wasm_i32x4_const_splat((int32_t)HALF_RAW_MASK);
      v128_t factor = wasm_f32x4_const_splat(TWO_112);
      for (uint32_t i = 0; i < n; i += 4) {
        v128_t halves = wasm_v128_load64_zero(from + i);
        wasm_v128_store(out + (size_t)p * n + i,
                        wasm_f32x4_mul(half_raw_low(halves, mask), factor));
      }
    } else {
      const int8_t *from = (const int8_t *)data + (index + p) * n;
      v128_t scale = wasm_v128_load32_splat(v->scales + index + p);
      for (uint32_t i = 0; i < n; i += 4) {
        v128_t wide = wasm_i32x4_extend_low_i16x8(
            wasm_i16x8_extend_low_i8x16(wasm_v128_load32_zero(from + i)));
        wasm_v128_store(out + (size_t)p * n + i,
                        wasm_f32x4_mul(wasm_f32x4_convert_i32x4(wide), scale));
      }
    }
  }
}

typedef struct {
  const float *q;
  float *out;
  uint32_t layer, heads, kv_heads, head_dim, window;
  float scale, softcap;
  uint32_t bidirectional;  // 0: a position sees itself and those before it
  uint32_t value_dim;      // components of a value; out is (tokens, heads, value_dim)
  const float *sinks;      // a score a head that takes its share and gives nothing, or null
} AttentionArguments;

// Attention of one token with what comes before it: q and k are rotated and k and v written into
// the cache by whoever needs them first.
typedef struct {
  const float *q, *k, *v;
  float *out;
  uint32_t layer, heads, kv_heads, head_dim, window;
  float scale, softcap;
  const float *rope;  // cosines and sines of this position, null for no rotation
  uint32_t pairs, interleaved;
} AttendArguments;

// Tokens whose attention is computed together, so that a decoded tile of keys and values serves
// all. Positions come in chunks: each has a softmax of its own, and those are then put together in
// order. So threads can share the positions of one token, and the sums do not depend on how.
enum { TOKEN_TILE = 8, POSITION_TILE = 32, POSITION_CHUNK = 128 };

// Most kv heads of which the chunks done are counted.
enum { MAX_KV_HEADS = 256 };

// What the chunks of one token's attention leave for each other. `states` holds, for every head and
// chunk, the softmax so far: head_dim sums of values, largest score, sum of weights, 2 unused.
typedef struct {
  uint32_t done[MAX_KV_HEADS];  // chunks
  float states[];
} AttendParts;

uint32_t scratch_attention_bytes(uint32_t heads, uint32_t kv_heads, uint32_t head_dim,
                                 uint32_t value_dim);
uint32_t attention_units(uint32_t kv_heads, uint32_t tokens);
uint32_t attend_units(const AttendArguments *a, uint32_t position);
void attend_token_chunk128(const AttendArguments *a, const Cache *cache, uint32_t position,
                           AttendParts *parts, uint8_t *scratch, uint32_t begin, uint32_t end);
void attention_cache_tile32(const AttentionArguments *a, const Cache *cache, uint32_t tokens,
                            uint32_t position, uint8_t *scratch, uint32_t begin, uint32_t end);
void cache_write_head(const Cache *cache, uint32_t layer, uint32_t head, uint32_t position,
                      const float *k, const float *v);
void cache_write_vectors(const Cache *cache, uint32_t layer, const float *k, const float *v,
                         uint32_t position, uint32_t token_begin, uint32_t token_end);
