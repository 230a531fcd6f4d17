// Scalar twin of src/transcode.c: one number at a time, equal to the bit.
#include "planes.h"

typedef struct {
  uint8_t digits[BLOCK];  // 16 * hi + lo of each column; one plane: hi
  float scale, minimum;
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
  TYPE_Q3_K = 11,
  TYPE_Q4_K = 12,
  TYPE_Q5_K = 13,
  TYPE_Q6_K = 14,
  TYPE_IQ4_NL = 20,
  TYPE_IQ4_XS = 23,
  TYPE_BF16 = 30,
  TYPE_TQ1_0 = 34,
  TYPE_TQ2_0 = 35
};

static uint32_t scalar_block_bytes(uint32_t type) {
  switch (type) {
    case TYPE_F32:
      return 128;
    case TYPE_F16:
    case TYPE_BF16:
      return 64;
    case TYPE_Q4_0:
    case TYPE_IQ4_NL:
      return 18;
    case TYPE_TQ1_0:
      return 54;
    case TYPE_TQ2_0:
      return 66;
    case TYPE_Q3_K:
      return 110;
    case TYPE_Q4_K:
      return 144;
    case TYPE_Q5_K:
      return 176;
    case TYPE_Q6_K:
      return 210;
    case TYPE_IQ4_XS:
      return 136;
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

static uint32_t scalar_sub_blocks(uint32_t type) {
  return (type >= TYPE_Q3_K && type <= TYPE_Q6_K) || type == TYPE_IQ4_XS || type == TYPE_TQ1_0 ||
                 type == TYPE_TQ2_0
             ? 8
             : 1;
}

static int scalar_has_minimum(uint32_t type) {
  return type == TYPE_Q4_1 || type == TYPE_Q5_1 || type == TYPE_Q4_K || type == TYPE_Q5_K;
}

static int scalar_one_plane(uint32_t type) {
  return type == TYPE_Q4_0 || type == TYPE_Q4_1 || type == TYPE_Q4_K || type == TYPE_TQ1_0 ||
         type == TYPE_TQ2_0;
}

static void scalar_quantize(const float *x, ScalarBlock *out) {
  float maximum = 0;
  for (int c = 0; c < BLOCK; c++) maximum = larger_magnitude(maximum, x[c]);
  out->finite = maximum <= 127.0f * 65504.0f;
  uint16_t half = out->finite ? float_to_half(maximum / 127.0f) : 0;
  if (out->finite && maximum > 127.49f * half_to_float(half)) half++;
  out->scale = half_to_float(half);
  float inverse = out->scale > 0 ? 1.0f / out->scale : 0.0f;
  for (int c = 0; c < BLOCK; c++) {
    int32_t q = (int32_t)nearest(x[c] * inverse);
    out->digits[c] = (uint8_t)((q < -128 ? -128 : q > 127 ? 127 : q) + 128);
  }
}

// Six bits of a scale (or minimum, second = 4) of Q4_K and Q5_K.
static int32_t scalar_packed(const uint8_t *p, uint32_t sub, uint32_t second) {
  if (sub < 4) return p[second + sub] & 63;
  return ((p[4 + sub] >> second) & 15) + 16 * (p[second + sub - 4] >> 6);
}

// Two scales a sub-block: digits in steps of the larger one, `finest` of them to a step.
static void scalar_share(const int32_t *digits, const int32_t *scales, int32_t finest, float d,
                         ScalarBlock *out) {
  int32_t sizes[2] = {scales[0] < 0 ? -scales[0] : scales[0],
                      scales[1] < 0 ? -scales[1] : scales[1]};
  int32_t largest = sizes[0] < sizes[1] ? scales[1] : scales[0];
  for (int c = 0; c < BLOCK; c++) {
    int32_t scale = scales[c / 16];
    float share = largest == 0 ? 0 : nearest(32768.0f * (float)scale / (float)largest);
    int32_t ratio = share > 32767.0f ? 32767 : (int32_t)share;
    int32_t q = (finest * digits[c] * ratio + 16384) >> 15;
    out->digits[c] = (uint8_t)(128 + (q > 127 ? 127 : q));
  }
  out->scale = d * (float)largest / (float)finest;
}

static const int8_t scalar_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                         1,    13,   25,  38,  53,  69,  89,  113};

// Digit i of 256 in TQ1_0: parts of 32, 16 and 4 bytes with a place of three a pass.
static uint8_t scalar_ternary(const uint8_t *p, uint32_t i) {
  uint32_t first = i < 160 ? 0 : i < 240 ? 160 : 240, bytes = i < 160 ? 32 : i < 240 ? 16 : 4;
  uint32_t fraction = p[(i < 160 ? 0 : i < 240 ? 32 : 48) + (i - first) % bytes];
  for (uint32_t place = (i - first) / bytes; place > 0; place--) fraction = 3 * fraction % 256;
  return (uint8_t)(3 * fraction / 256);
}

static void scalar_decode_k(uint32_t type, const uint8_t *p, uint32_t sub, ScalarBlock *out) {
  uint32_t at = type == TYPE_Q6_K    ? 208
                : type == TYPE_Q3_K  ? 108
                : type == TYPE_TQ2_0 ? 64
                : type == TYPE_TQ1_0 ? 52
                                     : 0;
  float d = half_to_float(load_u16(p + at));
  int32_t digits[BLOCK], scales[2] = {1, 1};
  out->finite = half_is_finite(load_u16(p + at));
  for (int c = 0; c < BLOCK; c++) {
    uint32_t half = sub / 4, i = 32 * (sub % 4) + c;  // of 128 columns
    switch (type) {
      case TYPE_Q3_K:
        digits[c] = ((p[32 + 32 * half + c] >> (2 * (sub % 4))) & 3) + 4 * ((p[c] >> sub) & 1) - 4;
        break;
      case TYPE_Q4_K:
        out->digits[c] = (p[16 + 32 * (sub / 2) + c] >> (4 * (sub % 2))) & 15;
        break;
      case TYPE_Q5_K:
        digits[c] =
            ((p[48 + 32 * (sub / 2) + c] >> (4 * (sub % 2))) & 15) + 16 * ((p[16 + c] >> sub) & 1);
        out->digits[c] = (uint8_t)(8 * digits[c]);
        break;
      case TYPE_Q6_K:
        digits[c] = ((p[64 * half + i % 64] >> (4 * (i / 64))) & 15) +
                    16 * ((p[128 + 32 * half + c] >> (2 * (sub % 4))) & 3) - 32;
        break;
      case TYPE_TQ1_0:
        out->digits[c] = scalar_ternary(p, 32 * sub + c);
        break;
      case TYPE_TQ2_0:
        out->digits[c] = (p[32 * half + c] >> (2 * (sub % 4))) & 3;
        break;
      default: {
        const uint8_t *q = type == TYPE_IQ4_NL ? p + 2 : p + 8 + 16 * sub;
        out->digits[c] = (uint8_t)(128 + scalar_levels[(q[c % 16] >> (c < 16 ? 0 : 4)) & 15]);
      }
    }
  }
  if (type == TYPE_Q4_K || type == TYPE_Q5_K) {
    out->scale = d * (float)scalar_packed(p + 4, sub, 0);
    out->minimum = -(half_to_float(load_u16(p + 2)) * (float)scalar_packed(p + 4, sub, 4));
    out->finite = out->finite && half_is_finite(load_u16(p + 2));
  } else if (type == TYPE_IQ4_NL || type == TYPE_TQ1_0 || type == TYPE_TQ2_0) {
    out->scale = d;
  } else if (type == TYPE_IQ4_XS) {
    int32_t low = (p[4 + sub / 2] >> (4 * (sub % 2))) & 15, high = load_u16(p + 2) >> (2 * sub) & 3;
    out->scale = d * (float)(low + 16 * high - 32);
  } else {
    for (uint32_t i = 0; i < 2; i++) {
      uint32_t s = 2 * sub + i;
      if (type == TYPE_Q6_K) scales[i] = ((const int8_t *)p)[192 + s];
      if (type == TYPE_Q3_K)
        scales[i] = ((p[96 + s % 8] >> (s < 8 ? 0 : 4)) & 15) +
                    16 * ((p[104 + s % 4] >> (2 * (s / 4))) & 3) - 32;
    }
    scalar_share(digits, scales, type == TYPE_Q6_K ? 4 : 32, d, out);
  }
}

static void scalar_decode(uint32_t type, const uint8_t *p, ScalarBlock *out) {
  float values[BLOCK];
  uint16_t scale = load_u16(p), minimum = scalar_has_minimum(type) ? load_u16(p + 2) : 0;
  out->scale = half_to_float(scale);
  out->minimum = half_to_float(minimum);
  out->finite = half_is_finite(scale) && half_is_finite(minimum);
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
           bytes = scalar_block_bytes(type), subs = scalar_sub_blocks(type);
  int has_minimum = scalar_has_minimum(type), one = scalar_one_plane(type);
  uint32_t header = SCALE_BYTES * (1 + has_minimum), hi_bytes = header + DIGIT_BYTES;
  __builtin_memset(hi, 0, (size_t)groups * blocks * hi_bytes);
  if (!one) __builtin_memset(lo, 0, (size_t)groups * blocks * DIGIT_BYTES);
  int flags = 0;
  for (uint32_t row = 0; row < rows; row++) {
    for (uint32_t b = 0; b < blocks; b++) {
      ScalarBlock block = {0};
      const uint8_t *p = source + ((size_t)row * (blocks / subs) + b / subs) * bytes;
      if (subs > 1 || type == TYPE_IQ4_NL)
        scalar_decode_k(type, p, b % subs, &block);
      else
        scalar_decode(type, p, &block);
      if (!block.finite) flags |= 1;
      float scale = block.scale * gain, minimum = block.minimum * gain;
      if (absolute(scale) > 65504.0f || absolute(minimum) > 65504.0f) flags |= 2;
      uint16_t scale_half = float_to_half(scale), minimum_half = float_to_half(minimum);
      size_t index = (size_t)(row / GROUP) * blocks + b;
      uint8_t *high = hi + index * hi_bytes, *low = lo + index * DIGIT_BYTES;
      __builtin_memcpy(high + 2 * (row % GROUP), &scale_half, 2);
      if (has_minimum) __builtin_memcpy(high + SCALE_BYTES + 2 * (row % GROUP), &minimum_half, 2);
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
