// Layouts of quantised activations, see src/quantize.c.
#pragma once

#include "simd.h"

enum { LAYOUT_BYTES = 0, LAYOUT_SCALED_PAIRS = 1, LAYOUT_PAIRS = 2 };

// Up to this many tokens a matrix is read once per token; above, digits are unpacked once per tile.
enum { MATVEC_TOKENS = 1 };

// The layout that the matmul kernels of this build read for a step of n tokens.
INLINE uint32_t activation_layout(uint32_t tokens) {
#ifdef __wasm_relaxed_simd__
  (void)tokens;
  return LAYOUT_BYTES;
#else
  return tokens <= MATVEC_TOKENS ? LAYOUT_SCALED_PAIRS : LAYOUT_PAIRS;
#endif
}

INLINE uint32_t activation_bytes(void) {
#ifdef __wasm_relaxed_simd__
  return 1;
#else
  return 2;
#endif
}
