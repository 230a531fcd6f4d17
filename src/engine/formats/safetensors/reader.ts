/**
 * Reads the header of a safetensors file: eight bytes with its length, JSON with type, shape and place
 * of every tensor, then their bytes without gaps.
 * Format: https://github.com/huggingface/safetensors#format
 *
 * Files come from strangers: everything is checked against the file's size before it is used.
 */
import type { ByteSource } from '../../../common/byte-source.ts';
import { MEBIBYTE } from '../../../common/bytes.ts';
import { ModelFileError } from '../../../common/errors.ts';
import { malformed, shortened, truncated } from '../gguf/file-errors.ts';

export interface SafetensorsTensor {
  readonly name: string;
  /** As the file says it, for example "BF16". */
  readonly type: string;
  /** Sizes, slowest-varying first. */
  readonly shape: readonly number[];
  /** Position in the file. */
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

const lengthBytes = 8;
/** What the format allows is 100 MB; the largest models divided in files need 2 MB. */
const largestHeader = 32 * MEBIBYTE;
const mostTensors = 100_000;
const mostDimensions = 8;

/** Bits of an element by the name of its type. */
const elementBits: ReadonlyMap<string, number> = new Map([
  ...(['BOOL', 'U8', 'I8', 'F8_E4M3', 'F8_E5M2', 'F8_E8M0'] as const).map(
    (name) => [name, 8] as const,
  ),
  ...(['U16', 'I16', 'F16', 'BF16'] as const).map((name) => [name, 16] as const),
  ...(['U32', 'I32', 'F32'] as const).map((name) => [name, 32] as const),
  ...(['U64', 'I64', 'F64'] as const).map((name) => [name, 64] as const),
]);

/** @throws ModelFileError `model-file/truncated`, `model-file/malformed`, `model-file/limit` */
export async function readSafetensors(
  source: ByteSource,
  signal?: AbortSignal,
): Promise<readonly SafetensorsTensor[]> {
  const at = { field: 'header', offsetBytes: 0 };
  if (source.size < lengthBytes) throw truncated(at, 'it ends in its first bytes');
  const length = await source.read(0, lengthBytes, signal);
  const stated = new DataView(length.buffer, length.byteOffset).getBigUint64(0, true);
  if (stated > BigInt(source.size - lengthBytes)) {
    throw truncated(at, 'it ends inside its header, or is no safetensors file');
  }
  if (stated > BigInt(largestHeader)) {
    throw new ModelFileError(
      'model-file/limit',
      `The header of this model file is larger than ${largestHeader / MEBIBYTE} MB. No real model needs that.`,
      at,
    );
  }
  const headerBytes = Number(stated);
  const text = await source.read(lengthBytes, headerBytes, signal);
  const dataStart = lengthBytes + headerBytes;
  return readTensors(parse(text), dataStart, source.size - dataStart);
}

function parse(bytes: Uint8Array): Record<string, unknown> {
  const at = { field: 'header', offsetBytes: lengthBytes };
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    throw malformed(at, 'its header is not JSON', error);
  }
  if (!isRecord(value)) throw malformed(at, 'its header is not a list of tensors');
  return value;
}

function readTensors(
  header: Record<string, unknown>,
  dataStart: number,
  dataBytes: number,
): readonly SafetensorsTensor[] {
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
  if (entries.length > mostTensors) {
    throw new ModelFileError(
      'model-file/limit',
      `This model file lists more than ${mostTensors} tensors. No real model needs that.`,
      { field: 'header', offsetBytes: lengthBytes },
    );
  }
  const tensors = entries
    .map(([name, entry]) => readTensor(name, entry, dataStart, dataBytes))
    .sort((a, b) => a.offsetBytes - b.offsetBytes);
  for (const [index, tensor] of tensors.entries()) {
    const before = tensors[index - 1];
    if (before !== undefined && tensor.offsetBytes < before.offsetBytes + before.sizeBytes) {
      throw wrong(tensor.name, 'lies over another one');
    }
  }
  return tensors;
}

function readTensor(
  name: string,
  entry: unknown,
  dataStart: number,
  dataBytes: number,
): SafetensorsTensor {
  if (!isRecord(entry)) throw wrong(name, 'has no description');
  const { dtype, shape, data_offsets: offsets } = entry;
  const bits = typeof dtype === 'string' ? elementBits.get(dtype) : undefined;
  if (typeof dtype !== 'string' || bits === undefined) throw wrong(name, 'has an unknown type');
  if (!isCounts(shape) || shape.length > mostDimensions) throw wrong(name, 'has no proper shape');
  if (!isCounts(offsets) || offsets.length !== 2) throw wrong(name, 'has no proper place');
  const [begin = 0, end = 0] = offsets;
  const elements = shape.reduce((product, size) => product * size, 1);
  if (begin > end || end > dataBytes) throw wrong(name, 'does not lie inside the file');
  if (!Number.isSafeInteger(elements) || (elements * bits) / 8 !== end - begin) {
    throw wrong(name, 'has another size than its shape');
  }
  return { name, type: dtype, shape, offsetBytes: dataStart + begin, sizeBytes: end - begin };
}

function wrong(name: string, what: string): ModelFileError {
  const field = shortened(name);
  return malformed({ field, offsetBytes: lengthBytes }, `its tensor "${field}" ${what}`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isCounts(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.every((item) => typeof item === 'number' && Number.isSafeInteger(item) && item >= 0)
  );
}
