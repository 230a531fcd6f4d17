/**
 * Everything a header tells about a model, and what keeps it from being used: for a person who wants
 * to know before a download, and for a download that should end before its gigabytes. Tensor data are
 * never read. For the sandbox: headers come from strangers.
 */
import type { ByteSource } from '../../common/byte-source.ts';
import { ModelFileError } from '../../common/errors.ts';
import { SlicedByteSource } from '../../common/joined-byte-source.ts';
import type { GgufFile } from '../formats/gguf/gguf-file.ts';
import type { Metadata } from '../formats/gguf/metadata.ts';
import { readGgufMetadata } from '../formats/gguf/reader.ts';
import { readModel } from '../formats/gguf/split.ts';
import type { TensorType } from '../graph/dtype.ts';
import { defineModel, modelPurpose, type ModelPurpose } from '../models/registry.ts';
import { createTokenizer } from '../tokenizer/create-tokenizer.ts';
import { checkBudget, smallestUsefulContext } from '../weights/memory-plan.ts';
import { planModel } from '../weights/weight-loader.ts';
import {
  chatTemplates,
  describeEntries,
  describeTokenizer,
  plainText,
} from './describe-metadata.ts';
import { fileTypeName } from './file-type-names.ts';
import type {
  InspectedMemory,
  InspectedTypeShare,
  InspectionProblem,
  ModelInspection,
} from './model-inspection.ts';

/** What the library notes of a model: see `ModelFacts` of the store. */
export interface HeaderFacts {
  readonly architecture: string | null;
  readonly parameters: string | null;
  readonly quantization: string | null;
  readonly contextLength: number | null;
}

/** Memory of a model once loaded, as far as its header tells. */
export interface MemoryNeeds {
  readonly eight: InspectedMemory;
  readonly four: InspectedMemory;
  readonly trainedContext: number;
}

/** What a model is for and what it takes; `memory` is null where it cannot be planned. */
export interface ModelUse {
  readonly purpose: ModelPurpose;
  readonly memory: MemoryNeeds | null;
}

/** @throws ModelFileError where not even the purpose can be told */
export function modelUse(file: GgufFile): ModelUse {
  const memory = attempt('architecture', [], () => ({
    eight: memoryOf(file, 8),
    four: memoryOf(file, 4),
    trainedContext: defineModel(file).info.trainedContext,
  }));
  return { purpose: modelPurpose(file), memory };
}

/** Keys and values are kept as the engine keeps them unless asked otherwise. */
const kvType = 'f16';

/**
 * Reads a header and describes it. A model that cannot be used is described too, with the reasons;
 * where its tensors cannot be read, the metadata alone are.
 * @throws ModelFileError where not even the metadata can be read; what the source throws; `aborted`
 */
export async function inspectModel(
  source: ByteSource,
  signal?: AbortSignal,
): Promise<ModelInspection> {
  try {
    return describe(await readModel(source, { signal }), []);
  } catch (error) {
    if (!(error instanceof ModelFileError)) throw error;
    const first = new SlicedByteSource(source, 0, source.partSizes?.[0] ?? source.size);
    const header = await readGgufMetadata(first, { signal });
    const file: GgufFile = {
      ...header,
      tensors: new Map(),
      sizeBytes: source.size,
      parts: Math.max(1, source.partSizes?.length ?? 0),
    };
    return describe(file, [problem('file', error)]);
  }
}

/** Bytes of a value in the smallest form that the engine computes with: one plane and a scale. */
const smallestBytesPerValue = 18 / 32;

/**
 * Whether a model of floats, too large as it is, would fit once it is made smaller on this device:
 * that is a reason to fetch it.
 */
function canBeMadeSmaller(file: GgufFile, budgetBytes: number): boolean {
  const largest = mixOf(file)[0]?.type;
  const isFloat = largest === 'F32' || largest === 'F16' || largest === 'BF16';
  const elements = [...file.tensors.values()].reduce((sum, tensor) => sum + tensor.elements, 0);
  return isFloat && elements * smallestBytesPerValue < budgetBytes;
}

/**
 * Refuses a model that could not be loaded on this device, not even in 4 bits, and says what it is
 * otherwise.
 * @param budgetBytes memory a model may use in all
 * @throws ModelFileError `model-file/*`; AppError `engine/out-of-memory` when not even the smallest
 * useful context would fit
 */
export function refuseUnusable(file: GgufFile, budgetBytes: number): HeaderFacts {
  const { info } = defineModel(file);
  createTokenizer(file.metadata);
  const contextLength = Math.min(smallestUsefulContext, info.trainedContext);
  if (!canBeMadeSmaller(file, budgetBytes)) {
    checkBudget(planModel(file, { precision: 4, contextLength, kvType }), budgetBytes);
  }
  return {
    architecture: info.architecture,
    parameters: parameterLabel(info.parameters),
    quantization: quantizationOf(file.metadata, mixOf(file)),
    contextLength: info.trainedContext,
  };
}

function describe(file: GgufFile, before: readonly InspectionProblem[]): ModelInspection {
  const { metadata, tensors } = file;
  const problems = [...before];
  const architecture = plainText(metadata, 'general.architecture');
  const whole = before.length === 0;
  const trainedContext = whole
    ? attempt('architecture', problems, () => defineModel(file).info.trainedContext)
    : null;
  const memory =
    trainedContext === null
      ? []
      : (attempt('architecture', problems, () =>
          ([8, 4] as const).map((bits) => memoryOf(file, bits)),
        ) ?? []);
  const warnings = attempt('tokenizer', problems, () => createTokenizer(metadata).warnings ?? []);
  for (const message of warnings ?? []) {
    const code = 'model-file/unsupported-tokenizer';
    problems.push({ area: 'tokenizer', severity: 'warning', code, message, details: {} });
  }
  const mix = mixOf(file);
  const entries = describeEntries(metadata);
  const prefix = `${architecture ?? ''}.`;
  return {
    name: plainText(metadata, 'general.name'),
    architecture,
    parameters: mix.reduce((sum, { elements }) => sum + elements, 0),
    quantization: quantizationOf(metadata, mix),
    contextLength: trainedContext ?? statedContext(metadata, prefix),
    sizeBytes: file.sizeBytes,
    headerBytes: file.dataOffsetBytes,
    parts: file.parts,
    version: file.version,
    licence: plainText(metadata, 'general.license'),
    mix,
    tensors: [...tensors.values()].map(({ name, type, shape, elements, sizeBytes }) => ({
      name,
      type,
      shape,
      elements,
      bytes: sizeBytes,
    })),
    metadata: entries,
    hyperParameters:
      architecture === null
        ? []
        : entries
            .filter(({ key }) => key.startsWith(prefix))
            .map((entry) => ({ ...entry, key: entry.key.slice(prefix.length) })),
    tokenizer: describeTokenizer(metadata),
    chatTemplates: chatTemplates(metadata),
    memory,
    problems,
  };
}

/** One plan serves all contexts: its cache grows with the context and nothing else does. */
function memoryOf(file: GgufFile, precision: 8 | 4): InspectedMemory {
  const plan = planModel(file, { precision, contextLength: smallestUsefulContext, kvType });
  return {
    precision,
    weightBytes: plan.weightBytes,
    workBytes: plan.totalBytes - plan.weightBytes - plan.cacheBytes,
    bytesPerPosition: plan.bytesPerPosition,
  };
}

/** The shares of the tensor types, the largest first. */
function mixOf(file: GgufFile): InspectedTypeShare[] {
  const shares = new Map<TensorType, InspectedTypeShare>();
  for (const { type, elements, sizeBytes } of file.tensors.values()) {
    const share = shares.get(type) ?? { type, tensors: 0, elements: 0, bytes: 0 };
    shares.set(type, {
      type,
      tensors: share.tensors + 1,
      elements: share.elements + elements,
      bytes: share.bytes + sizeBytes,
    });
  }
  return [...shares.values()].sort((a, b) => b.bytes - a.bytes);
}

function quantizationOf(metadata: Metadata, mix: readonly InspectedTypeShare[]): string | null {
  const value = metadata.entries.get('general.file_type')?.value;
  const stated = typeof value?.value === 'number' ? fileTypeName(value.value) : null;
  return stated ?? mix[0]?.type ?? null;
}

function statedContext(metadata: Metadata, prefix: string): number | null {
  const value = metadata.entries.get(`${prefix}context_length`)?.value.value;
  return typeof value === 'number' ? value : null;
}

/** For people: 134,515,008 is "135M". */
export function parameterLabel(parameters: number): string {
  const [unit, size] = parameters >= 1e9 ? ['B', 1e9] : parameters >= 1e6 ? ['M', 1e6] : ['K', 1e3];
  const value = parameters / size;
  return `${value >= 100 ? Math.round(value) : Number(value.toPrecision(2))}${unit}`;
}

function attempt<T>(
  area: InspectionProblem['area'],
  problems: InspectionProblem[],
  work: () => T,
): T | null {
  try {
    return work();
  } catch (error) {
    if (!(error instanceof ModelFileError)) throw error;
    problems.push(problem(area, error));
    return null;
  }
}

function problem(area: InspectionProblem['area'], error: ModelFileError): InspectionProblem {
  const { code, message, details } = error;
  return { area, severity: 'error', code, message, details };
}
