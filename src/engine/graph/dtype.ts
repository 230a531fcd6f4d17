/**
 * Tensor types of GGUF files that Hermit reads, under the names and numbers of the GGUF
 * specification (ggml `enum ggml_type`). A type joins this list in the same change that adds its
 * file in `formats/quants/`.
 */
export const tensorTypeIds = {
  F32: 0,
  F16: 1,
  Q4_0: 2,
  Q4_1: 3,
  Q5_0: 6,
  Q5_1: 7,
  Q8_0: 8,
  BF16: 30,
} as const;

export type TensorType = keyof typeof tensorTypeIds;
