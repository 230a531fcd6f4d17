// Writing keys and values into the KV cache.
#include "attention.h"

INLINE void write_vector(uint32_t type, const Vectors *v, size_t index, const float *x) {
  const uint32_t n = v->size;
  uint8_t *data = v->data;
  if (type == KV_F32) {
    __builtin_memcpy((float *)data + index * n, x, n * sizeof(float));
  } else if (type == KV_F16) {
    uint16_t *out = (uint16_t *)data + index * n;
    for (uint32_t i = 0; i < n; i += 4) {
      v128_t half = float_to_half_x4(wasm_v128_load(x + i));
      wasm_v128_store64_lane(out + i, wasm_i16x8_shuffle(half, half, 0, 2, 4, 6, 0, 2, 4, 6), 0);
    }
  } else {
    int8_t *out = (int8_t *)data + index * n;
    v128_t largest = wasm_f32x4_const_splat(0);
    for (uint32_t i = 0; i < n; i += 4) {
      largest = wasm_f32x4_max(largest, wasm_f32x4_abs(wasm_v128_load(x + i)));
    }
    const float maximum = horizontal_max(largest);
    const int tiny = maximum < 1e-30f;
    v->scales[index] = tiny ? 0 : maximum / 127.0f;
    v128_t inverse = wasm_f32x4_splat(tiny ? 0 : 127.0f / maximum);
    for (uint32_t i = 0; i < n; i += 4) {
      v128_t q = wasm_i32x4_trunc_sat_f32x4(
          wasm_f32x4_nearest(wasm_f32x4_mul(wasm_v128_load(x + i), inverse)));
      v128_t narrow = wasm_i16x8_narrow_i32x4(q, q);
      wasm_v128_store32_lane(out + i, wasm_i8x16_narrow_i16x8(narrow, narrow), 0);
    }
  }
}

// Key and value of one head and position.
void cache_write_head(const Cache *c, uint32_t layer, uint32_t head, uint32_t position,
                      const float *k, const float *v) {
  const CacheLayer *l = c->layers + layer;
  const size_t index = cache_index(c, head, position);
  write_vector(c->type, &l->keys, index, k);
  write_vector(c->type, &l->values, index, v);
}

// Tokens [token_begin, token_end) of the step, the first of which stands at `position`.
EXPORT(cache_write_vectors)
void cache_write_vectors(const Cache *c, uint32_t layer, const float *k, const float *v,
                         uint32_t position, uint32_t token_begin, uint32_t token_end) {
  const CacheLayer *l = c->layers + layer;
  for (uint32_t t = token_begin; t < token_end; t++) {
    for (uint32_t h = 0; h < l->kv_heads; h++) {
      const size_t from = (size_t)t * l->kv_heads + h;
      cache_write_head(c, layer, h, position + t, k + from * l->keys.size,
                       v + from * l->values.size);
    }
  }
}

EXPORT(cache_write_scalar)
void cache_write_scalar(const Cache *c, uint32_t layer, const float *k, const float *v,
                        uint32_t position, uint32_t token_begin, uint32_t token_end) {
  const CacheLayer *l = c->layers + layer;
  for (uint32_t t = token_begin; t < token_end; t++) {
    for (uint32_t h = 0; h < l->kv_heads; h++) {
      for (int values = 0; values < 2; values++) {
        const Vectors *to = values ? &l->values : &l->keys;
        const uint32_t n = to->size;
        const float *x = (values ? v : k) + ((size_t)t * l->kv_heads + h) * n;
        uint8_t *data = to->data;
        const size_t index = cache_index(c, h, position + t);
        float maximum = 0;
        for (uint32_t i = 0; i < n; i++) maximum = larger_magnitude(maximum, x[i]);
        const int tiny = maximum < 1e-30f;
        if (c->type == KV_Q8) to->scales[index] = tiny ? 0 : maximum / 127.0f;
        const float inverse = tiny ? 0 : 127.0f / maximum;
        for (uint32_t i = 0; i < n; i++) {
          if (c->type == KV_F32) ((float *)data)[index * n + i] = x[i];
          if (c->type == KV_F16) ((uint16_t *)data)[index * n + i] = float_to_half(x[i]);
          if (c->type == KV_Q8) ((int8_t *)data)[index * n + i] = (int8_t)nearest(x[i] * inverse);
        }
      }
    }
  }
}
