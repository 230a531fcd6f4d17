/**
 * From a file's encoding to planes as the GPU reads them: digits and scales apart.
 *
 * The transcoders are those of the WASM kernels, so that a weight is the same numbers on both
 * backends; here what they wrote is only taken apart (wgsl/matrix.wgsl draws the result).
 */
import type { TensorType } from '../../graph/dtype.ts';
import { quantType } from '../../formats/quants/registry.ts';
import type { Kernels } from '../wasm/kernel-module.ts';
import { lowDigitError, type LowDigitError } from '../wasm/low-digit-error.ts';
import {
  BLOCK_COLUMNS,
  GROUP_ROWS,
  planeBytes,
  planeFormats,
  type PlaneFormat,
} from '../plane-formats.ts';

/** 32-bit words of the digits of one plane, and of one row of scales, for 8 rows by 32 columns. */
export const DIGIT_WORDS = 32;
export const SCALE_WORDS = 4;

/** What a transcoder returns, see wasm/src/transcode.c. */
const FLAG_NOT_FINITE = 1;
const FLAG_OVERFLOW = 2;

export interface PlanePiece {
  readonly finite: boolean;
  /** A scale did not fit a half with this gain. */
  readonly overflow: boolean;
  /** Digits, group by group and block by block; valid until the next call. */
  readonly hi: Uint32Array<ArrayBuffer>;
  readonly lo: Uint32Array<ArrayBuffer>;
  /** Scales (and minimums) likewise. */
  readonly scales: Uint32Array<ArrayBuffer>;
  /** What 4-bit mode takes from a sample of the rows. */
  readonly lowError: LowDigitError;
}

export class PlaneTranscoder {
  readonly #kernels: Kernels;
  #address = 0;
  #bytes = 0;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  /** Bytes of a row as the transcoder reads it. */
  stagedRowBytes(type: TensorType, fileRowBytes: number, columns: number): number {
    return planeFormats[type].source === 'float32' ? 4 * columns : fileRowBytes;
  }

  /** `count` rows of the file; scales are stored times `gain`. */
  transcode(
    type: TensorType,
    rows: Uint8Array,
    count: number,
    columns: number,
    gain: number,
  ): PlanePiece {
    const { heap, call } = this.#kernels;
    const format = planeFormats[type];
    const fromFloat = format.source === 'float32';
    const sourceBytes = fromFloat ? count * columns * 4 : rows.byteLength;
    const sizes = planeBytes(format, count, columns);
    const source = this.#reserve(sourceBytes + sizes.hi + sizes.lo + 128);
    const hi = source + Math.ceil(sourceBytes / 64) * 64;
    const lo = hi + sizes.hi;
    if (fromFloat) quantType(type).dequantize(rows, heap.f32(source, count * columns));
    else heap.bytes().set(rows, source);
    const flags = call(format.transcoder, source, count, columns, hi, lo, gain);
    const blocks = Math.ceil(count / GROUP_ROWS) * (columns / BLOCK_COLUMNS);
    return {
      finite: (flags & FLAG_NOT_FINITE) === 0,
      overflow: (flags & FLAG_OVERFLOW) !== 0,
      ...takeApart(unshared(heap.u32(hi, sizes.hi / 4)), format, blocks),
      lo: unshared(heap.u32(lo, sizes.lo / 4)),
      lowError: lowDigitError(heap, format, { hi, lo }, blocks),
    };
  }

  #reserve(bytes: number): number {
    const { heap } = this.#kernels;
    if (bytes <= this.#bytes) return this.#address;
    if (this.#bytes > 0) heap.free(this.#address);
    this.#address = heap.allocate(bytes);
    this.#bytes = bytes;
    return this.#address;
  }
}

/** Digits and scales of the high plane, which the CPU keeps together. */
function takeApart(
  plane: Uint32Array<ArrayBuffer>,
  { hasMinimum }: PlaneFormat,
  blocks: number,
): Pick<PlanePiece, 'hi' | 'scales'> {
  const scaleWords = SCALE_WORDS * (hasMinimum ? 2 : 1);
  const hi = new Uint32Array(blocks * DIGIT_WORDS);
  const scales = new Uint32Array(blocks * scaleWords);
  let from = 0;
  for (let block = 0; block < blocks; block++) {
    const scaleEnd = (block + 1) * scaleWords;
    for (let i = block * scaleWords; i < scaleEnd; i++) scales[i] = plane[from++] as number;
    const end = (block + 1) * DIGIT_WORDS;
    for (let i = block * DIGIT_WORDS; i < end; i++) hi[i] = plane[from++] as number;
  }
  return { hi, scales };
}

/** WebGPU takes no memory that threads share. */
function unshared(words: Uint32Array): Uint32Array<ArrayBuffer> {
  const { buffer, byteOffset, length } = words;
  return buffer instanceof ArrayBuffer
    ? new Uint32Array(buffer, byteOffset, length)
    : Uint32Array.from(words);
}
