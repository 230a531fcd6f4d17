/**
 * Writes GGUF files, little-endian. `encodeGgufHeader` alone serves a writer that streams tensors
 * too large to hold together: put the header, then each tensor at its place, zeros between.
 */
import { alignUp } from '../../../common/bytes.ts';
import { AppError } from '../../../common/errors.ts';
import { tensorTypeIds, type TensorType } from '../../graph/dtype.ts';
import { rowBytes } from '../quants/registry.ts';
import { ByteWriter } from './byte-writer.ts';
import type { MetadataArray, MetadataValue } from './metadata.ts';
import { alignmentKey, defaultAlignment, metadataTypeIds } from './value-types.ts';

export interface GgufTensorPlan {
  readonly name: string;
  readonly type: TensorType;
  /** Sizes, fastest-varying first, as in `GgufTensor`. */
  readonly shape: readonly number[];
}

export interface GgufPlan<Tensor extends GgufTensorPlan = GgufTensorPlan> {
  /** 3 by default; 2 has the same layout. */
  readonly version?: 2 | 3;
  /** A power of two; by default what `general.alignment` says, else 32. Written when it is not 32. */
  readonly alignment?: number;
  readonly metadata: Iterable<readonly [key: string, value: MetadataValue]>;
  readonly tensors: readonly Tensor[];
}

export interface GgufTensorData extends GgufTensorPlan {
  /** The blocks of all rows. */
  readonly data: Uint8Array;
}

export interface GgufLayout {
  /** Everything before the tensor data, padding included. */
  readonly header: Uint8Array<ArrayBuffer>;
  /** Places in the file, in the order of the plan's tensors. */
  readonly places: readonly { readonly offsetBytes: number; readonly sizeBytes: number }[];
  /** Length of the whole file. */
  readonly sizeBytes: number;
}

/** A whole file. @throws AppError `invalid-argument` when data and shape of a tensor do not agree */
export function writeGguf(plan: GgufPlan<GgufTensorData>): Uint8Array<ArrayBuffer> {
  const layout = encodeGgufHeader(plan);
  const file = new Uint8Array(layout.sizeBytes);
  file.set(layout.header);
  for (const [i, tensor] of plan.tensors.entries()) {
    const place = layout.places[i] as GgufLayout['places'][number];
    if (tensor.data.length !== place.sizeBytes) {
      throw new AppError(
        'invalid-argument',
        `The tensor "${tensor.name}" has ${tensor.data.length} bytes instead of ${place.sizeBytes}.`,
      );
    }
    file.set(tensor.data, place.offsetBytes);
  }
  return file;
}

/** The header of a file and the places of its tensors. @throws AppError `invalid-argument` */
export function encodeGgufHeader(plan: GgufPlan): GgufLayout {
  const metadata = new Map(plan.metadata);
  const alignment = settleAlignment(metadata, plan.alignment);
  const writer = new ByteWriter();
  writer.bytes(text.encode('GGUF'));
  writer.uint32(plan.version ?? 3);
  writer.uint64(plan.tensors.length);
  writer.uint64(metadata.size);
  for (const [key, value] of metadata) {
    writeString(writer, key);
    writer.uint32(metadataTypeIds[value.type]);
    writeValue(writer, value);
  }
  let dataBytes = 0;
  const relative = plan.tensors.map((tensor) => {
    const [columns, ...others] = tensor.shape;
    if (columns === undefined) {
      throw new AppError('invalid-argument', `The tensor "${tensor.name}" has no shape.`);
    }
    const sizeBytes = others.reduce((size, n) => size * n, rowBytes(tensor.type, columns));
    const place = { offsetBytes: dataBytes, sizeBytes };
    writeString(writer, tensor.name);
    writer.uint32(tensor.shape.length);
    for (const size of tensor.shape) writer.uint64(size);
    writer.uint32(tensorTypeIds[tensor.type]);
    writer.uint64(dataBytes);
    dataBytes = alignUp(dataBytes + sizeBytes, alignment);
    return place;
  });
  writer.padTo(alignment);
  const start = writer.length;
  return {
    header: writer.toBytes(),
    places: relative.map((place) => ({ ...place, offsetBytes: start + place.offsetBytes })),
    sizeBytes: start + dataBytes,
  };
}

const text = new TextEncoder();

/** The alignment of the file; the metadata say it too when it is not the default. */
function settleAlignment(metadata: Map<string, MetadataValue>, wanted?: number): number {
  const entry = metadata.get(alignmentKey);
  const stated = entry?.type === 'u32' ? entry.value : defaultAlignment;
  const alignment = wanted ?? stated;
  if (alignment < 1 || !Number.isInteger(Math.log2(alignment))) {
    throw new AppError('invalid-argument', `The alignment ${alignment} is not a power of two.`);
  }
  if (alignment !== stated) metadata.set(alignmentKey, { type: 'u32', value: alignment });
  return alignment;
}

function writeString(writer: ByteWriter, value: string): void {
  const bytes = text.encode(value);
  writer.uint64(bytes.length);
  writer.bytes(bytes);
}

function writeValue(writer: ByteWriter, entry: MetadataValue): void {
  switch (entry.type) {
    case 'u8':
    case 'i8':
      writer.uint8(entry.value);
      break;
    case 'u16':
    case 'i16':
      writer.uint16(entry.value);
      break;
    case 'u32':
    case 'i32':
      writer.uint32(entry.value);
      break;
    case 'f32':
      writer.float32(entry.value);
      break;
    case 'f64':
      writer.float64(entry.value);
      break;
    case 'u64':
    case 'i64':
      writer.uint64(entry.value);
      break;
    case 'bool':
      writer.uint8(entry.value ? 1 : 0);
      break;
    case 'string':
      writeString(writer, entry.value);
      break;
    case 'array':
      writeArray(writer, entry);
      break;
  }
}

function writeArray(writer: ByteWriter, entry: MetadataArray): void {
  writer.uint32(metadataTypeIds[entry.of]);
  writer.uint64(entry.value.length);
  switch (entry.of) {
    case 'string':
      for (const item of entry.value) writeString(writer, item);
      break;
    case 'bool':
      for (const item of entry.value) writer.uint8(item ? 1 : 0);
      break;
    default: {
      const { buffer, byteOffset, byteLength } = entry.value;
      writer.bytes(new Uint8Array(buffer, byteOffset, byteLength));
    }
  }
}
