/**
 * What is to be done to make a GGUF file of a folder: its header, and for every tensor where its bytes
 * lie and what happens to them. Plain data, made in the sandbox where strangers' files are read, and
 * followed elsewhere by `ConvertedModel`.
 */
import type { ByteSource } from '../../common/byte-source.ts';
import { ModelFileError } from '../../common/errors.ts';
import { shortened } from '../formats/gguf/file-errors.ts';
import type { MetadataValue } from '../formats/gguf/metadata.ts';
import { encodeGgufHeader, type GgufLayout } from '../formats/gguf/writer.ts';
import { readSafetensors, type SafetensorsTensor } from '../formats/safetensors/reader.ts';
import type { TensorType } from '../graph/dtype.ts';
import { u32 } from './config-numbers.ts';
import { type Family, planFamily } from './families.ts';
import { JsonFile } from './json-file.ts';
import { poolingNumbers } from './pooling.ts';
import { placeTensor, type Target, type WholeChange } from './tensor-rules.ts';
import { tokenizerMetadata } from './tokenizer-metadata.ts';

/** The files of a folder that a conversion reads. */
export interface ModelFolder {
  readonly name: string;
  readonly config: string;
  readonly tokenizer: string;
  readonly tokenizerConfig: string | null;
  /** `generation_config.json`, which names the tokens that end an answer. */
  readonly generationConfig?: string | null;
  /** `chat_template.jinja`, where newer folders have the template. */
  readonly chatTemplate: string | null;
  /** `1_Pooling/config.json`: how a model that makes vectors pools them. */
  readonly pooling?: string | null;
  readonly weights: readonly WeightFile[];
}

export type WeightFile = ByteSource & {
  /** The folder inside the folder where it lies, such as `2_Dense`. */
  readonly folder?: string | undefined;
};

/** Bytes of a file of the folder, by its place in the list. */
export interface Extent {
  readonly file: number;
  readonly offsetBytes: number;
  readonly sizeBytes: number;
}

/** A tensor as it becomes. */
export interface Piece {
  readonly name: string;
  readonly type: TensorType;
  /** Fastest-varying first. */
  readonly shape: readonly number[];
  /** Its rows lie in these, one after the other. */
  readonly extents: readonly Extent[];
  readonly change:
    | { readonly kind: 'none' }
    /** Rows of each head go from split to neighbouring pairs. */
    | { readonly kind: 'pairs'; readonly heads: number }
    /** Small enough to be held as a whole. */
    | {
        readonly kind: 'whole';
        readonly from: TensorType;
        readonly pairsOf: number | null;
        readonly change: WholeChange | null;
        readonly shift: number;
      }
    /** Is in the configuration, and in no file. */
    | { readonly kind: 'values'; readonly values: Float32Array };
}

export interface ConversionPlan {
  readonly layout: GgufLayout;
  readonly pieces: readonly Piece[];
}

const floatTypes: Readonly<Record<string, TensorType>> = { F32: 'F32', F16: 'F16', BF16: 'BF16' };
const elementBytes: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2 };
/** Tensors that are held as a whole: GPT-2's largest matrix has 40 MB in float32. */
const largestWhole = 2 ** 26;

/**
 * @throws ModelFileError `model-file/*` for folders that contradict themselves or are of a kind that
 *   cannot be converted
 */
export async function planConversion(
  folder: ModelFolder,
  signal?: AbortSignal,
): Promise<ConversionPlan> {
  const config = JsonFile.parse('config.json', folder.config);
  const family = planFamily(config);
  const pieces = await findPieces(folder, family, signal);
  const { architecture, numbers, vocabularySize } = family;
  const named = [
    ...numbers,
    ...poolingNumbers(folder.pooling ?? null, family),
    ['vocab_size', u32(vocabularySize)] as const,
  ];
  const metadata: [string, MetadataValue][] = [
    ['general.architecture', { type: 'string', value: architecture }],
    ['general.name', { type: 'string', value: folder.name }],
    ...named.map(([key, value]): [string, MetadataValue] => [`${architecture}.${key}`, value]),
    ...tokenizerMetadata(folder, config, vocabularySize),
  ];
  return { layout: encodeGgufHeader({ metadata, tensors: pieces }), pieces };
}

/** Tensors of the folder that become one, by their places in it. */
interface Gathering {
  readonly target: Target;
  readonly name: string;
  readonly members: Map<number, { readonly file: number; readonly tensor: SafetensorsTensor }>;
}

async function findPieces(
  { weights }: ModelFolder,
  family: Family,
  signal: AbortSignal | undefined,
): Promise<readonly Piece[]> {
  const gatherings = new Map<string, Gathering>();
  for (const [file, source] of weights.entries()) {
    for (const tensor of await readSafetensors(source, signal)) {
      const path = source.folder === undefined ? tensor.name : `${source.folder}/${tensor.name}`;
      const placed = placeTensor(path, family.rules);
      if (placed === undefined) throw unknownPart(tensor, family);
      for (const target of placed?.targets ?? []) {
        // what is called without suffix keeps GGUF's own name
        const name = `${target.to}${placed?.suffix ?? ''}`;
        const found = gatherings.get(name) ?? { target, name, members: new Map() };
        const index = placed?.index ?? 0;
        if (found.members.has(index)) throw refuse(tensor, 'is in the folder twice');
        found.members.set(index, { file, tensor });
        gatherings.set(name, found);
      }
    }
  }
  const constants = [...family.constants].map(([name, values]): Piece => ({
    name,
    type: 'F32',
    shape: [values.length],
    extents: [],
    change: { kind: 'values', values },
  }));
  return [...[...gatherings.values()].map((found) => pieceOf(found, family)), ...constants];
}

function pieceOf({ target, name, members }: Gathering, family: Family): Piece {
  const [first] = members.values();
  if (first === undefined) throw new RangeError('A tensor of nothing');
  const { tensor } = first;
  const type = floatTypes[tensor.type];
  const sorted = [...members].sort(([a], [b]) => a - b);
  if (type === undefined) throw unsupportedType(tensor);
  const expected = target.stackOf ?? 1;
  if (sorted.length !== expected || sorted.some(([index], place) => index !== place)) {
    if (target.stackOf !== undefined || sorted.length > 1) {
      throw refuse(tensor, `should be one of ${expected}, of which there are ${sorted.length}`);
    }
  }
  const odd = sorted.find(([, member]) => !sameForm(member.tensor, tensor));
  if (odd !== undefined) throw refuse(odd[1].tensor, 'has another form than those beside it');
  const inner = innerShape(tensor, target);
  const extents = sorted.flatMap(([, member]) => extentsOf(member, target));
  const base = { name, extents, shape: stacked(inner, target) };
  if (target.pairsOf !== undefined && (inner.at(-1) ?? 0) % (2 * target.pairsOf) !== 0) {
    throw refuse(tensor, `has no rows for ${target.pairsOf} heads`);
  }
  const change = target.change ?? null;
  // vectors are few and every reader wants them as float32; so are filters and tables of rates
  const small = inner.length === 1 || change === 'negative-exponential' || isFilter(name);
  if (change === null && !small) {
    const heads = target.pairsOf;
    const kind =
      heads === undefined ? ({ kind: 'none' } as const) : { kind: 'pairs' as const, heads };
    return { ...base, type, change: kind };
  }
  const sizeBytes = extents.reduce((sum, extent) => sum + extent.sizeBytes, 0);
  if (sizeBytes > largestWhole) throw refuse(tensor, 'is far larger than such a tensor can be');
  const shift = name.endsWith('norm.weight') ? (family.normShift ?? 0) : 0;
  return {
    ...base,
    type: small ? 'F32' : type,
    shape: change === 'transposed' ? [...base.shape].reverse() : base.shape,
    change: {
      kind: 'whole',
      from: type,
      pairsOf: target.pairsOf ?? null,
      change: inner.length === 1 && change === 'transposed' ? null : change,
      shift,
    },
  };
}

/** The filters of short convolutions. */
function isFilter(name: string): boolean {
  return /\.(?:ssm_conv1d|shortconv\.conv)\.weight$/.test(name);
}

function sameForm(a: SafetensorsTensor, b: SafetensorsTensor): boolean {
  return a.type === b.type && a.shape.join() === b.shape.join();
}

/** Of one of the tensors of a stack, fastest-varying first, without sizes of one in the middle. */
function innerShape(tensor: SafetensorsTensor, { slices, shape }: Target): readonly number[] {
  const whole = [...tensor.shape].reverse();
  if (whole.length === 0 || whole.includes(0)) throw refuse(tensor, 'is empty');
  const elements = whole.reduce((product, size) => product * size, 1);
  const [columns = 1, ...others] = whole.length === 1 ? [1, ...whole] : whole;
  const rows = slices?.reduce((sum, [, count]) => sum + count, 0);
  if (shape !== undefined) {
    const kept = rows === undefined ? elements : rows * columns;
    if (shape.reduce((product, size) => product * size, 1) === kept) return shape;
    throw refuse(tensor, 'has another shape than config.json says');
  }
  const sizes = others.filter((size) => size !== 1);
  if (whole.length === 1) return [rows ?? elements];
  if (sizes.length > 1) throw refuse(tensor, 'has more dimensions than it can have');
  return [columns, rows ?? sizes[0] ?? 1];
}

function stacked(inner: readonly number[], { stackOf }: Target): readonly number[] {
  return stackOf === undefined ? inner : [...inner, stackOf];
}

function extentsOf(
  { file, tensor }: { readonly file: number; readonly tensor: SafetensorsTensor },
  { slices }: Target,
): readonly Extent[] {
  const { offsetBytes, sizeBytes, shape } = tensor;
  if (slices === undefined) return [{ file, offsetBytes, sizeBytes }];
  const columns = shape.length === 1 ? 1 : (shape.at(-1) ?? 1);
  const rowBytes = columns * (elementBytes[tensor.type] ?? 0);
  return slices.map(([first, rows]) => {
    if ((first + rows) * rowBytes > sizeBytes) throw refuse(tensor, 'has too few rows');
    return { file, offsetBytes: offsetBytes + first * rowBytes, sizeBytes: rows * rowBytes };
  });
}

function unknownPart(tensor: SafetensorsTensor, { architecture }: Family): ModelFileError {
  const field = shortened(tensor.name);
  return new ModelFileError(
    'model-file/unsupported-architecture',
    `This model has a part that Hermit does not know (the tensor "${field}"), so its answers would be wrong. Choose another model.`,
    { field, offsetBytes: 0 },
    { details: { architecture } },
  );
}

function unsupportedType(tensor: SafetensorsTensor): ModelFileError {
  const field = shortened(tensor.name);
  return new ModelFileError(
    'model-file/unsupported-tensor-type',
    `The tensor "${field}" has the type ${tensor.type}. Hermit converts F32, F16 and BF16: get the model in one of these.`,
    { field, offsetBytes: tensor.offsetBytes },
    { details: { type: tensor.type } },
  );
}

function refuse(tensor: SafetensorsTensor, what: string): ModelFileError {
  const field = shortened(tensor.name);
  return new ModelFileError(
    'model-file/malformed',
    `The tensor "${field}" ${what}. Get the model's folder again.`,
    { field, offsetBytes: tensor.offsetBytes },
  );
}
