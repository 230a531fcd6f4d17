// Rotary position embedding, in place. `table` holds, per token of the step, n cosines and n sines
// (computed in double precision by the caller, once per step).
#include "simd.h"

EXPORT(rope_f32_scalar)
void rope_f32_scalar(float *x, const float *table, uint32_t heads, uint32_t head_dim, uint32_t n,
                     uint32_t interleaved, uint32_t token_begin, uint32_t token_end) {
  for (uint32_t t = token_begin; t < token_end; t++) {
    const float *cosines = table + (size_t)t * 2 * n, *sines = cosines + n;
    for (uint32_t h = 0; h < heads; h++) {
      float *head = x + ((size_t)t * heads + h) * head_dim;
      for (uint32_t i = 0; i < n; i++) {
        float *a = head + (interleaved ? 2 * i : i), *b = head + (interleaved ? 2 * i + 1 : i + n);
        float first = *a * cosines[i] - *b * sines[i];
        *b = *a * sines[i] + *b * cosines[i];
        *a = first;
      }
    }
  }
}

INLINE void rotate_split(float *head, const float *cosines, const float *sines, uint32_t n) {
  for (uint32_t i = 0; i < n; i += 4) {
    v128_t c = wasm_v128_load(cosines + i), s = wasm_v128_load(sines + i);
    v128_t a = wasm_v128_load(head + i), b = wasm_v128_load(head + n + i);
    wasm_v128_store(head + i, wasm_f32x4_sub(wasm_f32x4_mul(a, c), wasm_f32x4_mul(b, s)));
    wasm_v128_store(head + n + i, wasm_f32x4_add(wasm_f32x4_mul(a, s), wasm_f32x4_mul(b, c)));
  }
}

INLINE void rotate_interleaved(float *head, const float *cosines, const float *sines, uint32_t n) {
  for (uint32_t i = 0; i < n; i += 4) {
    v128_t c = wasm_v128_load(cosines + i), s = wasm_v128_load(sines + i);
    v128_t first = wasm_v128_load(head + 2 * i), second = wasm_v128_load(head + 2 * i + 4);
    v128_t a = wasm_i32x4_shuffle(first, second, 0, 2, 4, 6);
    v128_t b = wasm_i32x4_shuffle(first, second, 1, 3, 5, 7);
    v128_t ra = wasm_f32x4_sub(wasm_f32x4_mul(a, c), wasm_f32x4_mul(b, s));
    v128_t rb = wasm_f32x4_add(wasm_f32x4_mul(a, s), wasm_f32x4_mul(b, c));
    wasm_v128_store(head + 2 * i, wasm_i32x4_shuffle(ra, rb, 0, 4, 1, 5));
    wasm_v128_store(head + 2 * i + 4, wasm_i32x4_shuffle(ra, rb, 2, 6, 3, 7));
  }
}

EXPORT(rope_f32_x4)
void rope_f32_x4(float *x, const float *table, uint32_t heads, uint32_t head_dim, uint32_t n,
                 uint32_t interleaved, uint32_t token_begin, uint32_t token_end) {
  if (n % 4 != 0) {
    rope_f32_scalar(x, table, heads, head_dim, n, interleaved, token_begin, token_end);
    return;
  }
  for (uint32_t t = token_begin; t < token_end; t++) {
    const float *cosines = table + (size_t)t * 2 * n;
    for (uint32_t h = 0; h < heads; h++) {
      float *head = x + ((size_t)t * heads + h) * head_dim;
      if (interleaved) {
        rotate_interleaved(head, cosines, cosines + n, n);
      } else {
        rotate_split(head, cosines, cosines + n, n);
      }
    }
  }
}
