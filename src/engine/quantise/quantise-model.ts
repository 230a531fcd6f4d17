/**
 * Writes a model in other types, tensor by tensor and some rows at a time: whatever the size of the
 * model, some pieces of 2 MiB are in memory.
 *
 * The bytes come in the order of the file, so that they can be stored or sent as they are made. What
 * was chosen and measured stands in the metadata.
 */
import { throwIfAborted } from '../../common/abort.ts';
import type { ByteSource } from '../../common/byte-source.ts';
import { MEBIBYTE } from '../../common/bytes.ts';
import type { GgufFile, GgufTensor } from '../formats/gguf/gguf-file.ts';
import type { MetadataValue } from '../formats/gguf/metadata.ts';
import { encodeGgufHeader, type GgufLayout } from '../formats/gguf/writer.ts';
import { rowBytes } from '../formats/quants/registry.ts';
import type { TensorType } from '../graph/dtype.ts';
import { columnWeights, type ImportanceOfModel } from './importance.ts';
import type { PlannedTensor, QuantisationPlan } from './plan.ts';
import { fileTypes, recipeLabel, type RecipeName } from './recipe.ts';
import type { RowCodec, RowError } from './row-codec.ts';
import { addErrors, checked, columnsOf } from './survey.ts';

/** Large enough that a read and a call of a kernel are efficient. */
const pieceBytes = 2 * MEBIBYTE;

export interface QuantiseOptions {
  readonly source: ByteSource;
  readonly file: GgufFile;
  readonly plan: QuantisationPlan;
  readonly codec: RowCodec;
  readonly importance: ImportanceOfModel | null;
  /** Takes the next bytes of the file, which are its own from then on; slow ones slow the work. */
  readonly write: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
  readonly signal?: AbortSignal | undefined;
  /** Bytes of the source worked through, which is what takes the time. */
  readonly onProgress?: ((bytesDone: number, bytesTotal: number) => void) | undefined;
}

export interface TensorReport {
  readonly name: string;
  readonly from: TensorType;
  readonly to: TensorType;
  /** Relative root mean square over all its values, weighted by importance where that is known. */
  readonly error: number;
}

export interface QuantiseReport {
  readonly sizeBytes: number;
  /** The tensors whose type changed. */
  readonly tensors: readonly TensorReport[];
}

/** The header of the result and the places of its tensors. */
export function layoutOf(
  file: GgufFile,
  plan: QuantisationPlan,
  importance: ImportanceOfModel | null,
): GgufLayout {
  return encodeGgufHeader({
    alignment: file.alignment,
    metadata: newMetadata(file, plan, importance),
    tensors: plan.tensors.map(({ tensor, type }) => ({
      name: tensor.name,
      shape: tensor.shape,
      type,
    })),
  });
}

/**
 * @throws ModelFileError `model-file/invalid-numbers`; `aborted`; what the source and `write` throw
 */
export async function quantiseModel(options: QuantiseOptions): Promise<QuantiseReport> {
  const { source, file, plan, write, signal, onProgress } = options;
  const layout = layoutOf(file, plan, options.importance);
  // what was written is not ours any more: its length is asked before
  let position = layout.header.length;
  await write(layout.header);
  let done = 0;
  const total = plan.tensors.reduce((sum, { tensor }) => sum + tensor.sizeBytes, 0);
  const reports: TensorReport[] = [];
  for (const [index, planned] of plan.tensors.entries()) {
    const place = layout.places[index] as GgufLayout['places'][number];
    await writeZeros(write, place.offsetBytes - position);
    const convert = converter(planned, options);
    let error: RowError | undefined;
    for await (const rows of readRows(source, planned.tensor, signal)) {
      throwIfAborted(signal);
      done += rows.length;
      const encoded = convert(rows);
      if (encoded.error !== null) error = addErrors(error, encoded.error);
      await write(encoded.bytes);
      onProgress?.(done, total);
    }
    position = place.offsetBytes + place.sizeBytes;
    if (error !== undefined) {
      const { name, type: from } = planned.tensor;
      reports.push({ name, from, to: planned.type, error: checked(planned.tensor, error) });
    }
  }
  await writeZeros(write, layout.sizeBytes - position);
  return { sizeBytes: layout.sizeBytes, tensors: reports };
}

interface Converted {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly error: RowError | null;
}

function converter(
  { tensor, type }: PlannedTensor,
  { codec, importance }: QuantiseOptions,
): (rows: Uint8Array<ArrayBuffer>) => Converted {
  if (type === tensor.type) return (bytes) => ({ bytes, error: null });
  const columns = columnsOf(tensor);
  const weights = columnWeights(importance?.columns.get(tensor.name), columns);
  return (rows) => {
    const { bytes, squaredError, power } = codec.encode(rows, tensor.type, type, columns, weights);
    return { bytes: bytes.slice(), error: { squaredError, power } };
  };
}

/** A tensor's rows in pieces, one read ahead of the work. */
async function* readRows(
  source: ByteSource,
  tensor: GgufTensor,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array<ArrayBuffer>, void> {
  const row = rowBytes(tensor.type, columnsOf(tensor));
  const piece = Math.max(1, Math.floor(pieceBytes / row)) * row;
  const read = (offset: number): Promise<Uint8Array<ArrayBuffer>> | null => {
    if (offset >= tensor.sizeBytes) return null;
    const length = Math.min(piece, tensor.sizeBytes - offset);
    const bytes = source.read(tensor.offsetBytes + offset, length, signal);
    // when the caller fails first nobody awaits this read any more
    bytes.catch(() => undefined);
    return bytes;
  };
  let next = read(0);
  for (let offset = 0; next !== null; offset += piece) {
    const bytes = await next;
    next = read(offset + piece);
    yield bytes;
  }
}

async function writeZeros(write: QuantiseOptions['write'], count: number): Promise<void> {
  if (count > 0) await write(new Uint8Array(count));
}

const ownKeys = 'hermit.quantise.';

/** What the source says of itself, but for how it is stored; then what was done. */
function newMetadata(
  file: GgufFile,
  plan: QuantisationPlan,
  importance: ImportanceOfModel | null,
): Map<string, MetadataValue> {
  const metadata = new Map<string, MetadataValue>();
  for (const [key, { value }] of file.metadata.entries) {
    if (!key.startsWith(ownKeys) && !key.startsWith('split.')) metadata.set(key, value);
  }
  const changed = plan.tensors.filter(({ expectedError }) => expectedError !== null);
  const text = (value: string): MetadataValue => ({ type: 'string', value });
  metadata.set('general.file_type', { type: 'u32', value: fileTypeOf(plan) });
  metadata.set('general.quantization_version', { type: 'u32', value: 2 });
  metadata.set(`${ownKeys}recipe`, text(recipeLabel(plan.recipe)));
  metadata.set(`${ownKeys}calibration`, text(importance?.description ?? 'none'));
  metadata.set(`${ownKeys}source_types`, text(typesOf(file)));
  metadata.set(`${ownKeys}tensors`, {
    type: 'array',
    of: 'string',
    value: changed.map(({ tensor }) => tensor.name),
  });
  metadata.set(`${ownKeys}errors`, {
    type: 'array',
    of: 'f32',
    value: Float32Array.from(changed, ({ expectedError }) => expectedError ?? 0),
  });
  return metadata;
}

/** A budget has no number of its own: that of the mixture whose base most weights have. */
function fileTypeOf({ recipe, tensors }: QuantisationPlan): number {
  if (typeof recipe === 'string') return fileTypes[recipe];
  const elements = new Map<TensorType, number>();
  for (const { tensor, type } of tensors) {
    elements.set(type, (elements.get(type) ?? 0) + tensor.elements);
  }
  const [most] = [...elements].sort((a, b) => b[1] - a[1]);
  const mixtures: Partial<Record<TensorType, RecipeName>> = {
    Q4_K: 'Q4_K_M',
    Q5_K: 'Q5_K_M',
    Q6_K: 'Q6_K',
    Q8_0: 'Q8_0',
  };
  return fileTypes[mixtures[most?.[0] ?? 'Q8_0'] ?? 'Q8_0'];
}

/** For example "F16, F32", the most frequent first. */
function typesOf(file: GgufFile): string {
  const counts = new Map<TensorType, number>();
  for (const { type } of file.tensors.values()) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts]
    .sort((a, b) => b[1] - a[1])
    .map(([type]) => type)
    .join(', ');
}
