/** The tensor table of a GGUF header: names, shapes, types and places. */
import { ModelFileError } from '../../../common/errors.ts';
import { tensorTypeIds } from '../../graph/dtype.ts';
import { quantType } from '../quants/registry.ts';
import { malformed, overLimit, truncated, type FilePlace } from './file-errors.ts';
import type { GgufTensor } from './gguf-file.ts';
import type { HeaderCursor } from './header-cursor.ts';
import type { GgufLimits } from './limits.ts';
import { readName } from './name-reader.ts';
import { tensorTypeName, tensorTypeOfId } from './tensor-type-names.ts';

/** A tensor whose place in the file is not known yet, because the header has not ended. */
export interface TensorRecord extends Omit<GgufTensor, 'offsetBytes'> {
  /** Relative to the data section. */
  readonly relativeOffset: bigint;
  /** Where the offset stands in the header. */
  readonly offsetField: FilePlace;
}

const largestExact = BigInt(Number.MAX_SAFE_INTEGER);

/** @throws ModelFileError */
export async function readTensorRecords(
  cursor: HeaderCursor,
  count: number,
  limits: GgufLimits,
): Promise<readonly TensorRecord[]> {
  const records: TensorRecord[] = [];
  const names = new Set<string>();
  for (let index = 0; index < count; index++) {
    const at = { field: `the name of tensor ${index}`, offsetBytes: cursor.offsetBytes };
    const name = await readName(cursor, at, limits.tensorNameBytes);
    if (names.has(name)) throw malformed(at, `it has two tensors "${name}"`);
    names.add(name);
    records.push(await readRecord(cursor, name, limits));
  }
  return records;
}

async function readRecord(
  cursor: HeaderCursor,
  name: string,
  limits: GgufLimits,
): Promise<TensorRecord> {
  const field = `${name}: dimensions`;
  if (!cursor.has(4)) await cursor.fill(4, field);
  const shapeAt = { field, offsetBytes: cursor.offsetBytes };
  const dimensions = cursor.uint32();
  if (dimensions > limits.dimensions) {
    const what = `the number of dimensions of the tensor "${name}"`;
    throw overLimit(shapeAt, what, dimensions, limits.dimensions);
  }
  if (dimensions === 0) throw malformed(shapeAt, `the tensor "${name}" has no dimensions`);
  const rest = 8 * dimensions + 4 + 8;
  if (!cursor.has(rest)) await cursor.fill(rest, field);
  const sizes: bigint[] = [];
  for (let i = 0; i < dimensions; i++) sizes.push(cursor.uint64());
  const typeAt = { field: `${name}: type`, offsetBytes: cursor.offsetBytes };
  const typeId = cursor.uint32();
  const offsetField = { field: `${name}: offset`, offsetBytes: cursor.offsetBytes };
  const relativeOffset = cursor.uint64();

  const type = tensorTypeOfId(typeId);
  if (type === undefined) throw unsupportedType(typeAt, name, typeId);
  const { blockElements, blockBytes } = quantType(type);
  const columns = sizes[0] as bigint;
  if (columns % BigInt(blockElements) !== 0n) {
    const what = `rows of the ${type} tensor "${name}" have ${columns} values, not whole blocks of ${blockElements}`;
    throw malformed(shapeAt, what);
  }
  const elements = product(sizes);
  if (elements === undefined) throw malformed(shapeAt, `the tensor "${name}" is impossibly large`);
  const sizeBytes = (elements / BigInt(blockElements)) * BigInt(blockBytes);
  if (sizeBytes > largestExact) {
    throw malformed(shapeAt, `the tensor "${name}" is impossibly large`);
  }
  return {
    name,
    type,
    shape: sizes.map(Number),
    elements: Number(elements),
    sizeBytes: Number(sizeBytes),
    relativeOffset,
    offsetField,
  };
}

/** Undefined when a factor or the product is not an exact number; a zero does not hide a huge factor. */
function product(sizes: readonly bigint[]): bigint | undefined {
  let elements = 1n;
  for (const size of sizes) {
    elements *= size;
    if (size > largestExact || elements > largestExact) return undefined;
  }
  return elements;
}

function unsupportedType(at: FilePlace, name: string, id: number): ModelFileError {
  const type = tensorTypeName(id);
  const known = Object.keys(tensorTypeIds);
  return new ModelFileError(
    'model-file/unsupported-tensor-type',
    `This model stores "${name}" in the tensor type ${type}, which Hermit cannot read. Choose another file of this model, for example in Q4_K, Q6_K or Q8_0.`,
    at,
    { details: { type, supported: known } },
  );
}

/**
 * Where each tensor lies in the file.
 * @throws ModelFileError when one is not aligned, leaves the file or overlaps another
 */
export function placeTensors(
  records: readonly TensorRecord[],
  dataOffsetBytes: number,
  alignment: number,
  fileBytes: number,
): ReadonlyMap<string, GgufTensor> {
  const tensors = new Map<string, GgufTensor>();
  for (const { relativeOffset, offsetField, ...tensor } of records) {
    if (relativeOffset % BigInt(alignment) !== 0n) {
      const what = `the place of the tensor "${tensor.name}" is not a multiple of ${alignment}`;
      throw malformed(offsetField, what);
    }
    const end = BigInt(dataOffsetBytes) + relativeOffset + BigInt(tensor.sizeBytes);
    if (end > largestExact) {
      throw malformed(offsetField, `the tensor "${tensor.name}" lies at an impossible place`);
    }
    if (end > fileBytes) {
      const what = `it ends at byte ${fileBytes}, but the tensor "${tensor.name}" needs ${end}`;
      throw truncated(offsetField, what);
    }
    tensors.set(tensor.name, { ...tensor, offsetBytes: dataOffsetBytes + Number(relativeOffset) });
  }
  checkOverlaps(records);
  return tensors;
}

function checkOverlaps(records: readonly TensorRecord[]): void {
  const inFileOrder = records
    .filter((record) => record.sizeBytes > 0)
    .sort((a, b) => Number(a.relativeOffset - b.relativeOffset));
  for (const [i, record] of inFileOrder.entries()) {
    const next = inFileOrder[i + 1];
    if (next && record.relativeOffset + BigInt(record.sizeBytes) > next.relativeOffset) {
      const what = `the tensors "${record.name}" and "${next.name}" overlap`;
      throw malformed(next.offsetField, what);
    }
  }
}
