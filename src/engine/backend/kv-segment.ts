/**
 * Keys and values of some positions of a conversation as bytes that any backend can take in again:
 * 8-bit digits with a scale for each vector, whatever the cache itself holds.
 *
 *     float32 scales   layer, keys then values, (kvHead, position)
 *     int8 digits      layer, keys then values, (kvHead, position, dim)
 *
 * A `q8` cache holds just these numbers and gets the very same back. Of `f16` and `f32` a component
 * moves by at most 1/254 of the largest of its vector, as in a `q8` cache (`wasm/src/cache.c`).
 * Host byte order, which is little-endian wherever browsers run: the bytes never leave the device.
 */
import { float16ToNumber, numberToFloat16 } from '../../common/float16.ts';
import type { KvLayerSpec } from './backend.ts';
import { expandRun, quantiseRun } from './kv-data.ts';

export { expandRun, quantiseRun };

/** The vectors of one head, one behind the other, of keys or of values. */
export interface SegmentRun {
  readonly layer: number;
  readonly part: 'keys' | 'values';
  readonly head: number;
  /** Components of a vector. */
  readonly size: number;
  /** (position) */
  readonly scales: Float32Array;
  /** (position, size) */
  readonly digits: Int8Array;
}

/** Length of a segment, in bytes. */
export function segmentBytes(layers: readonly KvLayerSpec[], positions: number): number {
  return layers.reduce(
    (sum, { kvHeads, headDim, valueDim }) => sum + kvHeads * positions * (8 + headDim + valueDim),
    0,
  );
}

/** Views into a segment, in the order of its digits. */
export function segmentRuns(
  layers: readonly KvLayerSpec[],
  positions: number,
  segment: Uint8Array<ArrayBuffer>,
): SegmentRun[] {
  const vectors = layers.reduce((sum, { kvHeads }) => sum + 2 * kvHeads * positions, 0);
  const { buffer, byteOffset } = segment;
  let scaleAt = byteOffset;
  let digitAt = byteOffset + vectors * 4;
  return layers.flatMap(({ kvHeads, headDim, valueDim }, layer) =>
    (['keys', 'values'] as const).flatMap((part) =>
      Array.from({ length: kvHeads }, (_, head) => {
        const size = part === 'keys' ? headDim : valueDim;
        const scales = new Float32Array(buffer, scaleAt, positions);
        const digits = new Int8Array(buffer, digitAt, positions * size);
        scaleAt += positions * 4;
        digitAt += positions * size;
        return { layer, part, head, size, scales, digits };
      }),
    ),
  );
}

/** Whether these are bytes of such a segment; numbers that are none would spoil every later token. */
export function isSegment(
  layers: readonly KvLayerSpec[],
  positions: number,
  segment: Uint8Array<ArrayBuffer>,
): boolean {
  if (segment.byteLength !== segmentBytes(layers, positions)) return false;
  return segmentRuns(layers, positions, segment).every(({ scales }) => scales.every(isScale));
}

const isScale = (scale: number): boolean => scale >= 0 && scale < Infinity;

/** As `quantiseRun`, from half precision bit patterns. */
export function quantiseHalves(run: SegmentRun, halves: Uint16Array): void {
  const vectors = new Float32Array(halves.length);
  for (let i = 0; i < halves.length; i++) vectors[i] = float16ToNumber(halves[i] as number);
  quantiseRun(run, vectors);
}

/** As `expandRun`, to half precision bit patterns. */
export function expandHalves(run: SegmentRun, halves: Uint16Array): void {
  const vectors = new Float32Array(halves.length);
  expandRun(run, vectors);
  for (let i = 0; i < halves.length; i++) halves[i] = numberToFloat16(vectors[i] as number);
}
