/** How a part of a weight is handed to kernels, and what multiplying with it costs. */
import { floatWord } from '../operator-words.ts';
import { BLOCK_COLUMNS, planeFormats } from '../plane-formats.ts';
import type { Cost } from './cost.ts';
import type { Slice } from './gpu-memory.ts';
import { planeSections, type GpuWeight, type WeightPart } from './gpu-weight.ts';

/** Bytes of a unit of a slab (`array<vec4<u32>>`). */
const UNIT = 16;

/** The words of `Matrix` in wgsl/matrix.wgsl. */
export function matrixWords({ spec, gain }: GpuWeight, part: WeightPart): number[] {
  const format = planeFormats[spec.type];
  const { hi, lo } = planeSections(spec, part.rows);
  const { offset } = part.slice;
  const factor = format.factor / gain;
  // Types of one plane read the same in both modes.
  const four =
    format.planes === 2
      ? { factor: 16 * factor, zero: format.zero256 / 256 }
      : { factor, zero: format.zero };
  return [
    offset / UNIT,
    (offset + hi) / UNIT,
    (offset + hi + lo) / UNIT,
    spec.columns / BLOCK_COLUMNS,
    part.rows,
    part.firstRow,
    format.hasMinimum ? 2 : 1,
    floatWord(1 / gain),
    floatWord(factor),
    floatWord(format.zero),
    floatWord(four.factor),
    floatWord(four.zero),
  ];
}

/** The buffer that a part lies in: `Matrix` counts from its beginning. */
export function wholeSlab({ slice: { buffer } }: WeightPart): Slice {
  return { buffer, offset: 0, size: buffer.size };
}

/** Bytes of `count` rows of a weight of which so many bits are read. */
export function rowBytesOf({ spec }: GpuWeight, count: number, bits: 8 | 4): number {
  const { columns, storage, type } = spec;
  if (storage === 'dense') return count * columns * 4;
  const { planes, hasMinimum } = planeFormats[type];
  const halves = bits === 8 ? planes : 1;
  return count * ((columns * halves) / 2 + (columns / BLOCK_COLUMNS) * (hasMinimum ? 4 : 2));
}

/** @param integers whether activations are read as int8 with two floats a block */
export function matmulCost(
  { spec }: GpuWeight,
  { rows }: WeightPart,
  tokens: number,
  bits: 8 | 4,
  integers: boolean,
): Cost {
  const elements = tokens * spec.columns;
  let weightBytes = rows * spec.columns * 4;
  if (spec.storage === 'planes') {
    const { hi, lo, scales } = planeSections(spec, rows);
    weightBytes = hi + scales + (bits === 8 ? lo : 0);
  }
  return {
    bytesRead: weightBytes + (integers ? (elements * 40) / 32 : elements * 4),
    bytesWritten: tokens * rows * 4,
    multiplyAdds: tokens * rows * spec.columns,
  };
}
