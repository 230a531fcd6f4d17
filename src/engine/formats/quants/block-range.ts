/** The extremes of a block of 32 values, from which the 4- and 5-bit quantisers take their scale. */

/** The value of largest magnitude with its sign; the first one where several are equal. */
export function largestSigned(values: Float32Array, first: number): number {
  let largest = 0;
  let magnitude = 0;
  for (let i = first; i < first + 32; i++) {
    const value = values[i] as number;
    if (magnitude < Math.abs(value)) {
      magnitude = Math.abs(value);
      largest = value;
    }
  }
  return largest;
}

export function minimumAndMaximum(
  values: Float32Array,
  first: number,
): { readonly minimum: number; readonly maximum: number } {
  let minimum = values[first] as number;
  let maximum = minimum;
  for (let i = first + 1; i < first + 32; i++) {
    const value = values[i] as number;
    if (value < minimum) minimum = value;
    if (value > maximum) maximum = value;
  }
  return { minimum, maximum };
}

/** The float32 quotient 1 / scale, or 0 for a block of zeros. */
export function inverseScale(scale: number): number {
  return scale === 0 ? 0 : Math.fround(1 / scale);
}

/** The digit of `value`: (value - minimum) * inverse + bias in float32, cut to 0 .. `largestDigit`. */
export function digitOf(
  value: number,
  minimum: number,
  inverse: number,
  bias: number,
  largestDigit: number,
): number {
  const scaled = Math.fround(Math.fround(value - minimum) * inverse);
  const digit = Math.trunc(Math.fround(scaled + bias));
  return Math.max(0, Math.min(largestDigit, digit));
}
