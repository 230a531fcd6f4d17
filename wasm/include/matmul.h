// What the matmul kernels share: the weights' corrections per block of activations, and scratch.
#pragma once

#include "planes.h"
#include "quantize.h"

// Row groups that a matvec runs at once.
enum { MATVEC_STREAMS = 4 };

// Per block of one matvec: what an integer accumulator starts at, and the activations' scale.
typedef struct {
  int32_t start;
  float scale;
} BlockTerms;

typedef struct {
  BlockTerms *terms;
  float *minimum_factors;  // what multiplies the minimum
} Corrections;

// Which row of the activations the t-th token of a product reads, and which row of the result it
// writes; null for its own. Experts see some of the tokens only.
typedef struct {
  const uint32_t *from, *to;
} TokenMap;

INLINE uint32_t mapped(const uint32_t *map, uint32_t t) { return map ? map[t] : t; }

// How the relaxed build sums up the products of a block, chosen by measuring, because processors
// differ: equal to the bit. With DOT_QUADS four products go into a 32-bit sum at once, one
// instruction on ARM and on x86 with VNNI, five on other x86 processors. With DOT_PAIRS two
// products go into a 16-bit sum, which a whole block cannot overflow (8 * 2 * 15 * 127 = 30480):
// two instructions everywhere on x86.
enum { DOT_QUADS = 0, DOT_PAIRS = 1 };

// `dot_method` of one token, `tile_dot_method` of several at once.
extern uint32_t dot_method, tile_dot_method;

#ifdef __wasm_relaxed_simd__
enum { DOT_COUNT = 2 };
#define MATVEC_UNIT 1
#else
enum { DOT_COUNT = 1 };
// Plain matvec sums are 256 times too large (see dot_words); the output factor takes it back.
#define MATVEC_UNIT 256
#endif

// Bytes of scratch for matmul_planes over `tokens` tokens of `columns` columns.
uint32_t scratch_matmul_bytes(uint32_t tokens, uint32_t columns);

void matvec_planes_8x32(const Matrix *m, const Quantized *x, uint32_t token, uint32_t precision,
                        const float *bias, float *out, uint32_t group_begin, uint32_t group_end,
                        uint8_t *scratch);
void matmat_mapped_8x4(const Matrix *m, const Quantized *x, TokenMap map, uint32_t tokens,
                       uint32_t precision, const float *bias, float *out, uint32_t group_begin,
                       uint32_t group_end, uint8_t *scratch);
void matmat_planes_8x4(const Matrix *m, const Quantized *x, uint32_t tokens, uint32_t precision,
                       const float *bias, float *out, uint32_t group_begin, uint32_t group_end,
                       uint8_t *scratch);

void matvec_prepare(const Matrix *m, const Quantized *x, uint32_t token, uint32_t precision,
                    uint8_t *scratch);
void matvec_run(const Matrix *m, const Quantized *x, uint32_t token, uint32_t precision,
                const float *bias, float *out, uint32_t group_begin, uint32_t group_end,
                const uint8_t *prepared);
void matmat_prepare(const Matrix *m, const Quantized *x, uint32_t tokens, uint32_t precision,
                    uint8_t *scratch);
void matmat_run(const Matrix *m, uint32_t tokens, uint32_t precision, const float *bias, float *out,
                uint32_t group_begin, uint32_t group_end, uint8_t *prepared);

// The sums of one group's 8 rows to the output row: the tail of the last group is dropped.
INLINE void store_group(const Matrix *m, uint32_t group, v128_t low, v128_t high, v128_t factor,
                        const float *bias, float *out) {
  uint32_t row = group * GROUP;
  low = wasm_f32x4_mul(low, factor);
  high = wasm_f32x4_mul(high, factor);
  if (row + GROUP <= m->rows) {
    if (bias) {
      low = wasm_f32x4_add(low, wasm_v128_load(bias + row));
      high = wasm_f32x4_add(high, wasm_v128_load(bias + row + 4));
    }
    wasm_v128_store(out + row, low);
    wasm_v128_store(out + row + 4, high);
    return;
  }
  float values[GROUP];
  wasm_v128_store(values, low);
  wasm_v128_store(values + 4, high);
  for (uint32_t r = 0; row + r < m->rows; r++)
    out[row + r] = values[r] + (bias ? bias[row + r] : 0);
}
