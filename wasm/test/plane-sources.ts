/** Random blocks of every tensor type and their values in double precision, straight from the format. */
import { bfloat16ToNumber, float16ToNumber, numberToFloat16 } from '../../src/common/float16.ts';
import { quantType } from '../../src/engine/formats/quants/registry.ts';
import { tensorTypeIds, type TensorType } from '../../src/engine/graph/dtype.ts';
import type { Random } from './kernel-bed.ts';

/** What the tests store scales and minimums times. */
export const GAIN = 1024;

export interface PlaneType {
  readonly kernel: string;
  readonly typeId: number;
  readonly blockBytes: number;
  /** Columns of a block of the file; 32 unless given. */
  readonly blockColumns?: 256;
  /** Byte of the half precision scale in a block; 0 unless given. */
  readonly scaleAt?: number;
  /** Largest difference from the file, as a part of the largest magnitude of 32 columns. */
  readonly error: number;
  readonly planes: 1 | 2;
  readonly hasMinimum: boolean;
  readonly zero: number;
  /** Zero point of 4-bit mode in 1/256 digit: (zero - mean of the low digit) * 16. */
  readonly zero256: number;
  readonly factor: number;
  /** Values of one block. */
  decode(block: DataView): ArrayLike<number>;
}

/** What every low digit is a multiple of. */
export const lowStepOf = (type: PlaneType): 1 | 8 => (type.kernel.startsWith('q5') ? 8 : 1);

export const blockColumns = (type: PlaneType): number => type.blockColumns ?? 32;

function nibble(block: DataView, offset: number, column: number): number {
  const byte = block.getUint8(offset + (column % 16));
  return column < 16 ? byte & 15 : byte >> 4;
}

const columns = Array.from({ length: 32 }, (_, column) => column);
const half = (block: DataView, offset: number): number =>
  float16ToNumber(block.getUint16(offset, true));
const fifth = (block: DataView, offset: number, column: number): number =>
  ((block.getUint32(offset, true) >>> column) & 1) * 16;

/** Half a step of the scale, which is rounded too. */
const FLOAT_ERROR = 0.502 / 127;
/** A scale rounded to a half, for scale and minimum. */
const SCALE_ERROR = 2 ** -10;
/** The digits of the half block with the smaller scale are rounded to the steps of the larger one. */
const SHARED_ERROR = 1 / 60;

/** Formats whose decoder has been compared with ggml's values. */
function byDequantizer(type: TensorType): Pick<PlaneType, 'blockBytes' | 'decode'> {
  const { blockBytes, blockElements, dequantize } = quantType(type);
  return {
    blockBytes,
    decode: (block) => {
      const values = new Float32Array(blockElements);
      dequantize(new Uint8Array(block.buffer, block.byteOffset, block.byteLength), values);
      return values;
    },
  };
}

const eightBits = { planes: 2, hasMinimum: false, zero: 128, factor: 1 } as const;

export const planeTypes: readonly PlaneType[] = [
  {
    kernel: 'q4_0',
    typeId: 2,
    blockBytes: 18,
    error: 0,
    planes: 1,
    hasMinimum: false,
    zero: 8,
    zero256: 0,
    factor: 1,
    decode: (b) => columns.map((c) => half(b, 0) * (nibble(b, 2, c) - 8)),
  },
  {
    kernel: 'q4_1',
    typeId: 3,
    blockBytes: 20,
    error: 0,
    planes: 1,
    hasMinimum: true,
    zero: 0,
    zero256: 0,
    factor: 1,
    decode: (b) => columns.map((c) => half(b, 0) * nibble(b, 4, c) + half(b, 2)),
  },
  {
    kernel: 'q5_0',
    typeId: 6,
    blockBytes: 22,
    error: 0,
    planes: 2,
    hasMinimum: false,
    zero: 128,
    zero256: 124 * 16,
    factor: 1 / 8,
    decode: (b) => columns.map((c) => half(b, 0) * (nibble(b, 6, c) + fifth(b, 2, c) - 16)),
  },
  {
    kernel: 'q5_1',
    typeId: 7,
    blockBytes: 24,
    error: 0,
    planes: 2,
    hasMinimum: true,
    zero: 0,
    zero256: -4 * 16,
    factor: 1 / 8,
    decode: (b) => columns.map((c) => half(b, 0) * (nibble(b, 8, c) + fifth(b, 4, c)) + half(b, 2)),
  },
  {
    kernel: 'q8_0',
    typeId: 8,
    blockBytes: 34,
    error: 0,
    planes: 2,
    hasMinimum: false,
    zero: 128,
    zero256: 120.5 * 16,
    factor: 1,
    decode: (b) => columns.map((c) => half(b, 0) * b.getInt8(2 + c)),
  },
  {
    kernel: 'f16',
    typeId: 1,
    blockBytes: 64,
    error: FLOAT_ERROR,
    planes: 2,
    hasMinimum: false,
    zero: 128,
    zero256: 120.5 * 16,
    factor: 1,
    decode: (b) => columns.map((c) => half(b, 2 * c)),
  },
  {
    kernel: 'bf16',
    typeId: 30,
    blockBytes: 64,
    error: FLOAT_ERROR,
    planes: 2,
    hasMinimum: false,
    zero: 128,
    zero256: 120.5 * 16,
    factor: 1,
    decode: (b) => columns.map((c) => bfloat16ToNumber(b.getUint16(2 * c, true))),
  },
  {
    kernel: 'f32',
    typeId: 0,
    blockBytes: 128,
    error: FLOAT_ERROR,
    planes: 2,
    hasMinimum: false,
    zero: 128,
    zero256: 120.5 * 16,
    factor: 1,
    decode: (b) => columns.map((c) => b.getFloat32(4 * c, true)),
  },
  {
    ...byDequantizer('Q3_K'),
    ...eightBits,
    kernel: 'q3_k',
    typeId: 11,
    blockColumns: 256,
    scaleAt: 108,
    error: SHARED_ERROR,
    zero256: 124.25 * 16,
  },
  {
    ...byDequantizer('Q4_K'),
    kernel: 'q4_k',
    typeId: 12,
    blockColumns: 256,
    error: SCALE_ERROR,
    planes: 1,
    hasMinimum: true,
    zero: 0,
    zero256: 0,
    factor: 1,
  },
  {
    ...byDequantizer('Q5_K'),
    kernel: 'q5_k',
    typeId: 13,
    blockColumns: 256,
    error: SCALE_ERROR,
    planes: 2,
    hasMinimum: true,
    zero: 0,
    zero256: -4 * 16,
    factor: 1 / 8,
  },
  {
    ...byDequantizer('Q6_K'),
    ...eightBits,
    kernel: 'q6_k',
    typeId: 14,
    blockColumns: 256,
    scaleAt: 208,
    error: SHARED_ERROR,
    zero256: 121.25 * 16,
  },
  {
    ...byDequantizer('IQ4_NL'),
    ...eightBits,
    kernel: 'iq4_nl',
    typeId: 20,
    error: 0,
    zero256: 120 * 16,
  },
  {
    ...byDequantizer('IQ4_XS'),
    ...eightBits,
    kernel: 'iq4_xs',
    typeId: 23,
    blockColumns: 256,
    error: SCALE_ERROR,
    zero256: 120 * 16,
  },
  ...(['TQ1_0', 'TQ2_0'] as const).map((type): PlaneType => ({
    ...byDequantizer(type),
    kernel: type.toLowerCase(),
    typeId: tensorTypeIds[type],
    blockColumns: 256,
    scaleAt: type === 'TQ1_0' ? 52 : 64,
    error: 0,
    planes: 1,
    hasMinimum: false,
    zero: 1,
    zero256: 0,
    factor: 1,
  })),
];

export const isFloatType = (type: PlaneType): boolean => /^b?f/.test(type.kernel);

function truncateToBfloat16(value: number): number {
  return (new Uint32Array(Float32Array.of(value).buffer)[0] as number) >>> 16;
}

/** Blocks with plausible scales, among them zero, subnormal and negative ones. */
export function randomBlocks(
  type: PlaneType,
  count: number,
  random: Random,
): Uint8Array<ArrayBuffer> {
  const bytes = random.bytes(count * type.blockBytes);
  const view = new DataView(bytes.buffer);
  for (let i = 0; i < count; i++) {
    const at = i * type.blockBytes;
    const kind = i % 11;
    const size = kind === 3 ? 2 ** -18 : kind === 7 ? 0 : 0.02;
    if (isFloatType(type)) {
      for (let c = 0; c < 32; c++) {
        const value = random.normal() * size;
        if (type.kernel === 'f16') view.setUint16(at + 2 * c, numberToFloat16(value), true);
        if (type.kernel === 'f32') view.setFloat32(at + 4 * c, value, true);
        if (type.kernel === 'bf16') view.setUint16(at + 2 * c, truncateToBfloat16(value), true);
      }
      continue;
    }
    const sign = kind === 5 ? -1 : 1;
    view.setUint16(
      at + (type.scaleAt ?? 0),
      numberToFloat16(sign * size * (0.5 + random.next())),
      true,
    );
    if (type.hasMinimum) view.setUint16(at + 2, numberToFloat16(-size * 8 * random.next()), true);
  }
  return bytes;
}

/** All values, (rows, columns). */
export function decodeBlocks(type: PlaneType, bytes: Uint8Array<ArrayBuffer>): Float64Array {
  const count = bytes.length / type.blockBytes;
  const values = new Float64Array(count * blockColumns(type));
  for (let i = 0; i < count; i++) {
    const block = new DataView(
      bytes.buffer,
      bytes.byteOffset + i * type.blockBytes,
      type.blockBytes,
    );
    values.set(type.decode(block), i * blockColumns(type));
  }
  return values;
}
