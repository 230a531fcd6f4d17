/**
 * From a model file to a running model: header checks, memory plan, then every tensor streamed from
 * the source into the backend, which transcodes it on the way.
 *
 * The next piece is read while the current one is transcoded, also across tensors. At most three
 * pieces exist at a time, so that a file of any size costs 12 MiB beside the backend's memory.
 * Whatever was allocated is released when anything fails or the signal fires.
 */
import { throwIfAborted } from '../../common/abort.ts';
import type { ByteSource } from '../../common/byte-source.ts';
import type { Backend, KvType, WeightHandle, WeightStorage } from '../backend/backend.ts';
import { WeightTraffic } from '../backend/weight-traffic.ts';
import type { GgufFile } from '../formats/gguf/gguf-file.ts';
import { quantType } from '../formats/quants/registry.ts';
import type { Constants } from '../models/architecture.ts';
import { EmbeddingModel } from '../models/embedding-model.ts';
import { GraphLanguageModel, outputRows } from '../models/graph-model.ts';
import type { LanguageModel } from '../models/language-model.ts';
import type { ModelDefinition, ModelTensor } from '../models/model-definition.ts';
import { defineEmbeddingModel, defineLanguageModel, defineModel } from '../models/registry.ts';
import type { MemoryPlan } from './memory-plan.ts';
import { activationBytes, checkBudget, planMemory } from './memory-plan.ts';
import type { PrecisionChoice } from './storage-policy.ts';
import { fourBitLoss } from './four-bit-loss.ts';
import { LowPlanes } from './low-planes.ts';
import { readAhead, RowFeeder } from './row-feeder.ts';
import { markSensitive } from './sensitive-weights.ts';
import { chooseStorage } from './storage-policy.ts';

/** Tokens of one step: enough rows to make prefill a matrix product, few enough to stay cancellable. */
const defaultMaxTokens = 128;
/** Where the backend sees to that itself: weights are read once for as many. */
const boundedMaxTokens = 512;

export interface LoadOptions {
  readonly source: ByteSource;
  readonly file: GgufFile;
  /** Stays the caller's; dispose of it after the model. */
  readonly backend: Backend;
  readonly precision: PrecisionChoice;
  /**
   * Context the model is loaded for (memory plan, rotary scaling): at most, and unless given, what
   * it was trained for.
   */
  readonly contextLength?: number | undefined;
  readonly kvType: KvType;
  /** Memory the model may use in all; not checked unless given. */
  readonly budgetBytes?: number | undefined;
  /** Largest number of tokens of one `forward` call. */
  readonly maxTokens?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((bytesDone: number, bytesTotal: number) => void) | undefined;
}

/**
 * @throws ModelFileError `model-file/*`, AppError `engine/out-of-memory`, `aborted`, and what the source throws
 */
export async function loadModel(options: LoadOptions): Promise<LanguageModel> {
  const { backend, source, signal } = options;
  const definition = defineLanguageModel(options.file);
  const constants = await readConstants(definition, source, signal);
  const graph = definition.buildGraph(constants, contextOf(definition, options));
  const most = backend.boundsSteps === true ? boundedMaxTokens : defaultMaxTokens;
  const maxTokens = options.maxTokens ?? most;
  const plan = planLoad(definition, graph, { ...options, maxTokens });
  const { budgetBytes = Infinity } = options;
  checkBudget(plan, budgetBytes);
  const weights = await loadWeights(definition, options);
  try {
    const { cache } = definition;
    const storage = chooseStorage(definition.weights, options.precision);
    const info = { ...definition.info, fourBitLoss: fourBitLoss(definition.weights, storage) };
    markSensitive(options.file, weights, new WeightTraffic(graph, weights));
    const lowPlanes = new LowPlanes(backend, weights, definition.weights);
    const parts = { info, cache, backend, graph, weights, lowPlanes, maxTokens };
    const model = new GraphLanguageModel(parts);
    await backend.ready();
    // The other half is left to what else may be loaded: a model that makes vectors, a longer context.
    await model.spread((budgetBytes - plan.totalBytes) / 2);
    return model;
  } catch (error) {
    for (const weight of weights.values()) backend.releaseWeight(weight);
    throw error;
  }
}

/** Tokens of a text that an encoder takes unless told otherwise: what most were trained with. */
const defaultTextTokens = 512;

/**
 * An encoder, for texts of at most `maxTokens` tokens (512 unless given, and what it was trained for).
 * @throws as `loadModel`
 */
export async function loadEmbeddingModel(
  options: Omit<LoadOptions, 'kvType' | 'contextLength'>,
): Promise<EmbeddingModel> {
  const { backend, source, signal } = options;
  const definition = defineEmbeddingModel(options.file);
  const { info, cache, pooling } = definition;
  const maxTokens = Math.min(options.maxTokens ?? defaultTextTokens, info.trainedContext);
  const constants = await readConstants(definition, source, signal);
  const graph = definition.buildGraph(constants, maxTokens);
  const whole = { ...options, maxTokens, contextLength: maxTokens, kvType: 'f32' } as const;
  if (options.budgetBytes !== undefined) {
    checkBudget(planLoad(definition, graph, whole), options.budgetBytes);
  }
  const weights = await loadWeights(definition, whole);
  try {
    const parts = { info, cache, backend, graph, weights, maxTokens };
    const model = new EmbeddingModel(parts, pooling);
    await backend.ready();
    return model;
  } catch (error) {
    for (const weight of weights.values()) backend.releaseWeight(weight);
    throw error;
  }
}

/**
 * The memory a model would use, from its header alone: what a person sees before loading.
 * @throws ModelFileError `model-file/*`
 */
export function planModel(
  file: GgufFile,
  options: Pick<LoadOptions, 'precision' | 'contextLength' | 'kvType' | 'maxTokens'>,
): MemoryPlan {
  const definition = defineModel(file);
  // constants change numbers in the graph, never its sizes
  return planLoad(definition, definition.buildGraph(new Map()), options);
}

function contextOf(
  { info }: ModelDefinition,
  { contextLength }: Pick<LoadOptions, 'contextLength'>,
): number {
  return Math.min(contextLength ?? info.trainedContext, info.trainedContext);
}

function planLoad(
  definition: ModelDefinition,
  graph: ReturnType<ModelDefinition['buildGraph']>,
  options: Pick<LoadOptions, 'precision' | 'contextLength' | 'kvType' | 'maxTokens'>,
): MemoryPlan {
  const { vocabularySize } = definition.info;
  const storage = chooseStorage(definition.weights, options.precision);
  const maxTokens = options.maxTokens ?? defaultMaxTokens;
  // an encoder gives a vector for every token
  const maxOutputs = definition.pooling ? maxTokens : outputRows(maxTokens, vocabularySize);
  return planMemory({
    weights: definition.weights.map(({ tensor, rows, columns }) => ({
      type: tensor.type,
      rows,
      columns,
      storage: storage.get(tensor.name) ?? 'dense',
    })),
    cache: definition.cache,
    kvType: options.kvType,
    contextLength: contextOf(definition, options),
    activationBytes: activationBytes(graph, maxTokens, maxOutputs),
  });
}

async function readConstants(
  definition: ModelDefinition,
  source: ByteSource,
  signal: AbortSignal | undefined,
): Promise<Constants> {
  const constants = new Map<string, Float32Array>();
  for (const { tensor } of definition.constants) {
    const bytes = await source.read(tensor.offsetBytes, tensor.sizeBytes, signal);
    const values = new Float32Array(tensor.elements);
    quantType(tensor.type).dequantize(bytes, values);
    constants.set(tensor.name, values);
  }
  return constants;
}

async function loadWeights(
  definition: ModelDefinition,
  options: LoadOptions,
): Promise<ReadonlyMap<string, WeightHandle>> {
  const { backend, signal, onProgress } = options;
  const storage = chooseStorage(definition.weights, options.precision);
  const total = definition.weights.reduce((sum, { tensor }) => sum + tensor.sizeBytes, 0);
  const weights = new Map<string, WeightHandle>();
  let feeder: RowFeeder | null = null;
  let done = 0;
  try {
    onProgress?.(0, total);
    for await (const { weight, bytes, last } of readAhead(
      options.source,
      definition.weights,
      signal,
    )) {
      throwIfAborted(signal);
      feeder ??= beginFeeding(weight, storage.get(weight.tensor.name) ?? 'dense', backend);
      feeder.push(bytes);
      if (last) {
        weights.set(weight.tensor.name, feeder.finish());
        feeder = null;
      }
      await backend.ready();
      done += bytes.byteLength;
      onProgress?.(done, total);
    }
    return weights;
  } catch (error) {
    feeder?.abandon();
    for (const weight of weights.values()) backend.releaseWeight(weight);
    throw error;
  }
}

function beginFeeding(weight: ModelTensor, storage: WeightStorage, backend: Backend): RowFeeder {
  const { tensor, rows, columns, experts } = weight;
  const { name, type } = tensor;
  return new RowFeeder(
    weight,
    backend.beginWeight({ name, type, rows, columns, storage, experts }),
  );
}
