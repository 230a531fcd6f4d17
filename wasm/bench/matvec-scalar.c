// The honest baseline of the benchmark: the same operators as matvec_planes_8x32 in plain C on the
// file's own Q4_0 and Q8_0 blocks, int8 activations, compiled without SIMD.
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(#name)))

static float half_to_float(uint16_t half) {
  union {
    uint32_t u;
    float f;
  } v = {((uint32_t)(int32_t)(int16_t)half << 13) & 0x8fffe000u};
  return v.f * 0x1p112f;
}

EXPORT(matvec_q4_0_scalar)
void matvec_q4_0_scalar(const uint8_t *weights, const int8_t *x, const float *x_scales, float *out,
                        uint32_t rows, uint32_t columns) {
  for (uint32_t r = 0; r < rows; r++) {
    float sum = 0;
    for (uint32_t b = 0; b < columns / 32; b++) {
      const int8_t *xb = x + 32 * b;
      int32_t dot = 0;
      for (int i = 0; i < 16; i++) {
        uint8_t byte = weights[2 + i];
        dot += ((byte & 15) - 8) * xb[i] + ((byte >> 4) - 8) * xb[16 + i];
      }
      uint16_t half = (uint16_t)(weights[0] | weights[1] << 8);
      sum += (float)dot * half_to_float(half) * x_scales[b];
      weights += 18;
    }
    out[r] = sum;
  }
}

EXPORT(matvec_q8_0_scalar)
void matvec_q8_0_scalar(const uint8_t *weights, const int8_t *x, const float *x_scales, float *out,
                        uint32_t rows, uint32_t columns) {
  for (uint32_t r = 0; r < rows; r++) {
    float sum = 0;
    for (uint32_t b = 0; b < columns / 32; b++) {
      const int8_t *digits = (const int8_t *)weights + 2;
      int32_t dot = 0;
      for (int i = 0; i < 32; i++) dot += digits[i] * x[32 * b + i];
      uint16_t half = (uint16_t)(weights[0] | weights[1] << 8);
      sum += (float)dot * half_to_float(half) * x_scales[b];
      weights += 34;
    }
    out[r] = sum;
  }
}
