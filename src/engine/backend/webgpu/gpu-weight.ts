/**
 * Weights in GPU memory: placed in parts that a binding can hold, written as the file streams in.
 */
import { float16ToNumber, numberToFloat16 } from '../../../common/float16.ts';
import { AppError } from '../../../common/errors.ts';
import { quantType, rowBytes } from '../../formats/quants/registry.ts';
import type { WeightHandle, WeightSpec, WeightWriter } from '../backend.ts';
import { addedErrors, noError, relativeLowError } from '../wasm/low-digit-error.ts';
import { BLOCK_COLUMNS, GROUP_ROWS, planeFormats, SCALE_GAIN } from '../plane-formats.ts';
import type { GpuMemory, Slice } from './gpu-memory.ts';
import { DIGIT_WORDS, SCALE_WORDS, type PlaneTranscoder } from './plane-transcoder.ts';

/** Bytes of rows (as they are staged) that are transcoded at a time, at least one group of rows. */
const PIECE_BYTES = 1024 * 1024;

/** Consecutive rows of a weight in one buffer; all but the last hold a multiple of 8 rows. */
export interface WeightPart {
  readonly slice: Slice;
  readonly firstRow: number;
  readonly rows: number;
}

/** Bytes of the sections of a part on planes, in order. */
export interface PlaneSections {
  readonly hi: number;
  readonly lo: number;
  readonly scales: number;
}

export function planeSections({ type, columns }: WeightSpec, rows: number): PlaneSections {
  const { planes, hasMinimum } = planeFormats[type];
  const blocks = Math.ceil(rows / GROUP_ROWS) * (columns / BLOCK_COLUMNS);
  return {
    hi: blocks * DIGIT_WORDS * 4,
    lo: planes === 2 ? blocks * DIGIT_WORDS * 4 : 0,
    scales: blocks * SCALE_WORDS * 4 * (hasMinimum ? 2 : 1),
  };
}

function sectionBytes(spec: WeightSpec, rows: number): number {
  if (spec.storage === 'dense') return rows * spec.columns * 4;
  const { hi, lo, scales } = planeSections(spec, rows);
  return hi + lo + scales;
}

/** A weight of one `WebGpuBackend`. */
export class GpuWeight implements WeightHandle {
  readonly spec: WeightSpec;
  readonly bytes: number;
  readonly lowBytes: number;
  lowError = 0;
  sensitive = false;
  readonly parts: readonly WeightPart[];
  readonly owner: GpuMemory;
  /** What scales and minimums are stored times; known when the weight is complete. */
  gain = SCALE_GAIN;
  #released = false;

  /** @throws AppError `invalid-argument`, `engine/out-of-memory` */
  constructor(owner: GpuMemory, spec: WeightSpec, bindingBytes: number) {
    checkShape(spec);
    const parts: WeightPart[] = [];
    const perGroup = sectionBytes(spec, GROUP_ROWS);
    // Without room for one group the allocation itself says so.
    const most = Math.max(1, Math.floor(bindingBytes / perGroup)) * GROUP_ROWS;
    let [bytes, lowBytes] = [0, 0];
    try {
      for (let firstRow = 0; firstRow < spec.rows; firstRow += most) {
        const rows = Math.min(most, spec.rows - firstRow);
        const size = sectionBytes(spec, rows);
        parts.push({ slice: owner.allocate(spec.name, size), firstRow, rows });
        bytes += size;
        if (spec.storage === 'planes') lowBytes += planeSections(spec, rows).lo;
      }
    } catch (error) {
      for (const { slice } of parts) owner.release(slice);
      throw error;
    }
    this.owner = owner;
    this.spec = spec;
    this.parts = parts;
    this.bytes = bytes;
    this.lowBytes = lowBytes;
  }

  get released(): boolean {
    return this.#released;
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const { slice } of this.parts) this.owner.release(slice);
  }
}

function checkShape({ name, rows, columns, storage, type, experts = 1 }: WeightSpec): void {
  const counts =
    Number.isSafeInteger(rows) && Number.isSafeInteger(columns) && rows > 0 && columns > 0;
  const expertRows = rows / experts;
  const wholeExperts =
    Number.isSafeInteger(expertRows) &&
    (experts === 1 || storage === 'dense' || expertRows % GROUP_ROWS === 0);
  const wholeBlocks =
    columns % quantType(type).blockElements === 0 &&
    (columns % BLOCK_COLUMNS === 0 || storage === 'dense');
  if (counts && wholeExperts && wholeBlocks) return;
  throw new AppError(
    'invalid-argument',
    `The weight "${name}" has a shape that cannot be stored.`,
    { details: { name, rows, columns, storage, type, experts } },
  );
}

export interface WriterDependencies {
  readonly queue: GPUQueue;
  readonly transcoder: PlaneTranscoder;
  /** Called for every upload. */
  readonly uploaded: (bytes: number) => void;
  readonly giveUp: (weight: GpuWeight) => void;
}

export class GpuWeightWriter implements WeightWriter {
  readonly rowsPerPiece: number;
  readonly #weight: GpuWeight;
  readonly #with: WriterDependencies;
  readonly #rowBytes: number;
  /** All scales of the weight: a gain that turns out too large must be taken back from all of them. */
  #scales: Uint32Array<ArrayBuffer>;
  #gain = SCALE_GAIN;
  #rowsWritten = 0;
  #invalid = false;
  #finished = false;
  #error = noError;

  constructor(weight: GpuWeight, dependencies: WriterDependencies) {
    const { type, columns, rows, storage } = weight.spec;
    this.#weight = weight;
    this.#with = dependencies;
    this.#rowBytes = rowBytes(type, columns);
    const staged = dependencies.transcoder.stagedRowBytes(type, this.#rowBytes, columns);
    const groups = Math.max(1, Math.floor(PIECE_BYTES / (staged * GROUP_ROWS)));
    this.rowsPerPiece = groups * GROUP_ROWS;
    const scaleBytes = storage === 'planes' ? planeSections(weight.spec, rows).scales : 0;
    this.#scales = new Uint32Array(scaleBytes / 4);
  }

  write(rows: Uint8Array): void {
    const { spec } = this.#weight;
    const count = rows.byteLength / this.#rowBytes;
    const fits = Number.isInteger(count) && this.#rowsWritten + count <= spec.rows;
    if (!fits || (this.#rowsWritten % GROUP_ROWS !== 0 && count > 0)) {
      throw new AppError(
        'invalid-argument',
        `The weight "${spec.name}" was given in wrong pieces.`,
        { details: { name: spec.name, bytes: rows.byteLength, rowBytes: this.#rowBytes } },
      );
    }
    for (let row = 0; row < count;) {
      const part = this.#partOf(this.#rowsWritten);
      const left = part.firstRow + part.rows - this.#rowsWritten;
      const pieceRows = Math.min(count - row, this.rowsPerPiece, left);
      const piece = rows.subarray(row * this.#rowBytes, (row + pieceRows) * this.#rowBytes);
      if (spec.storage === 'planes') this.#writePlanes(part, piece, pieceRows);
      else this.#writeDense(part, piece, pieceRows);
      this.#rowsWritten += pieceRows;
      row += pieceRows;
    }
  }

  finish(): WeightHandle {
    const { name, rows } = this.#weight.spec;
    if (this.#rowsWritten !== rows || this.#invalid) this.abandon();
    if (this.#rowsWritten !== rows) {
      throw new AppError(
        'model-file/truncated',
        `The model file ends before the end of the weight "${name}". Download it again.`,
        { details: { name, rows, rowsRead: this.#rowsWritten } },
      );
    }
    if (this.#invalid) {
      throw new AppError(
        'model-file/invalid-numbers',
        `The weight "${name}" contains values that are not numbers. The model file is damaged; download it again or choose another one.`,
        { details: { name } },
      );
    }
    this.#finished = true;
    this.#uploadScales();
    this.#weight.gain = this.#gain;
    this.#weight.lowError = relativeLowError(this.#error);
    return this.#weight;
  }

  abandon(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#scales = new Uint32Array(0);
    this.#with.giveUp(this.#weight);
  }

  #partOf(row: number): WeightPart {
    const part = this.#weight.parts.find(({ firstRow, rows }) => row < firstRow + rows);
    if (part === undefined) throw new AppError('internal', 'A row lies in no part of its weight.');
    return part;
  }

  #writeDense(part: WeightPart, piece: Uint8Array, count: number): void {
    const { type, columns } = this.#weight.spec;
    const values = new Float32Array(count * columns);
    quantType(type).dequantize(piece, values);
    if (!allFinite(values)) this.#invalid = true;
    const offset = (this.#rowsWritten - part.firstRow) * columns * 4;
    this.#upload(part.slice, offset, values);
  }

  #writePlanes(part: WeightPart, piece: Uint8Array, count: number): void {
    const { spec } = this.#weight;
    const { type, columns } = spec;
    const { transcoder } = this.#with;
    let result = transcoder.transcode(type, piece, count, columns, this.#gain);
    const blocksBefore = (this.#rowsWritten / GROUP_ROWS) * (columns / BLOCK_COLUMNS);
    const scaleWords = SCALE_WORDS * (planeFormats[type].hasMinimum ? 2 : 1);
    if (result.overflow && result.finite && this.#gain !== 1) {
      this.#dropGain(blocksBefore * scaleWords);
      result = transcoder.transcode(type, piece, count, columns, 1);
    }
    if (!result.finite || result.overflow) this.#invalid = true;
    this.#error = addedErrors(this.#error, result.lowError);
    const inPart =
      ((this.#rowsWritten - part.firstRow) / GROUP_ROWS) * (columns / BLOCK_COLUMNS) * 4;
    const sections = planeSections(spec, part.rows);
    this.#upload(part.slice, inPart * DIGIT_WORDS, result.hi);
    if (sections.lo > 0) this.#upload(part.slice, sections.hi + inPart * DIGIT_WORDS, result.lo);
    this.#scales.set(result.scales, blocksBefore * scaleWords);
  }

  #uploadScales(): void {
    const { spec, parts } = this.#weight;
    if (spec.storage === 'dense') return;
    let from = 0;
    for (const { slice, rows } of parts) {
      const { hi, lo, scales } = planeSections(spec, rows);
      this.#upload(slice, hi + lo, this.#scales.subarray(from, from + scales / 4));
      from += scales / 4;
    }
    this.#scales = new Uint32Array(0);
  }

  #upload(
    slice: Slice,
    offset: number,
    data: Uint32Array<ArrayBuffer> | Float32Array<ArrayBuffer>,
  ) {
    this.#with.queue.writeBuffer(slice.buffer, slice.offset + offset, data);
    this.#with.uploaded(data.byteLength);
  }

  /** A scale is too large for the gain: takes it back from the `words` words of scales before it. */
  #dropGain(words: number): void {
    const halves = new Uint16Array(this.#scales.buffer, 0, 2 * words);
    for (let i = 0; i < halves.length; i++) {
      halves[i] = numberToFloat16(float16ToNumber(halves[i] as number) / this.#gain);
    }
    this.#gain = 1;
  }
}

function allFinite(values: Float32Array): boolean {
  let sum = 0; // of differences that are 0 for finite values and NaN for the others
  for (const value of values) sum += value - value;
  return sum === 0;
}
