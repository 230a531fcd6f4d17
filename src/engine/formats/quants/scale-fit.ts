/**
 * The search for scales that the K-quantisers share: several candidates for the step of the digits
 * are tried, each one's digits give the best scale (and minimum) by weighted least squares, and the
 * pair with the smallest weighted error wins. The method and its constants are those of ggml's
 * `make_qx_quants` and `make_qkx2_quants`; sums are in double precision, so that single digits may
 * differ from files made elsewhere.
 *
 * What an error weighs is the caller's: `weights` has an entry for each of the `count` values.
 */

/** The scale s with digits q in -levels .. levels - 1 that has the smallest weighted error of x = s * q. */
export function fitScale(
  values: Float32Array,
  first: number,
  count: number,
  levels: number,
  weights: Float64Array,
): number {
  let extreme = 0;
  for (let i = first; i < first + count; i++) {
    const value = values[i] as number;
    if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  }
  if (Math.abs(extreme) < 1e-15) return 0;
  let best = 0;
  let bestGain = -1;
  // The extreme becomes about -levels, the one digit without a positive counterpart.
  for (let step = -9; step <= 9; step++) {
    const inverse = -(levels + 0.1 * step) / extreme;
    let products = 0;
    let squares = 0;
    for (let i = first; i < first + count; i++) {
      const value = values[i] as number;
      const digit = clampDigit(value * inverse, -levels, levels - 1);
      const weight = weights[i - first] as number;
      products += weight * value * digit;
      squares += weight * digit * digit;
    }
    // least squares: the error falls by products^2 / squares
    const gain = squares > 0 ? (products * products) / squares : 0;
    if (squares > 0 && gain > bestGain) {
      bestGain = gain;
      best = products / squares;
    }
  }
  return best;
}

export interface ScaleAndMinimum {
  readonly scale: number;
  /** At most 0. */
  readonly minimum: number;
}

/** The scale and minimum with the smallest weighted error of x = scale * q + minimum, q in 0 .. largestDigit. */
export function fitScaleAndMinimum(
  values: Float32Array,
  first: number,
  count: number,
  largestDigit: number,
  weights: Float64Array,
): ScaleAndMinimum {
  let least = 0; // a minimum above 0 could not be stored
  let most = -Infinity;
  for (let i = first; i < first + count; i++) {
    const value = values[i] as number;
    least = Math.min(least, value);
    most = Math.max(most, value);
  }
  if (most <= least) return { scale: 0, minimum: least };
  let best: ScaleAndMinimum = { scale: (most - least) / largestDigit, minimum: least };
  let bestError = Infinity;
  for (let step = 0; step <= 20; step++) {
    const inverse = (largestDigit - 1 + 0.1 * step) / (most - least);
    let [sumW, sumX, sumQ, sumQQ, sumXQ, sumXX] = [0, 0, 0, 0, 0, 0];
    for (let i = first; i < first + count; i++) {
      const value = values[i] as number;
      const weight = weights[i - first] as number;
      const digit = clampDigit((value - least) * inverse, 0, largestDigit);
      sumW += weight;
      sumX += weight * value;
      sumXX += weight * value * value;
      sumQ += weight * digit;
      sumQQ += weight * digit * digit;
      sumXQ += weight * value * digit;
    }
    const determinant = sumW * sumQQ - sumQ * sumQ;
    if (determinant <= 0) continue;
    let scale = (sumW * sumXQ - sumX * sumQ) / determinant;
    let minimum = (sumQQ * sumX - sumQ * sumXQ) / determinant;
    if (minimum > 0) [scale, minimum] = [sumXQ / sumQQ, 0];
    const error =
      sumXX +
      scale * (scale * sumQQ - 2 * sumXQ + 2 * minimum * sumQ) +
      minimum * (minimum * sumW - 2 * sumX);
    if (error < bestError) [best, bestError] = [{ scale, minimum }, error];
  }
  return best;
}

/** The nearest integer within the bounds. */
export function clampDigit(value: number, least: number, most: number): number {
  const digit = Math.round(value);
  return digit < least ? least : digit > most ? most : digit;
}
