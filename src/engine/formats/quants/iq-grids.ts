/** Lattice points and sign patterns of the IQ types, unpacked. */
import {
  iq1sPoints,
  iq2sPoints,
  iq2xsPoints,
  iq2xxsPoints,
  iq3sPoints,
  iq3xxsPoints,
} from './iq-grid-tables.ts';

/** All values of all points in a row; point i begins at i times the values of a point. */
export type Grid = Int8Array;

const twoBitLevels = [8, 25, 43];
const ternaryLevels = [-1, 0, 1];

export const iq2xxsGrid: Grid = unpack(iq2xxsPoints, 2, twoBitLevels);
export const iq2xsGrid: Grid = unpack(iq2xsPoints, 2, twoBitLevels);
export const iq2sGrid: Grid = unpack(iq2sPoints, 2, twoBitLevels);
export const iq1sGrid: Grid = unpack(iq1sPoints, 2, ternaryLevels);
export const iq3xxsGrid: Grid = unpack(iq3xxsPoints, 4, [4, 12, 20, 28, 36, 44, 52, 62]);
export const iq3sGrid: Grid = unpack(iq3sPoints, 4, [1, 3, 5, 7, 9, 11, 13, 15]);

function unpack(hex: string, bits: 2 | 4, levels: readonly number[]): Grid {
  const perByte = 8 / bits;
  const grid = new Int8Array((hex.length / 2) * perByte);
  for (let i = 0; i < grid.length; i++) {
    const at = 2 * Math.floor(i / perByte);
    const byte = parseInt(hex.slice(at, at + 2), 16);
    grid[i] = levels[(byte >> (bits * (i % perByte))) & ((1 << bits) - 1)] as number;
  }
  return grid;
}

/**
 * Seven stored sign bits as eight: the number of negative values of a group is even, so the last
 * sign is the parity of the others (ggml's `ksigns_iq2xs`).
 */
export function evenSigns(sevenBits: number): number {
  let parity = sevenBits ^ (sevenBits >> 4);
  parity ^= parity >> 2;
  parity ^= parity >> 1;
  return sevenBits | ((parity & 1) << 7);
}

/**
 * Writes scale * point, negated where the bit of `signs` is set, to `out` from `first` on.
 * `point` counts points of `count` values; bit 0 of `signs` belongs to the first of them.
 */
export function writeSigned(
  out: Float32Array,
  first: number,
  grid: Grid,
  point: number,
  count: 4 | 8,
  signs: number,
  scale: number,
): void {
  for (let j = 0; j < count; j++) {
    const value = scale * (grid[point * count + j] as number);
    out[first + j] = ((signs >> j) & 1) === 0 ? value : -value;
  }
}
