/** Tokens a second as a function of the bytes of weights that a token reads. */

export interface SpeedPoint {
  readonly tokenBytes: number;
  readonly tokensPerSecond: number;
}

export function isPoint(value: unknown): value is SpeedPoint {
  if (typeof value !== 'object' || value === null) return false;
  const { tokenBytes, tokensPerSecond } = value as Readonly<Record<string, unknown>>;
  return [tokenBytes, tokensPerSecond].every(
    (number) => typeof number === 'number' && Number.isFinite(number) && number > 0,
  );
}

/**
 * The speed at a size: on straight lines between the points in logarithms, and beyond the last one
 * as slow as it has more to read. Below the first one it is that of the first: there it is not the
 * weights that are waited for.
 */
export function speedAt(points: readonly SpeedPoint[], tokenBytes: number): number | null {
  const sorted = [...points].sort((a, b) => a.tokenBytes - b.tokenBytes);
  const above = sorted.findIndex((point) => point.tokenBytes >= tokenBytes);
  const last = sorted.at(-1);
  if (last === undefined) return null;
  if (above === -1) return (last.tokensPerSecond * last.tokenBytes) / tokenBytes;
  const [low, high] = [sorted[above - 1], sorted[above] ?? last];
  if (low === undefined) return high.tokensPerSecond;
  const part = Math.log(tokenBytes / low.tokenBytes) / Math.log(high.tokenBytes / low.tokenBytes);
  return low.tokensPerSecond * (high.tokensPerSecond / low.tokensPerSecond) ** part;
}
