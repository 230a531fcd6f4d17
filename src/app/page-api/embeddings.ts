/**
 * `hermit.embeddings`: the OpenAI embeddings on a model of this device.
 *
 * Prefixes that a model was trained with ("query: ", "search_document: ") are the caller's: which one
 * is right depends on what the text is for.
 */
import { throwIfAborted } from '../../common/abort.ts';
import { AppError } from '../../common/errors.ts';
import type { EmbeddingInput } from '../../engine/embedder.ts';
import type { EmbeddingRuntime } from '../embedding-runtime.ts';
import type { CallOptions } from './chat-completions.ts';
import type { EmbeddingRequest, EmbeddingResponse } from '../../common/openai-types.ts';
import {
  invalidField,
  isTokenList,
  requireModel,
  requireRequest,
  requireWhole,
} from './request-checks.ts';

/** OpenAI's limit of one request. */
const MOST_INPUTS = 2048;

export interface EmbeddingsDependencies {
  readonly embeddings: EmbeddingRuntime;
  /**
   * The id of the embedding model that is meant: the named one if it is one, else the loaded one,
   * else the only one that is installed.
   */
  readonly findEmbedder: (id: string | undefined) => Promise<string>;
}

/** A request that was found valid. */
interface EmbeddingPlan {
  readonly model: string | undefined;
  readonly inputs: readonly EmbeddingInput[];
  readonly dimensions: number | undefined;
  readonly asBase64: boolean;
}

export class Embeddings {
  readonly #dependencies: EmbeddingsDependencies;

  constructor(dependencies: EmbeddingsDependencies) {
    this.#dependencies = dependencies;
  }

  /**
   * Vectors of length 1, one an input, so that the dot product of two is the cosine of their angle.
   * Loads the model where it is not loaded; the model that answers stays loaded.
   * @throws AppError `invalid-argument`, `store/not-found`, `model-file/wrong-kind` for a model that
   * answers, `engine/context-overflow` for an input longer than the model's context, `aborted` and
   * what loading a model throws
   */
  async create(
    request: EmbeddingRequest,
    { signal }: CallOptions = {},
  ): Promise<EmbeddingResponse> {
    const { model, inputs, dimensions, asBase64 } = planOf(request);
    throwIfAborted(signal);
    const { embeddings, findEmbedder } = this.#dependencies;
    const id = await findEmbedder(model);
    const events = await embeddings.embed(
      id,
      { inputs, ...(dimensions === undefined ? {} : { dimensions }) },
      signal,
    );
    const tokens = events.reduce((sum, event) => sum + event.tokens, 0);
    return {
      object: 'list',
      data: events.map(({ index, vector }) => ({
        object: 'embedding',
        index,
        embedding: asBase64 ? base64Of(vector) : Array.from(vector),
      })),
      model: id,
      usage: { prompt_tokens: tokens, total_tokens: tokens },
    };
  }
}

/** @throws AppError `invalid-argument` naming the field */
function planOf(request: EmbeddingRequest): EmbeddingPlan {
  const fields = requireRequest(request);
  const format = fields['encoding_format'] ?? 'float';
  if (format !== 'float' && format !== 'base64') {
    throw invalidField('encoding_format', '"float" or "base64"', format);
  }
  return {
    model: requireModel(fields['model']),
    inputs: inputsOf(fields['input']),
    dimensions: requireWhole(fields['dimensions'], 'dimensions', 1, 1e6),
    asBase64: format === 'base64',
  };
}

/** A text, token ids, or a list of either. */
function inputsOf(input: unknown): readonly EmbeddingInput[] {
  if (typeof input === 'string' || isIds(input)) return [inputOf(input, 'input')];
  if (!Array.isArray(input) || input.length < 1 || input.length > MOST_INPUTS) {
    throw invalidField('input', `a text, token ids, or a list of 1 to ${MOST_INPUTS} of either`);
  }
  return input.map((each: unknown, index) => inputOf(each, `input[${index}]`));
}

/** An empty list is a list of no inputs, not an input of no tokens. */
function isIds(input: unknown): input is readonly number[] {
  return isTokenList(input) && input.length > 0;
}

function inputOf(input: unknown, field: string): EmbeddingInput {
  if (typeof input === 'string' && input !== '') return { kind: 'text', text: input };
  if (isIds(input)) return { kind: 'tokens', tokens: input };
  throw invalidField(field, 'a text or token ids, and not empty');
}

/** The numbers as float32, little-endian. */
function base64Of(vector: Float32Array): string {
  const view = new DataView(new ArrayBuffer(4 * vector.length));
  for (const [index, value] of vector.entries()) view.setFloat32(4 * index, value, true);
  const bytes = new Uint8Array(view.buffer);
  return btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(''));
}

/** The error where several or no embedding models could be meant. */
export function noEmbedder(installed: readonly string[]): AppError {
  return installed.length === 0
    ? new AppError(
        'engine/not-loaded',
        'No embedding model is installed. Install one first, for example a GGUF file of a MiniLM, BGE or Nomic Embed model.',
      )
    : new AppError(
        'invalid-argument',
        `Several embedding models are installed: name one of them in "model" (${installed.join(', ')}).`,
        { details: { field: 'model', installed } },
      );
}
