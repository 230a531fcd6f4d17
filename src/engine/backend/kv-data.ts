/**
 * Keys and values outside a backend: for conversations that change how they are kept, or where.
 *
 * All backends keep the same numbers in the same order, so that vectors of one type are moved bit by
 * bit; between types they are rounded as the kernels round (wasm/src/cache.c).
 */
import { float16ToNumber, numberToFloat16 } from '../../common/float16.ts';

/** How components are kept; `q8`: as int8 with a scale for each vector. */
export type KvType = 'f32' | 'f16' | 'q8';

/** Bytes of a component. */
export const kvElementBytes: Readonly<Record<KvType, number>> = { f32: 4, f16: 2, q8: 1 };

/** Vectors (kvHead, position, component): the keys, or the values, of some positions of a layer. */
export interface KvVectors {
  readonly type: KvType;
  /** Components of a vector. */
  readonly size: number;
  /** Components, little-endian; int8 for `q8`. */
  readonly data: Uint8Array<ArrayBuffer>;
  /** Of `q8`: a factor for each vector. */
  readonly scales: Float32Array<ArrayBuffer> | null;
}

export interface KvPositions {
  readonly keys: KvVectors;
  readonly values: KvVectors;
}

/** Vectors with a smaller maximum count as zero, as in the kernels. */
const tiny = 1e-30;
/** Adding it to a double leaves no bits for fractions: rounds to the nearest whole number, ties to even. */
const rounder = 1.5 * 2 ** 52;

/** Vectors of 8 bits, one behind the other. */
interface Vectors {
  /** Components of a vector. */
  readonly size: number;
  readonly scales: Float32Array;
  readonly digits: Int8Array;
}

/** Fills a run from float32 vectors. */
export function quantiseRun(run: Vectors, vectors: Float32Array): void {
  const { size, scales, digits } = run;
  for (let at = 0, position = 0; at < vectors.length; at += size, position++) {
    let maximum = 0;
    for (let i = at; i < at + size; i++) {
      const magnitude = Math.abs(vectors[i] as number);
      if (magnitude > maximum) maximum = magnitude;
    }
    const inverse = maximum < tiny ? 0 : Math.fround(127 / maximum);
    scales[position] = maximum < tiny ? 0 : maximum / 127;
    for (let i = at; i < at + size; i++) {
      digits[i] = Math.fround((vectors[i] as number) * inverse) + rounder - rounder;
    }
  }
}

/** The float32 vectors that a run stands for. */
export function expandRun(run: Vectors, vectors: Float32Array): void {
  const { size, scales, digits } = run;
  for (let at = 0, position = 0; at < vectors.length; at += size, position++) {
    const scale = scales[position] as number;
    for (let i = at; i < at + size; i++) vectors[i] = (digits[i] as number) * scale;
  }
}

export function convertVectors(from: KvVectors, type: KvType): KvVectors {
  return from.type === type ? from : encode(decode(from), from.size, type);
}

function decode({ type, size, data, scales }: KvVectors): Float32Array<ArrayBuffer> {
  const { buffer, byteOffset, byteLength } = data;
  switch (type) {
    case 'f32':
      return new Float32Array(buffer, byteOffset, byteLength / 4);
    case 'f16':
      return Float32Array.from(
        new Uint16Array(buffer, byteOffset, byteLength / 2),
        float16ToNumber,
      );
    case 'q8': {
      const vectors = new Float32Array(byteLength);
      const digits = new Int8Array(buffer, byteOffset, byteLength);
      expandRun({ size, scales: scales ?? new Float32Array(0), digits }, vectors);
      return vectors;
    }
  }
}

function encode(values: Float32Array<ArrayBuffer>, size: number, type: KvType): KvVectors {
  switch (type) {
    case 'f32':
      return { type, size, data: bytesOf(values), scales: null };
    case 'f16': {
      const halves = Uint16Array.from(values, (value) =>
        numberToFloat16(Math.max(-65504, Math.min(value, 65504))),
      );
      return { type, size, data: bytesOf(halves), scales: null };
    }
    case 'q8': {
      const digits = new Int8Array(values.length);
      const scales = new Float32Array(values.length / size);
      quantiseRun({ size, scales, digits }, values);
      return { type, size, data: bytesOf(digits), scales };
    }
  }
}

function bytesOf(
  array: Float32Array<ArrayBuffer> | Uint16Array<ArrayBuffer> | Int8Array<ArrayBuffer>,
) {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Part of a backend's memory for vectors (kvHead, capacity, size): where those of a head lie. */
export function headRanges(
  {
    kvHeads,
    capacity,
    bytes,
  }: {
    readonly kvHeads: number;
    readonly capacity: number;
    /** Of a vector, or of its scale. */
    readonly bytes: number;
  },
  first: number,
  count: number,
): readonly { readonly offset: number; readonly length: number }[] {
  return Array.from({ length: kvHeads }, (_, head) => ({
    offset: (head * capacity + first) * bytes,
    length: count * bytes,
  }));
}
