/**
 * Weights inside WASM memory: allocation, transcoding of the rows as they stream in, release.
 */
import { AppError } from '../../../common/errors.ts';
import { quantType, rowBytes } from '../../formats/quants/registry.ts';
import type { WeightHandle, WeightSpec, WeightWriter } from '../backend.ts';
import { MATRIX_WORDS, matrixWords } from './command-layout.ts';
import type { Kernels } from './kernel-module.ts';
import { addedErrors, lowDigitError, noError, relativeLowError } from './low-digit-error.ts';
import {
  BLOCK_COLUMNS,
  GROUP_ROWS,
  highBlockBytes,
  planeBytes,
  planeFormats,
  SCALE_GAIN,
  type PlaneFormat,
} from '../plane-formats.ts';

/** What transcoders return, see wasm/src/transcode.c. */
const FLAG_NOT_FINITE = 1;
const FLAG_OVERFLOW = 2;
/** Bytes of rows transcoded at a time (of the file or as float32), at least one group of rows. */
const PIECE_BYTES = 1024 * 1024;
/** What one allocation may be: addresses are 32 bits wide. */
const LARGEST_WEIGHT_BYTES = 4294967296 - 65536;

/** A weight of one `WasmBackend`. */
export class WasmWeight implements WeightHandle {
  readonly spec: WeightSpec;
  lowError = 0;
  sensitive = false;
  /** Address of the C `Matrix`; of an array of one an expert where there are several. */
  readonly address: number;
  /** Address of the float32 values; 0 for planes. */
  readonly denseAddress: number;
  readonly owner: Kernels;
  readonly #blocks: readonly number[];
  readonly #keptBytes: number;
  /** Of a low plane, whether it is there or was given up. */
  readonly #lowPlaneBytes: number;
  #loAddress = 0;
  #gain = SCALE_GAIN;
  #lowHidden = false;
  #released = false;

  constructor(owner: Kernels, spec: WeightSpec) {
    const sizes = weightSizes(spec);
    const blocks: number[] = [];
    const allocate = (bytes: number): number => {
      if (bytes === 0) return 0;
      const address = owner.heap.allocate(bytes);
      blocks.push(address);
      return address;
    };
    try {
      this.address = allocate(expertsOf(spec) * MATRIX_WORDS * 4);
      const hi = allocate(sizes.hi);
      this.denseAddress = allocate(sizes.dense);
      this.hiAddress = hi;
      if (sizes.lo > 0) this.#loAddress = owner.heap.allocate(sizes.lo);
    } catch (error) {
      for (const block of blocks) owner.heap.free(block);
      throw error;
    }
    this.owner = owner;
    this.spec = spec;
    this.#keptBytes = sizes.hi + sizes.dense;
    this.#lowPlaneBytes = sizes.lo;
    this.#blocks = blocks;
    this.#describe();
  }

  readonly hiAddress: number;
  /** 0 where there is one plane. */
  get loAddress(): number {
    return this.#loAddress;
  }

  get lowBytes(): number {
    return this.#loAddress === 0 ? 0 : this.#lowPlaneBytes;
  }

  get bytes(): number {
    return this.#keptBytes + this.lowBytes;
  }

  get gain(): number {
    return this.#gain;
  }

  get released(): boolean {
    return this.#released;
  }

  /** What scales and minimums are stored times from now on. */
  set gain(gain: number) {
    this.#gain = gain;
    this.#describe();
  }

  dropLow(): void {
    if (this.#loAddress === 0) return;
    this.owner.heap.free(this.#loAddress);
    this.#loAddress = 0;
    this.#describe();
  }

  /** Memory for a low plane that was given up, to be handed to `adoptLow` when it is written. */
  allocateLow(): number {
    return this.owner.heap.allocate(this.#lowPlaneBytes);
  }

  adoptLow(address: number): void {
    this.#loAddress = address;
    this.#lowHidden = false;
    this.#describe();
  }

  /** Whether the next steps are to find the high plane alone, whatever their precision. */
  set lowHidden(hidden: boolean) {
    if (this.#lowHidden === hidden || this.#loAddress === 0) return;
    this.#lowHidden = hidden;
    this.#describe();
  }

  #describe(): void {
    const { columns, type } = this.spec;
    const format = planeFormats[type];
    const experts = expertsOf(this.spec);
    const rows = this.spec.rows / experts;
    const apart = planeBytes(format, rows, columns);
    const beyond = (start: number, bytes: number): number => (start === 0 ? 0 : start + bytes);
    for (let expert = 0; expert < experts; expert++) {
      const at = {
        rows,
        columns,
        hi: beyond(this.hiAddress, expert * apart.hi),
        lo: beyond(this.#lowHidden ? 0 : this.#loAddress, expert * apart.lo),
        dense: beyond(this.denseAddress, expert * rows * columns * 4),
      };
      this.owner.heap
        .i32(this.address + expert * MATRIX_WORDS * 4, MATRIX_WORDS)
        .set(matrixWords(format, at, this.#gain));
    }
  }

  release(): void {
    if (this.#released) return;
    this.#released = true;
    for (const block of this.#blocks) this.owner.heap.free(block);
    if (this.#loAddress !== 0) this.owner.heap.free(this.#loAddress);
  }
}

function expertsOf({ experts = 1 }: WeightSpec): number {
  return experts;
}

function weightSizes(spec: WeightSpec): { hi: number; lo: number; dense: number } {
  const { rows, columns, storage, type, name } = spec;
  const counts =
    Number.isSafeInteger(rows) && Number.isSafeInteger(columns) && rows > 0 && columns > 0;
  const expertRows = rows / expertsOf(spec);
  const wholeExperts =
    Number.isSafeInteger(expertRows) &&
    (expertRows === rows || expertRows % GROUP_ROWS === 0 || storage === 'dense');
  const wholeBlocks =
    columns % quantType(type).blockElements === 0 &&
    (columns % BLOCK_COLUMNS === 0 || storage === 'dense');
  if (!counts || !wholeBlocks || !wholeExperts) {
    throw new AppError(
      'invalid-argument',
      `The weight "${name}" has a shape that cannot be stored.`,
      {
        details: { name, rows, columns, storage, type, experts: expertsOf(spec) },
      },
    );
  }
  const sizes =
    storage === 'planes'
      ? { ...planeBytes(planeFormats[type], rows, columns), dense: 0 }
      : { hi: 0, lo: 0, dense: rows * columns * 4 };
  if (Math.max(sizes.hi, sizes.lo, sizes.dense) > LARGEST_WEIGHT_BYTES) {
    throw new AppError(
      'engine/out-of-memory',
      `The weight "${name}" alone is larger than the 4 GiB that WebAssembly can address. Choose a smaller model.`,
      { details: { name, requestedBytes: sizes.hi + sizes.lo + sizes.dense } },
    );
  }
  return sizes;
}

/** Memory for a piece of file rows, shared by all writers of a backend. */
export class StagingBuffer {
  readonly #kernels: Kernels;
  #address = 0;
  #bytes = 0;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
  }

  /** Address of at least `bytes` bytes, valid until the next call. */
  reserve(bytes: number): number {
    if (bytes > this.#bytes) {
      this.release();
      this.#address = this.#kernels.heap.allocate(bytes);
      this.#bytes = bytes;
    }
    return this.#address;
  }

  release(): void {
    if (this.#bytes > 0) this.#kernels.heap.free(this.#address);
    this.#bytes = 0;
  }
}

/** What becomes of what was written. */
export interface WriterEnd {
  readonly done?: () => void;
  readonly giveUp: () => void;
}

/** Transcodes pieces of rows into a `WasmWeight`. */
export class WasmWeightWriter implements WeightWriter {
  readonly rowsPerPiece: number;
  readonly #weight: WasmWeight;
  readonly #kernels: Kernels;
  readonly #staging: StagingBuffer;
  readonly #lo: number;
  readonly #end: WriterEnd;
  readonly #format: PlaneFormat;
  readonly #rowBytes: number;
  /** Bytes of one row as the transcoder reads it. */
  readonly #stagedRowBytes: number;
  #rowsWritten = 0;
  #invalid = false;
  #finished = false;
  #gain: number;
  #error = noError;

  /** @param lo where the low plane goes, which may be another place than the weight's own */
  constructor(
    weight: WasmWeight,
    kernels: Kernels,
    staging: StagingBuffer,
    lo: number,
    end: WriterEnd,
  ) {
    this.#weight = weight;
    this.#kernels = kernels;
    this.#staging = staging;
    this.#lo = lo;
    this.#end = end;
    this.#gain = weight.gain;
    this.#format = planeFormats[weight.spec.type];
    const { type, columns } = weight.spec;
    this.#rowBytes = rowBytes(type, columns);
    this.#stagedRowBytes = this.#format.source === 'float32' ? 4 * columns : this.#rowBytes;
    const groups = Math.max(1, Math.floor(PIECE_BYTES / (this.#stagedRowBytes * GROUP_ROWS)));
    this.rowsPerPiece = groups * GROUP_ROWS;
  }

  write(rows: Uint8Array): void {
    const { spec } = this.#weight;
    const count = rows.byteLength / this.#rowBytes;
    const fits = Number.isInteger(count) && this.#rowsWritten + count <= spec.rows;
    if (!fits || (this.#rowsWritten % GROUP_ROWS !== 0 && count > 0)) {
      throw new AppError(
        'invalid-argument',
        `The weight "${spec.name}" was given in wrong pieces.`,
        {
          details: { name: spec.name, bytes: rows.byteLength, rowBytes: this.#rowBytes },
        },
      );
    }
    for (let row = 0; row < count; row += this.rowsPerPiece) {
      const end = Math.min(count, row + this.rowsPerPiece);
      this.#writePiece(rows.subarray(row * this.#rowBytes, end * this.#rowBytes), end - row);
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
    this.#weight.lowError = relativeLowError(this.#error);
    this.#end.done?.();
    return this.#weight;
  }

  abandon(): void {
    if (!this.#finished) this.#end.giveUp();
  }

  #writePiece(piece: Uint8Array, count: number): void {
    const { spec, denseAddress } = this.#weight;
    if (spec.storage === 'planes') {
      this.#transcode(piece, count);
    } else {
      const at = denseAddress + this.#rowsWritten * spec.columns * 4;
      const values = this.#kernels.heap.f32(at, count * spec.columns);
      quantType(spec.type).dequantize(piece, values);
      if (!allFinite(values)) this.#invalid = true;
    }
    this.#rowsWritten += count;
  }

  #transcode(piece: Uint8Array, count: number): void {
    if (this.#weight.released) {
      throw new AppError('engine/not-loaded', 'The model was closed. Load it again.');
    }
    const { spec, hiAddress } = this.#weight;
    const { columns, type } = spec;
    const { heap, call } = this.#kernels;
    const source = this.#staging.reserve(count * this.#stagedRowBytes);
    if (this.#format.source === 'file') heap.bytes().set(piece, source);
    else quantType(type).dequantize(piece, heap.f32(source, count * columns));
    const blocks = (this.#rowsWritten / GROUP_ROWS) * (columns / BLOCK_COLUMNS);
    const hi = hiAddress + blocks * highBlockBytes(this.#format);
    const lo = this.#lo + blocks * 128;
    const run = (): number =>
      call(this.#format.transcoder, source, count, columns, hi, lo, this.#gain);
    let flags = run();
    if ((flags & FLAG_OVERFLOW) !== 0 && this.#gain !== 1 && (flags & FLAG_NOT_FINITE) === 0) {
      this.#dropGain(blocks);
      flags = run();
    }
    if (flags !== 0) this.#invalid = true;
    const written = Math.ceil(count / GROUP_ROWS) * (columns / BLOCK_COLUMNS);
    const measured = lowDigitError(heap, this.#format, { hi, lo }, written);
    this.#error = addedErrors(this.#error, measured);
  }

  /** A scale is too large for the gain: takes it back from the `blocks` already written. */
  #dropGain(blocks: number): void {
    const { hasMinimum } = this.#format;
    this.#kernels.call(
      'rescale_planes',
      this.#weight.hiAddress,
      blocks,
      hasMinimum ? 1 : 0,
      1 / this.#gain,
    );
    this.#weight.gain = 1;
    this.#gain = 1;
  }
}

function allFinite(values: Float32Array): boolean {
  let sum = 0; // of differences that are 0 for finite values and NaN for the others
  for (const value of values) sum += value - value;
  return sum === 0;
}
