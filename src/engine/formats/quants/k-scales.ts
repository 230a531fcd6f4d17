/**
 * The eight scales and eight minimums, 6 bits each, that Q4_K and Q5_K keep in 12 bytes:
 *
 *   byte i     (i < 4)   scale[i] low 6 bits, upper two bits of scale[i + 4]
 *   byte i + 4           minimum[i] low 6 bits, upper two bits of minimum[i + 4]
 *   byte i + 8           lower four bits of scale[i + 4] low, of minimum[i + 4] high nibble
 */

export function packedScale(bytes: Uint8Array, at: number, block: number): number {
  if (block < 4) return (bytes[at + block] as number) & 63;
  const low = (bytes[at + block + 4] as number) & 15;
  return low | (((bytes[at + block - 4] as number) >> 6) << 4);
}

export function packedMinimum(bytes: Uint8Array, at: number, block: number): number {
  if (block < 4) return (bytes[at + 4 + block] as number) & 63;
  const low = (bytes[at + block + 4] as number) >> 4;
  return low | (((bytes[at + block] as number) >> 6) << 4);
}

/** Writes the 12 bytes at `at` from eight scales and eight minimums below 64. */
export function packScales(
  out: Uint8Array,
  at: number,
  scales: readonly number[],
  minimums: readonly number[],
): void {
  for (let i = 0; i < 4; i++) {
    const [scale = 0, upperScale = 0] = [scales[i], scales[i + 4]];
    const [minimum = 0, upperMinimum = 0] = [minimums[i], minimums[i + 4]];
    out[at + i] = scale | ((upperScale >> 4) << 6);
    out[at + 4 + i] = minimum | ((upperMinimum >> 4) << 6);
    out[at + 8 + i] = (upperScale & 15) | ((upperMinimum & 15) << 4);
  }
}
