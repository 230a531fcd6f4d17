/**
 * How strongly each column of a matrix is used: the mean square of what it is multiplied with, by
 * tensor name. Gathered from text (`calibrate.ts`) or read from an importance file.
 */

export type Importance = ReadonlyMap<string, Float32Array>;

export interface ImportanceOfModel {
  readonly columns: Importance;
  /** For the file's metadata, for example "built-in text, 2048 tokens". */
  readonly description: string;
}

/**
 * Weights for the quantisers: of mean 1, and never so small that a column the text did not use could
 * be thrown away. Undefined where the numbers are unusable or the model was not observed there.
 */
export function columnWeights(
  squares: Float32Array | undefined,
  columns: number,
): Float32Array | undefined {
  if (squares?.length !== columns) return undefined;
  let sum = 0;
  for (const square of squares) sum += square;
  const mean = sum / columns;
  if (!(mean > 0) || !Number.isFinite(mean)) return undefined;
  return squares.map((square) => Math.max(square / mean, 1e-3));
}
