// Scalar twin of src/transcode.c: one number at a time, equal to the bit.
#include "planes.h"

typedef struct {
  uint8_t digits[BLOCK];  // 16 * hi + lo of each column; one plane: hi
  uint16_t scale, minimum;
  int finite;
} ScalarBlock;

enum {
  TYPE_F32 = 0,
  TYPE_F16 = 1,
  TYPE_Q4_0 = 2,
  TYPE_Q4_1 = 3,
  TYPE_Q5_0 = 6,
  TYPE_Q5_1 = 7,
  TYPE_Q8_0 = 8,
  TYPE_BF16 = 30
};

static uint32_t scalar_block_bytes(uint32_t type) {
  switch (type) {
    case TYPE_F32:
      return 128;
    case TYPE_F16:
    case TYPE_BF16:
      return 64;
    case TYPE_Q4_0:
      return 18;
    case TYPE_Q4_1:
      return 20;
    case TYPE_Q5_0:
      return 22;
    case TYPE_Q5_1:
      return 24;
    default:
      return 34;
  }
}

static void scalar_quantize(const float *x, ScalarBlock *out) {
  float maximum = 0;
  for (int c = 0; c < BLOCK; c++) maximum = larger_magnitude(maximum, x[c]);
  out->finite = maximum <= 127.0f * 65504.0f;
  out->scale = out->finite ? float_to_half(maximum / 127.0f) : 0;
  if (out->finite && maximum > 127.49f * half_to_float(out->scale)) out->scale++;
  float scale = half_to_float(out->scale), inverse = scale > 0 ? 1.0f / scale : 0.0f;
  for (int c = 0; c < BLOCK; c++) {
    int32_t q = (int32_t)nearest(x[c] * inverse);
    out->digits[c] = (uint8_t)((q < -128 ? -128 : q > 127 ? 127 : q) + 128);
  }
}

static void scalar_decode(uint32_t type, const uint8_t *p, ScalarBlock *out) {
  float values[BLOCK];
  int has_minimum = type == TYPE_Q4_1 || type == TYPE_Q5_1;
  out->scale = load_u16(p);
  out->minimum = has_minimum ? load_u16(p + 2) : 0;
  out->finite = half_is_finite(out->scale) && half_is_finite(out->minimum);
  for (int c = 0; c < BLOCK; c++) {
    int shift = c < 16 ? 0 : 4, i = c % 16, five;
    switch (type) {
      case TYPE_Q4_0:
        out->digits[c] = (p[2 + i] >> shift) & 15;
        break;
      case TYPE_Q4_1:
        out->digits[c] = (p[4 + i] >> shift) & 15;
        break;
      case TYPE_Q5_0:
        five = ((p[6 + i] >> shift) & 15) | ((load_u32(p + 2) >> c) & 1) << 4;
        out->digits[c] = (uint8_t)(8 * five);
        break;
      case TYPE_Q5_1:
        five = ((p[8 + i] >> shift) & 15) | ((load_u32(p + 4) >> c) & 1) << 4;
        out->digits[c] = (uint8_t)(8 * five);
        break;
      case TYPE_Q8_0:
        out->digits[c] = (uint8_t)(p[2 + c] + 128);
        break;
      case TYPE_F16:
        values[c] = half_is_finite(load_u16(p + 2 * c)) ? half_to_float(load_u16(p + 2 * c))
                                                        : bits_float(0x7fc00000);
        break;
      case TYPE_BF16:
        values[c] = bits_float((uint32_t)load_u16(p + 2 * c) << 16);
        break;
      default:
        values[c] = bits_float(load_u32(p + 4 * c));
    }
  }
  if (type == TYPE_F32 || type == TYPE_F16 || type == TYPE_BF16) scalar_quantize(values, out);
}

EXPORT(transcode_planes_scalar)
int transcode_planes_scalar(uint32_t type, const uint8_t *source, uint32_t rows, uint32_t columns,
                            uint8_t *hi, uint8_t *lo, float gain) {
  uint32_t blocks = columns / BLOCK, groups = (rows + GROUP - 1) / GROUP,
           bytes = scalar_block_bytes(type);
  int has_minimum = type == TYPE_Q4_1 || type == TYPE_Q5_1,
      one = type == TYPE_Q4_0 || type == TYPE_Q4_1;
  uint32_t header = SCALE_BYTES * (1 + has_minimum), hi_bytes = header + DIGIT_BYTES;
  __builtin_memset(hi, 0, (size_t)groups * blocks * hi_bytes);
  if (!one) __builtin_memset(lo, 0, (size_t)groups * blocks * DIGIT_BYTES);
  int flags = 0;
  for (uint32_t row = 0; row < rows; row++) {
    for (uint32_t b = 0; b < blocks; b++) {
      ScalarBlock block;
      scalar_decode(type, source + ((size_t)row * blocks + b) * bytes, &block);
      if (!block.finite) flags |= 1;
      float scale = half_to_float(block.scale) * gain,
            minimum = half_to_float(block.minimum) * gain;
      if (absolute(scale) > 65504.0f || absolute(minimum) > 65504.0f) flags |= 2;
      block.scale = float_to_half(scale);
      block.minimum = float_to_half(minimum);
      size_t index = (size_t)(row / GROUP) * blocks + b;
      uint8_t *high = hi + index * hi_bytes, *low = lo + index * DIGIT_BYTES;
      __builtin_memcpy(high + 2 * (row % GROUP), &block.scale, 2);
      if (has_minimum) __builtin_memcpy(high + SCALE_BYTES + 2 * (row % GROUP), &block.minimum, 2);
      for (int c = 0; c < BLOCK; c++) {
        int shift = c < 16 ? 0 : 4, i = c % 16;
        uint32_t at = 32 * (i / 4) + 4 * (row % GROUP) + i % 4;
        uint8_t digit = block.digits[c];
        high[header + at] |= (uint8_t)((one ? digit : digit >> 4) << shift);
        if (!one) low[at] |= (uint8_t)((digit & 15) << shift);
      }
    }
  }
  return flags;
}
