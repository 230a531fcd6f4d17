/**
 * A model file matched with its architecture: everything known before one byte of a tensor is read.
 * The architecture's own hyper-parameter type ends here; what follows serves all of them.
 */
import { ModelFileError } from '../../common/errors.ts';
import { equalLayers } from '../backend/backend.ts';
import type { GgufFile, GgufTensor } from '../formats/gguf/gguf-file.ts';
import { quantType } from '../formats/quants/registry.ts';
import { GraphBuilder } from '../graph/graph-builder.ts';
import type { Graph } from '../graph/ops.ts';
import type {
  Architecture,
  Constants,
  Pooling,
  StateShape,
  TensorRequirement,
  TensorRole,
} from './architecture.ts';
import { readDecoderPooling } from './blocks/encoder.ts';
import type { HyperParameters } from './hyper-parameters.ts';
import { HyperParameterReader } from './hyper-parameters.ts';
import type { LanguageModelInfo } from './language-model.ts';

/** A tensor of the file with its use, as a matrix (a vector has one row, experts lie one below the other). */
export interface ModelTensor {
  readonly tensor: GgufTensor;
  readonly role: TensorRole;
  readonly rows: number;
  readonly columns: number;
  /** Matrices in it, 1 where it is one. */
  readonly experts: number;
  /** Where every expert is, in files that have no tensor of all. */
  readonly apart?: readonly GgufTensor[];
}

export interface ModelDefinition {
  readonly info: LanguageModelInfo;
  /** Null for language models; others make one vector of a text. */
  readonly pooling: Pooling | null;
  readonly cache: StateShape;
  /** Weights of the graph, in file order. */
  readonly weights: readonly ModelTensor[];
  /** Small tensors whose values `buildGraph` needs. */
  readonly constants: readonly ModelTensor[];
  /** @param contextLength positions the model is loaded for; what it was trained for unless given */
  buildGraph(constants: Constants, contextLength?: number): Graph;
}

/**
 * Checks a file against an architecture.
 * @throws ModelFileError `model-file/malformed`, `model-file/missing-tensor`, `model-file/unsupported-architecture`
 */
export function matchModel<H extends HyperParameters>(
  architecture: Architecture<H>,
  file: GgufFile,
  name: string,
): ModelDefinition {
  const reader = new HyperParameterReader(file.metadata, name);
  const h = architecture.hyperParameters(reader);
  const tensors = matchTensors(architecture, h, file, name);
  const weights = tensors.filter(({ role }) => role !== 'constant');
  const pooling = architecture.pooling?.(h) ?? readDecoderPooling(reader);
  const pooledDecoder = pooling !== null && architecture.pooling === undefined;
  const shapes = new Map(weights.map((weight) => [weight.tensor.name, weight]));
  return {
    info: {
      architecture: name,
      name: file.metadata.findString('general.name') ?? name,
      vocabularySize: h.vocabularySize,
      trainedContext: h.trainedContext,
      layers: h.layers,
      parameters: weights.reduce((sum, { tensor }) => sum + tensor.elements, 0),
      activeParameters: activeParameters(weights, h),
      fourBitLoss: 0,
    },
    pooling,
    // an encoder needs no keys of an earlier layer or step: its layers take turns in one
    cache: architecture.state?.(h) ?? {
      layers: equalLayers(architecture.pooling ? 1 : h.layers, h.kvHeads, h.headDim),
    },
    weights,
    constants: tensors.filter(({ role }) => role === 'constant'),
    buildGraph(constants, contextLength = h.trainedContext) {
      const builder = new GraphBuilder(shapes, pooledDecoder);
      const result = architecture.forward(builder, h, constants, contextLength);
      // What some architectures do to their logits would spoil vectors.
      if (pooledDecoder && builder.vectors !== result) {
        throw reader.unsupported('pooling_type', 'its hidden states instead of its answers');
      }
      return builder.finish(result);
    },
  };
}

function activeParameters(weights: readonly ModelTensor[], { mixture }: HyperParameters): number {
  const share = mixture === undefined ? 1 : mixture.used / mixture.experts;
  return weights.reduce(
    (sum, { tensor, role }) => sum + tensor.elements * (role === 'experts' ? share : 1),
    0,
  );
}

/** Tensors that old converters wrote and every reader computes itself. */
const ignoredTensors = /(^rope_freqs\.weight|\.attn_rot_embd|\.rotary_emb\.inv_freq)$/;

function matchTensors<H extends HyperParameters>(
  architecture: Architecture<H>,
  h: H,
  file: GgufFile,
  name: string,
): readonly ModelTensor[] {
  // Every layer has tensors: a number of layers that cannot be true must not cost a list of them.
  if (h.layers > file.tensors.size) {
    const field = `${name}.block_count`;
    throw new ModelFileError(
      'model-file/missing-tensor',
      `The model has ${h.layers} layers and its file only ${file.tensors.size} tensors. It may be one part of a split model or a damaged file: get the whole model again.`,
      { field, offsetBytes: file.metadata.entries.get(field)?.offsetBytes ?? 0 },
    );
  }
  const matched: ModelTensor[] = [];
  const known = new Set<string>();
  for (const requirement of architecture.tensors(h)) {
    known.add(requirement.name);
    if (requirement.rowsOf !== undefined) known.add(requirement.rowsOf.tensor);
    const apart = findApart(file, requirement);
    for (const expert of apart ?? []) known.add(expert.name);
    const tensor =
      findFused(file, requirement) ??
      (apart === null ? file.tensors.get(requirement.name) : together(requirement, apart));
    if (tensor === undefined) {
      if (requirement.optional) continue;
      throw new ModelFileError(
        'model-file/missing-tensor',
        `The model file lacks the tensor "${requirement.name}". It may be one part of a split model or a damaged file: get the whole model again.`,
        { field: requirement.name, offsetBytes: file.dataOffsetBytes },
      );
    }
    if (!sameShape(tensor.shape, requirement.shape)) {
      throw new ModelFileError(
        'model-file/malformed',
        `The tensor "${tensor.name}" is ${tensor.shape.join(' x ')}, but this model needs ${requirement.shape.join(' x ')}. Get the file again, or another conversion of the model.`,
        { field: tensor.name, offsetBytes: tensor.offsetBytes },
      );
    }
    const [columns = 0, rows = 1, parts = 1] = requirement.shape;
    const experts = ['experts', 'heads'].includes(requirement.role) ? parts : 1;
    const { role } = requirement;
    matched.push({ tensor, role, rows: rows * parts, columns, experts, ...(apart && { apart }) });
  }
  refuseUnknown(file, known, name);
  return matched.sort((a, b) => a.tensor.offsetBytes - b.tensor.offsetBytes);
}

/**
 * The tensors of the experts one by one, as files of Mixtral before March 2024 have them
 * (`blk.0.ffn_up.3.weight` for `blk.0.ffn_up_exps.weight`); null where there is one of all.
 * @throws ModelFileError where some are missing or differ
 */
function findApart(
  file: GgufFile,
  { name, role, shape }: TensorRequirement,
): readonly GgufTensor[] | null {
  if (role !== 'experts' || file.tensors.has(name)) return null;
  const nameOf = (expert: number): string => name.replace('_exps.', `.${expert}.`);
  const first = file.tensors.get(nameOf(0));
  if (first === undefined) return null;
  const [columns = 0, rows = 0, experts = 0] = shape;
  const found: GgufTensor[] = [];
  for (let expert = 0; expert < experts; expert++) {
    const tensor = file.tensors.get(nameOf(expert));
    if (tensor?.type !== first.type || !sameShape(tensor.shape, [columns, rows])) {
      throw new ModelFileError(
        'model-file/malformed',
        `The tensor "${nameOf(expert)}" is missing or unlike what its model needs. Get the file again, or another conversion of the model.`,
        { field: nameOf(expert), offsetBytes: tensor?.offsetBytes ?? file.dataOffsetBytes },
      );
    }
    found.push(tensor);
  }
  return found;
}

/** One tensor of all experts, at the place of the first. */
function together({ name, shape }: TensorRequirement, apart: readonly GgufTensor[]): GgufTensor {
  const sum = (size: (tensor: GgufTensor) => number): number =>
    apart.reduce((total, tensor) => total + size(tensor), 0);
  return {
    ...(apart[0] as GgufTensor),
    ...{ name, shape },
    elements: sum(({ elements }) => elements),
    sizeBytes: sum(({ sizeBytes }) => sizeBytes),
  };
}

/** The rows of a larger tensor as a tensor of their own: they lie side by side in the file. */
function findFused(
  file: GgufFile,
  { name, shape, rowsOf }: TensorRequirement,
): GgufTensor | undefined {
  const whole = rowsOf && file.tensors.get(rowsOf.tensor);
  if (rowsOf === undefined || whole === undefined) return undefined;
  const inner = shape.length === 1 ? 1 : (shape[0] ?? 1);
  const wanted = shape.length === 1 ? [rowsOf.rows] : [inner, rowsOf.rows];
  const elements = shape.reduce((product, size) => product * size, 1);
  const { blockElements, blockBytes } = quantType(whole.type);
  const bytesOf = (count: number): number => (count / blockElements) * blockBytes;
  const start = bytesOf(rowsOf.firstRow * inner);
  if (whole.shape.join() !== wanted.join() || !Number.isInteger(start)) {
    // a file with tensors of their own may use the name for one of them
    if (file.tensors.has(name)) return undefined;
    throw new ModelFileError(
      'model-file/malformed',
      `The tensor "${whole.name}" is ${whole.shape.join(' x ')}, but this model needs ${wanted.join(' x ')}. Get the file again, or another conversion of the model.`,
      { field: whole.name, offsetBytes: whole.offsetBytes },
    );
  }
  const offsetBytes = whole.offsetBytes + start;
  return { name, type: whole.type, shape, elements, offsetBytes, sizeBytes: bytesOf(elements) };
}

/** Whether sizes are equal; those that one of the two does not name are 1. */
function sameShape(a: readonly number[], b: readonly number[]): boolean {
  const length = Math.max(a.length, b.length);
  return Array.from({ length }, (_, i) => (a[i] ?? 1) === (b[i] ?? 1)).every(Boolean);
}

/** A tensor nobody asked for means another model than the one we would compute: better said than wrong. */
function refuseUnknown(file: GgufFile, known: ReadonlySet<string>, architecture: string): void {
  for (const { name, offsetBytes } of file.tensors.values()) {
    if (known.has(name) || ignoredTensors.test(name)) continue;
    throw new ModelFileError(
      'model-file/unsupported-architecture',
      `This ${architecture} model has a part that Hermit does not know (the tensor "${name}"), so its answers would be wrong. Choose another model.`,
      { field: name, offsetBytes },
      { details: { architecture } },
    );
  }
}
