// Operators on elements: gated and plain activation, addition, scale with soft cap. [begin, end)
// counts elements.
#include "math.h"

enum {
  GATE_SILU = 0,
  GATE_GELU = 1,
  GATE_GELU_TANH = 2,
  GATE_IDENTITY = 3,
  GATE_CLAMPED_SILU = 4,
};

#define INVERSE_SQRT_2 0.70710678118654752f
#define SQRT_2_OVER_PI 0.79788456080286536f
#define GELU_CUBIC 0.044715f
// Of gpt-oss: x sigmoid(1.702 x) of an x of at most 7, times what lies within 7 of 0, plus 1.
#define CLAMP 7.0f
#define CLAMPED_SLOPE 1.702f

INLINE v128_t activate_f32x4(uint32_t kind, v128_t x) {
  if (kind == GATE_IDENTITY) return x;
  v128_t one = wasm_f32x4_const_splat(1), half = wasm_f32x4_mul(x, wasm_f32x4_const_splat(0.5f));
  if (kind == GATE_SILU) {
    return wasm_f32x4_div(x, wasm_f32x4_add(one, exp_f32x4(wasm_f32x4_neg(x))));
  }
  if (kind == GATE_CLAMPED_SILU) {
    v128_t low = wasm_f32x4_min(x, wasm_f32x4_const_splat(CLAMP));
    v128_t power = exp_f32x4(wasm_f32x4_mul(low, wasm_f32x4_const_splat(-CLAMPED_SLOPE)));
    return wasm_f32x4_div(low, wasm_f32x4_add(one, power));
  }
  v128_t inner;
  if (kind == GATE_GELU) {
    inner = erf_f32x4(wasm_f32x4_mul(x, wasm_f32x4_const_splat(INVERSE_SQRT_2)));
  } else {
    v128_t cubic = wasm_f32x4_mul(wasm_f32x4_mul(x, x), wasm_f32x4_const_splat(GELU_CUBIC));
    v128_t argument = wasm_f32x4_mul(x, wasm_f32x4_add(one, cubic));
    inner = tanh_f32x4(wasm_f32x4_mul(argument, wasm_f32x4_const_splat(SQRT_2_OVER_PI)));
  }
  return wasm_f32x4_mul(half, wasm_f32x4_add(one, inner));
}

INLINE float activate_f32(uint32_t kind, float x) {
  if (kind == GATE_IDENTITY) return x;
  if (kind == GATE_SILU) return x / (1 + exp_f32(-x));
  if (kind == GATE_CLAMPED_SILU) {
    const float low = x > CLAMP ? CLAMP : x;
    return low / (1 + exp_f32(low * -CLAMPED_SLOPE));
  }
  float inner = kind == GATE_GELU ? erf_f32(x * INVERSE_SQRT_2)
                                  : tanh_f32(x * (1 + x * x * GELU_CUBIC) * SQRT_2_OVER_PI);
  return x * 0.5f * (1 + inner);
}

// What an activation is multiplied with.
INLINE v128_t factor_f32x4(uint32_t kind, v128_t up) {
  if (kind != GATE_CLAMPED_SILU) return up;
  v128_t low = wasm_f32x4_min(up, wasm_f32x4_const_splat(CLAMP));
  v128_t within = wasm_f32x4_max(low, wasm_f32x4_const_splat(-CLAMP));
  return wasm_f32x4_add(within, wasm_f32x4_const_splat(1));
}

INLINE float factor_f32(uint32_t kind, float up) {
  if (kind != GATE_CLAMPED_SILU) return up;
  return (up > CLAMP ? CLAMP : up < -CLAMP ? -CLAMP : up) + 1;
}

EXPORT(gate_f32_scalar)
void gate_f32_scalar(uint32_t kind, const float *gate, const float *up, float *out, uint32_t begin,
                     uint32_t end) {
  for (uint32_t i = begin; i < end; i++) {
    out[i] = activate_f32(kind, gate[i]) * factor_f32(kind, up[i]);
  }
}

INLINE void gate_elements(const uint32_t kind, const float *gate, const float *up, float *out,
                          uint32_t begin, uint32_t end) {
  uint32_t i = begin;
  for (; i + 4 <= end; i += 4) {
    v128_t active = activate_f32x4(kind, wasm_v128_load(gate + i));
    wasm_v128_store(out + i, wasm_f32x4_mul(active, factor_f32x4(kind, wasm_v128_load(up + i))));
  }
  for (; i < end; i++) out[i] = activate_f32(kind, gate[i]) * factor_f32(kind, up[i]);
}

EXPORT(gate_f32_x4)
void gate_f32_x4(uint32_t kind, const float *gate, const float *up, float *out, uint32_t begin,
                 uint32_t end) {
  if (kind == GATE_SILU) {
    gate_elements(GATE_SILU, gate, up, out, begin, end);
  } else if (kind == GATE_GELU) {
    gate_elements(GATE_GELU, gate, up, out, begin, end);
  } else if (kind == GATE_IDENTITY) {
    gate_elements(GATE_IDENTITY, gate, up, out, begin, end);
  } else if (kind == GATE_CLAMPED_SILU) {
    gate_elements(GATE_CLAMPED_SILU, gate, up, out, begin, end);
  } else {
    gate_elements(GATE_GELU_TANH, gate, up, out, begin, end);
  }
}

EXPORT(activate_f32_scalar)
void activate_f32_scalar(uint32_t kind, const float *x, float *out, uint32_t begin, uint32_t end) {
  for (uint32_t i = begin; i < end; i++) out[i] = activate_f32(kind, x[i]);
}

EXPORT(activate_f32_x4)
void activate_f32_x4(uint32_t kind, const float *x, float *out, uint32_t begin, uint32_t end) {
  uint32_t i = begin;
  for (; i + 4 <= end; i += 4)
    wasm_v128_store(out + i, activate_f32x4(kind, wasm_v128_load(x + i)));
  activate_f32_scalar(kind, x, out, i, end);
}

EXPORT(add_f32_x4)
void add_f32_x4(const float *a, const float *b, float *out, uint32_t begin, uint32_t end) {
  uint32_t i = begin;
  for (; i + 4 <= end; i += 4) {
    wasm_v128_store(out + i, wasm_f32x4_add(wasm_v128_load(a + i), wasm_v128_load(b + i)));
  }
  for (; i < end; i++) out[i] = a[i] + b[i];
}

EXPORT(scale_f32_scalar)
void scale_f32_scalar(const float *x, float factor, float softcap, float *out, uint32_t begin,
                      uint32_t end) {
  for (uint32_t i = begin; i < end; i++) {
    float value = x[i] * factor;
    out[i] = softcap > 0 ? softcap * tanh_f32(value / softcap) : value;
  }
}

EXPORT(scale_f32_x4)
void scale_f32_x4(const float *x, float factor, float softcap, float *out, uint32_t begin,
                  uint32_t end) {
  uint32_t i = begin;
  v128_t factors = wasm_f32x4_splat(factor), cap = wasm_f32x4_splat(softcap);
  for (; i + 4 <= end; i += 4) {
    v128_t value = wasm_f32x4_mul(wasm_v128_load(x + i), factors);
    if (softcap > 0) value = wasm_f32x4_mul(cap, tanh_f32x4(wasm_f32x4_div(value, cap)));
    wasm_v128_store(out + i, value);
  }
  scale_f32_scalar(x, factor, softcap, out, i, end);
}
