/**
 * Runs a text through a model and notes how strongly each column of its matrices is used. The idea is
 * that of llama.cpp's importance matrix: an error of a weight counts by the square of what it is
 * multiplied with.
 *
 * The model is loaded for it, in 8 bits, so this needs the memory that using the model needs.
 */
import { throwIfAborted } from '../../common/abort.ts';
import type { ByteSource } from '../../common/byte-source.ts';
import { AppError } from '../../common/errors.ts';
import type { ObservableBackend } from '../backend/backend.ts';
import type { GgufFile } from '../formats/gguf/gguf-file.ts';
import type { LanguageModel } from '../models/language-model.ts';
import { defineLanguageModel } from '../models/registry.ts';
import { createTokenizer } from '../tokenizer/create-tokenizer.ts';
import { loadModel } from '../weights/weight-loader.ts';
import type { ImportanceOfModel } from './importance.ts';

export interface CalibrationText {
  readonly text: string;
  /** For the file's metadata, for example "built-in text". */
  readonly name: string;
}

export interface CalibrateOptions extends CalibrationText {
  readonly source: ByteSource;
  readonly file: GgufFile;
  /** Disposed of afterwards. */
  readonly createBackend: () => Promise<ObservableBackend>;
  readonly budgetBytes?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Loading counts for a quarter of the work. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Tokens that see each other: enough for the model to be in its ordinary way of working. */
const windowTokens = 256;
const kvType = 'f16';

/**
 * @throws AppError `engine/out-of-memory`, `model-file/*` (models that Hermit cannot run),
 * `invalid-argument` for a text without words, `aborted`
 */
export async function calibrate(options: CalibrateOptions): Promise<ImportanceOfModel> {
  const { source, file, signal, budgetBytes, onProgress } = options;
  const tokens = tokensOf(options);
  const backend = await options.createBackend();
  const sums = new InputSums(tensorOfWeight(file));
  try {
    const model = await loadModel({
      source,
      file,
      backend,
      precision: 8,
      contextLength: windowTokens,
      kvType,
      budgetBytes,
      signal,
      onProgress: (done, total) => onProgress?.(done / total, 4),
    });
    backend.observer = (weights, values, columns) => {
      sums.add(weights, values, columns);
    };
    await readThrough(model, tokens, options);
    model.dispose();
  } finally {
    backend.observer = null;
    backend.dispose();
  }
  return { columns: sums.means(), description: `${options.name}, ${tokens.flat().length} tokens` };
}

/** Windows of the text, each with what the vocabulary wants in front of a text. */
function tokensOf({ file, text }: CalibrateOptions): readonly (readonly number[])[] {
  const tokenizer = createTokenizer(file.metadata);
  const all = tokenizer.encode(text, { special: 'as-text' });
  if (all.length === 0) {
    throw new AppError('invalid-argument', 'The text for measuring has no words.');
  }
  const { bos } = tokenizer.special;
  const front = tokenizer.addBos && bos !== null ? [bos] : [];
  const size = windowTokens - front.length;
  return Array.from({ length: Math.ceil(all.length / size) }, (_, index) => [
    ...front,
    ...all.slice(index * size, (index + 1) * size),
  ]);
}

async function readThrough(
  model: LanguageModel,
  windows: readonly (readonly number[])[],
  { signal, onProgress }: CalibrateOptions,
): Promise<void> {
  const state = model.createState({ capacity: windowTokens, kvType });
  for (const [index, window] of windows.entries()) {
    state.truncate(0);
    for (let start = 0; start < window.length; start += model.maxTokens) {
      throwIfAborted(signal);
      const part = Int32Array.from(window.slice(start, start + model.maxTokens));
      // All logits: without them the last layer would see the last token alone.
      await model.forward(part, state, { want: 'all', precision: 8, signal });
    }
    onProgress?.(windows.length + 3 * (index + 1), 4 * windows.length);
  }
  state.dispose();
}

/** A graph's weight may be some rows of a tensor that holds several: they have one input. */
function tensorOfWeight(file: GgufFile): ReadonlyMap<string, string> {
  const tensors = [...file.tensors.values()];
  return new Map(
    defineLanguageModel(file).weights.map(({ tensor }) => {
      const whole = tensors.find(
        ({ offsetBytes, sizeBytes }) =>
          tensor.offsetBytes >= offsetBytes && tensor.offsetBytes < offsetBytes + sizeBytes,
      );
      return [tensor.name, whole?.name ?? tensor.name];
    }),
  );
}

/** Sums of squares of each column, by tensor. */
class InputSums {
  readonly #tensorOf: ReadonlyMap<string, string>;
  readonly #sums = new Map<string, { readonly squares: Float64Array; rows: number }>();

  constructor(tensorOf: ReadonlyMap<string, string>) {
    this.#tensorOf = tensorOf;
  }

  add(weights: readonly string[], values: Float32Array, columns: number): void {
    const squares = new Float64Array(columns);
    for (let start = 0; start < values.length; start += columns) {
      for (let i = 0; i < columns; i++) {
        const value = values[start + i] as number;
        squares[i] = (squares[i] as number) + value * value;
      }
    }
    const tensors = new Set(weights.map((weight) => this.#tensorOf.get(weight) ?? weight));
    for (const tensor of tensors) {
      const sum = this.#sums.get(tensor) ?? { squares: new Float64Array(columns), rows: 0 };
      this.#sums.set(tensor, sum);
      for (let i = 0; i < columns; i++) {
        sum.squares[i] = (sum.squares[i] as number) + (squares[i] as number);
      }
      sum.rows += values.length / columns;
    }
  }

  means(): ReadonlyMap<string, Float32Array> {
    return new Map(
      [...this.#sums].map(([tensor, { squares, rows }]) => [
        tensor,
        Float32Array.from(squares, (sum) => sum / rows),
      ]),
    );
  }
}
