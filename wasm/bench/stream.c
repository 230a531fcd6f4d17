// The ceiling of the benchmark: how fast this module can read memory at all, four streams of v128.
#include <stdint.h>
#include <wasm_simd128.h>

__attribute__((export_name("stream_read"))) uint32_t stream_read(const uint8_t *p, uint32_t bytes) {
  v128_t sums[8];
  for (int i = 0; i < 8; i++) sums[i] = wasm_i32x4_const_splat(0);
  uint32_t quarter = bytes / 4;
  for (uint32_t i = 0; i + 64 <= quarter; i += 64) {
    for (int s = 0; s < 4; s++) {
      const uint8_t *q = p + s * quarter + i;
      sums[2 * s] =
          wasm_v128_xor(sums[2 * s], wasm_v128_xor(wasm_v128_load(q), wasm_v128_load(q + 16)));
      sums[2 * s + 1] = wasm_v128_xor(
          sums[2 * s + 1], wasm_v128_xor(wasm_v128_load(q + 32), wasm_v128_load(q + 48)));
    }
  }
  v128_t all = sums[0];
  for (int i = 1; i < 8; i++) all = wasm_v128_xor(all, sums[i]);
  return wasm_u32x4_extract_lane(all, 0) ^ wasm_u32x4_extract_lane(all, 1) ^
         wasm_u32x4_extract_lane(all, 2) ^ wasm_u32x4_extract_lane(all, 3);
}
