/** How the parameters of operators are told to kernels, as 32-bit words. */

export const rowCodes = { tokens: 0, outputs: 1 } as const;
export const embedCodes = { token: 0, position: 1, first: 2 } as const;
export const gateCodes = {
  silu: 0,
  gelu: 1,
  'gelu-tanh': 2,
  identity: 3,
  'clamped-silu': 4,
} as const;
export const gatingCodes = { softmax: 0, sigmoid: 1, 'softmax-of-chosen': 2 } as const;

const scratchFloat = new Float32Array(1);
const scratchWord = new Uint32Array(scratchFloat.buffer);

/** The bits of a float32, to be stored as a word. */
export function floatWord(value: number): number {
  scratchFloat[0] = value;
  return scratchWord[0] as number;
}
