/**
 * What the error of a value weighs when a row is quantised. Without knowledge of the model's inputs
 * large values count more; with it, the mean square of the input that the column is multiplied with.
 */

/** The weights of `count` values from `first` on, for types that have a scale alone. */
export function scaleWeights(
  values: Float32Array,
  first: number,
  count: number,
  importance: Float32Array | undefined,
  weights: Float64Array,
): void {
  for (let i = 0; i < count; i++) {
    const value = values[first + i] as number;
    weights[i] =
      importance === undefined
        ? value * value
        : (importance[(first + i) % importance.length] as number);
  }
}

/**
 * The weights of a sub-block of 32 values, for types with a scale and a minimum. `spread` is the
 * root of the mean square of the values around it: it keeps small values from counting nothing.
 */
export function minimumWeights(
  values: Float32Array,
  first: number,
  spread: number,
  importance: Float32Array | undefined,
  weights: Float64Array,
): void {
  for (let i = 0; i < 32; i++) {
    const value = values[first + i] as number;
    weights[i] =
      importance === undefined
        ? spread + Math.abs(value)
        : (importance[(first + i) % importance.length] as number) *
          Math.sqrt(2 * spread * spread + value * value);
  }
}

/** The root of the mean square of `count` values. */
export function spreadOf(values: Float32Array, first: number, count: number): number {
  let power = 0;
  for (let i = first; i < first + count; i++) power += (values[i] as number) ** 2;
  return Math.sqrt(power / count);
}
