/** Reading the shared models' reference files and comparing logits and greedy continuations with them. */
import { readdirSync, readFileSync } from 'node:fs';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import type { Backend, KvType, Precision } from '../../src/engine/backend/backend.ts';
import type { GgufFile } from '../../src/engine/formats/gguf/gguf-file.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { ModelFileError } from '../../src/common/errors.ts';
import { defineModel } from '../../src/engine/models/registry.ts';
import type { LanguageModel, ModelState } from '../../src/engine/models/language-model.ts';
import type { PrecisionChoice } from '../../src/engine/weights/storage-policy.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import { fixtureModels, sharedModelPath } from '../fixtures/shared-models.ts';

export interface FixtureCase {
  readonly name: string;
  readonly tokens: readonly number[];
  readonly logits: {
    readonly offset: number;
    readonly first_position: number;
    readonly rows: number;
    readonly cols: number;
  };
  readonly greedy: { readonly tokens: readonly number[]; readonly margins: readonly number[] };
}

export interface FixtureReference {
  readonly n_ctx: number;
  readonly output: { readonly file: string };
  readonly cases: readonly FixtureCase[];
  readonly llamacpp: { readonly cases: Readonly<Record<string, { readonly nmse: number }>> };
}

export interface Fixture {
  /** File name without `.gguf`. */
  readonly name: string;
  readonly architecture: string;
  readonly kind: 'logits' | 'embedding';
  /** Why Hermit refuses the file, null where it runs it. */
  readonly refusal: ModelFileError | null;
}

/**
 * All model files of the fixture folder. A file counts as refused only where Hermit does not know its
 * architecture; any other failure is for the tests to find.
 */
export async function modelFixtures(): Promise<readonly Fixture[]> {
  if (fixtureModels === null) return [];
  const suffix = '.reference.json';
  const files = readdirSync(sharedModelPath('fixtures', 'models')).sort();
  return Promise.all(
    files
      .filter((file) => file.endsWith(suffix))
      .map(async (file) => {
        const name = file.slice(0, -suffix.length);
        const { arch, cases } = readJson<{
          readonly arch: string;
          readonly cases: readonly object[];
        }>('fixtures', 'models', file);
        const kind = cases.some((example) => 'embedding' in example) ? 'embedding' : 'logits';
        return { name, architecture: arch, kind, refusal: await refusalOf(name) } as const;
      }),
  );
}

async function refusalOf(name: string): Promise<ModelFileError | null> {
  try {
    defineModel(await readHeader(['fixtures', 'models', `${name}.gguf`]));
    return null;
  } catch (error) {
    if (!(error instanceof ModelFileError)) throw error;
    const expected = error.field === 'general.architecture';
    return expected && error.code === 'model-file/unsupported-architecture' ? error : null;
  }
}

export interface StoryReference {
  readonly cases: readonly {
    readonly prompt: string;
    readonly input_ids: readonly number[];
    readonly output_ids: readonly number[];
    readonly first_step_logits: readonly number[];
  }[];
}

export function readJson<T>(...path: string[]): T {
  return JSON.parse(readFileSync(sharedModelPath(...path), 'utf8')) as T;
}

/** Reference logits of a case, (rows, columns). */
export function fixtureLogits(reference: FixtureReference, { logits }: FixtureCase): Float32Array {
  const file = readFileSync(sharedModelPath('fixtures', 'models', reference.output.file));
  const bytes = file.subarray(logits.offset, logits.offset + 4 * logits.rows * logits.cols);
  return new Float32Array(new Uint8Array(bytes).buffer);
}

export function readHeader(path: readonly string[]): Promise<GgufFile> {
  return readGguf(new BufferByteSource(readFileSync(sharedModelPath(...path))));
}

export async function loadShared(
  backend: Backend,
  path: readonly string[],
  precision: PrecisionChoice = 'auto',
  contextLength?: number,
): Promise<LanguageModel> {
  const source = new BufferByteSource(readFileSync(sharedModelPath(...path)));
  const file = await readGguf(source);
  return loadModel({ source, file, backend, precision, kvType: 'f32', contextLength });
}

/** Squared error over the variance of the reference, over all rows together. */
export function normalisedError(actual: Float32Array, expected: Float32Array): number {
  const mean = expected.reduce((sum, value) => sum + value, 0) / expected.length;
  let error = 0;
  let variance = 0;
  for (const [index, value] of expected.entries()) {
    error += ((actual[index] ?? NaN) - value) ** 2;
    variance += (value - mean) ** 2;
  }
  return error / variance;
}

export interface RunOptions {
  readonly precision: Precision;
  readonly kvType: KvType;
}

/** Logits of the last `rows` positions, (rows, vocabulary), the prompt given in steps of any size. */
export async function lastLogits(
  model: LanguageModel,
  tokens: readonly number[],
  rows: number,
  { precision, kvType }: RunOptions,
): Promise<Float32Array> {
  const state = model.createState({ capacity: tokens.length, kvType });
  const head = tokens.length - rows;
  if (head > 0) {
    await model.forward(Int32Array.from(tokens.slice(0, head)), state, { want: 'none', precision });
  }
  const tail = Int32Array.from(tokens.slice(head));
  const logits = Float32Array.from(await model.forward(tail, state, { want: 'all', precision }));
  state.dispose();
  return logits;
}

/** The most likely continuation, one token a step. */
export async function continueGreedily(
  model: LanguageModel,
  prompt: readonly number[],
  count: number,
  { precision, kvType }: RunOptions,
  forced?: readonly number[],
): Promise<number[]> {
  const state: ModelState = model.createState({ capacity: prompt.length + count, kvType });
  const chosen: number[] = [];
  let next: readonly number[] = prompt;
  while (chosen.length < count) {
    const tokens = Int32Array.from(next);
    const logits = await model.forward(tokens, state, { want: 'last', precision });
    const best = argmax(logits);
    const index = chosen.push(best) - 1;
    next = [forced?.[index] ?? best];
  }
  state.dispose();
  return chosen;
}

export function argmax(values: Float32Array): number {
  let best = 0;
  for (let index = 1; index < values.length; index++) {
    if ((values[index] ?? -Infinity) > (values[best] ?? -Infinity)) best = index;
  }
  return best;
}
