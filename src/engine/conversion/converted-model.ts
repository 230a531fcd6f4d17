/**
 * A folder of a model (safetensors files, config.json, tokenizer.json) as the bytes of a GGUF file that
 * nobody wrote: the header is made at once, tensors are rearranged when they are read. Whatever reads
 * GGUF files reads it, so it can be stored as it is or through the quantiser, and never lies in memory.
 */
import type { ByteSource } from '../../common/byte-source.ts';
import { checkRange } from '../../common/byte-source.ts';
import { ModelFileError } from '../../common/errors.ts';
import { shortened } from '../formats/gguf/file-errors.ts';
import type { MetadataValue } from '../formats/gguf/metadata.ts';
import { encodeGgufHeader, type GgufLayout } from '../formats/gguf/writer.ts';
import { quantType } from '../formats/quants/registry.ts';
import { readSafetensors, type SafetensorsTensor } from '../formats/safetensors/reader.ts';
import type { TensorType } from '../graph/dtype.ts';
import { planFamily, u32, type FamilyPlan } from './families.ts';
import { JsonFile } from './json-file.ts';
import { tokenizerMetadata } from './tokenizer-metadata.ts';

/** The files of a folder that a conversion reads. */
export interface ModelFolder {
  readonly name: string;
  readonly config: string;
  readonly tokenizer: string;
  readonly tokenizerConfig: string | null;
  /** `chat_template.jinja`, where newer folders have the template. */
  readonly chatTemplate: string | null;
  readonly weights: readonly ByteSource[];
}

interface Piece {
  readonly source: ByteSource;
  readonly tensor: SafetensorsTensor;
  readonly name: string;
  readonly type: TensorType;
  /** Fastest-varying first. */
  readonly shape: readonly number[];
  readonly change:
    | { readonly kind: 'none' }
    | { readonly kind: 'pairs'; readonly heads: number }
    | { readonly kind: 'widened'; readonly from: TensorType; readonly shift: number };
}

const floatTypes: Readonly<Record<string, TensorType>> = { F32: 'F32', F16: 'F16', BF16: 'BF16' };

/**
 * @throws ModelFileError `model-file/*` for folders that contradict themselves or are of a kind that
 *   cannot be converted
 */
export async function convertFolder(
  folder: ModelFolder,
  signal?: AbortSignal,
): Promise<ByteSource> {
  const config = JsonFile.parse('config.json', folder.config);
  const family = planFamily(config);
  const pieces = await findPieces(folder, family, signal);
  const metadata: [string, MetadataValue][] = [
    ['general.architecture', { type: 'string', value: family.architecture }],
    ['general.name', { type: 'string', value: folder.name }],
    ...family.numbers.map(([key, value]): [string, MetadataValue] => [
      `${family.architecture}.${key}`,
      value,
    ]),
    [`${family.architecture}.vocab_size`, u32(family.vocabularySize)],
    ...tokenizerMetadata(folder, config, family.vocabularySize),
  ];
  const layout = encodeGgufHeader({ metadata, tensors: pieces });
  return new ConvertedModel(layout, pieces);
}

async function findPieces(
  folder: ModelFolder,
  family: FamilyPlan,
  signal: AbortSignal | undefined,
): Promise<readonly Piece[]> {
  const pieces = new Map<string, Piece>();
  for (const source of folder.weights) {
    for (const tensor of await readSafetensors(source, signal)) {
      const name = ggufName(tensor.name, family);
      if (name === null) continue;
      if (pieces.has(name)) throw refuse(tensor, 'is in the folder twice');
      pieces.set(name, pieceOf(source, tensor, name, family));
    }
  }
  return [...pieces.values()];
}

/** Null for tensors that every reader computes itself. @throws ModelFileError for a part nobody knows */
function ggufName(name: string, family: FamilyPlan): string | null {
  if (name.endsWith('rotary_emb.inv_freq')) return null;
  if (name === 'model.embed_tokens.weight') return 'token_embd.weight';
  if (name === 'model.norm.weight') return 'output_norm.weight';
  if (name === 'lm_head.weight') return family.tied ? null : 'output.weight';
  const [, layer, hubPart, kind] =
    /^model\.layers\.(\d{1,4})\.([\w.]+)\.(weight|bias)$/.exec(name) ?? [];
  const part = hubPart === undefined ? undefined : family.part(hubPart);
  if (part !== undefined && layer !== undefined) return `blk.${Number(layer)}.${part}.${kind}`;
  throw new ModelFileError(
    'model-file/unsupported-architecture',
    `This model has a part that Hermit does not know (the tensor "${shortened(name)}"), so its answers would be wrong. Choose another model.`,
    { field: shortened(name), offsetBytes: 0 },
    { details: { architecture: family.architecture } },
  );
}

function pieceOf(
  source: ByteSource,
  tensor: SafetensorsTensor,
  name: string,
  family: FamilyPlan,
): Piece {
  const from = floatTypes[tensor.type];
  if (from === undefined) {
    throw new ModelFileError(
      'model-file/unsupported-tensor-type',
      `The tensor "${shortened(tensor.name)}" has the type ${tensor.type}. Hermit converts F32, F16 and BF16: get the model in one of these.`,
      { field: shortened(tensor.name), offsetBytes: tensor.offsetBytes },
      { details: { type: tensor.type } },
    );
  }
  const shape = [...tensor.shape].reverse();
  if (shape.length === 0 || shape.length > 2 || shape.includes(0)) {
    throw refuse(tensor, 'is neither a vector nor a matrix');
  }
  const base = { source, tensor, name, shape };
  const heads = family.pairsOf(name);
  if (heads !== null && (shape.at(-1) ?? 0) % (2 * heads) !== 0) {
    throw refuse(tensor, `has no rows for ${heads} heads`);
  }
  if (heads !== null) return { ...base, type: from, change: { kind: 'pairs', heads } };
  if (shape.length > 1) return { ...base, type: from, change: { kind: 'none' } };
  // vectors are few and every reader wants them as float32
  const shift = name.endsWith('norm.weight') ? family.normShift : 0;
  return { ...base, type: 'F32', change: { kind: 'widened', from, shift } };
}

function refuse(tensor: SafetensorsTensor, what: string): ModelFileError {
  const field = shortened(tensor.name);
  return new ModelFileError(
    'model-file/malformed',
    `The tensor "${field}" ${what}. Get the model's folder again.`,
    { field, offsetBytes: tensor.offsetBytes },
  );
}

class ConvertedModel implements ByteSource {
  readonly size: number;
  readonly #layout: GgufLayout;
  readonly #pieces: readonly Piece[];

  constructor(layout: GgufLayout, pieces: readonly Piece[]) {
    this.size = layout.sizeBytes;
    this.#layout = layout;
    this.#pieces = pieces;
  }

  async read(
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this.size, offset, length);
    const out = new Uint8Array(length);
    const end = offset + length;
    const { header, places } = this.#layout;
    if (offset < header.length) out.set(header.subarray(offset, Math.min(end, header.length)));
    for (let index = this.#firstAfter(offset); index < places.length; index++) {
      const { offsetBytes, sizeBytes } = places[index] as GgufLayout['places'][number];
      if (offsetBytes >= end) break;
      const from = Math.max(offset, offsetBytes);
      const to = Math.min(end, offsetBytes + sizeBytes);
      const piece = this.#pieces[index] as Piece;
      const bytes = await readPiece(piece, from - offsetBytes, to - offsetBytes, signal);
      out.set(bytes, from - offset);
    }
    return out;
  }

  /** The first tensor that ends behind a place. */
  #firstAfter(offset: number): number {
    const { places } = this.#layout;
    let [low, high] = [0, places.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const { offsetBytes, sizeBytes } = places[middle] as GgufLayout['places'][number];
      if (offsetBytes + sizeBytes <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** Bytes `[begin, end)` of the tensor as it becomes. */
async function readPiece(
  { source, tensor, change, shape }: Piece,
  begin: number,
  end: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  switch (change.kind) {
    case 'none':
      return source.read(tensor.offsetBytes + begin, end - begin, signal);
    case 'widened': {
      const bytes = await source.read(tensor.offsetBytes, tensor.sizeBytes, signal);
      const values = new Float32Array(shape[0] ?? 0);
      quantType(change.from).dequantize(bytes, values);
      for (const [index, value] of values.entries()) values[index] = value + change.shift;
      return new Uint8Array(values.buffer).subarray(begin, end);
    }
    case 'pairs': {
      const rows = shape.at(-1) ?? 1;
      const rowBytes = tensor.sizeBytes / rows;
      const headBytes = tensor.sizeBytes / change.heads;
      const first = Math.floor(begin / headBytes) * headBytes;
      const last = Math.ceil(end / headBytes) * headBytes;
      const bytes = await source.read(tensor.offsetBytes + first, last - first, signal);
      const out = new Uint8Array(bytes.length);
      for (let head = 0; head < bytes.length; head += headBytes) {
        neighbours(bytes.subarray(head, head + headBytes), out.subarray(head), rowBytes);
      }
      return out.subarray(begin - first, end - first);
    }
  }
}

/** Rows of one head: the pair (i, i + half) becomes (2i, 2i + 1). */
function neighbours(from: Uint8Array, to: Uint8Array, rowBytes: number): void {
  const half = from.length / rowBytes / 2;
  for (let row = 0; row < 2 * half; row++) {
    const source = (row % 2) * half + (row >> 1);
    to.set(from.subarray(source * rowBytes, (source + 1) * rowBytes), row * rowBytes);
  }
}
