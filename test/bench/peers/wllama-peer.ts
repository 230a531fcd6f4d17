/**
 * wllama (llama.cpp in WebAssembly) in the side-by-side benchmark. Speeds are those it reports itself,
 * so that nothing of its worker or its text is counted against it.
 */
import {
  Wllama,
  type RawCompletionParams,
  type RawCompletionResponse,
} from '@wllama/wllama/esm/index.js';
import type { LoadOptions, Peer, Prefill } from './peer.ts';

/** Letters without order, so that a vocabulary finds no long words in them. */
function letters(count: number): string {
  return Array.from({ length: count }, (_, i) =>
    String.fromCharCode(97 + ((Math.imul(i + 1, 2654435761) >>> 24) % 26)),
  ).join('');
}

/** llama.cpp's server knows more than wllama's types: whether what was read is kept. */
type KeptCompletion = RawCompletionParams & {
  readonly stream?: false;
  readonly cache_prompt: boolean;
};
type Timings = NonNullable<RawCompletionResponse['timings']>;

export class WllamaPeer implements Peer {
  readonly name = 'wllama';
  #wllama: Wllama | null = null;
  #filled = '';
  /** Tokens of a letter, and what stands before every text. */
  #tokensOf: { readonly each: number; readonly before: number } | null = null;
  /** What llama.cpp says, for a failure to be understood by. */
  readonly #log: string[] = [];

  async load(file: Blob, { threads, contextLength }: LoadOptions): Promise<void> {
    const note = (...words: unknown[]): void => {
      this.#log.push(words.join(' '));
    };
    const logger = { debug: () => undefined, log: note, warn: note, error: note };
    this.#wllama = new Wllama({ default: '/wllama.wasm' }, { logger });
    await this.#explained(
      this.#wllama.loadModel([file], {
        n_ctx: contextLength,
        n_threads: threads,
        n_parallel: 1,
        n_gpu_layers: 0,
      }),
    );
  }

  async prefill(tokens: readonly number[]): Promise<Prefill> {
    const prompt = await this.#textOf(tokens.length);
    const startedAt = performance.now();
    const { prompt_n, prompt_ms } = await this.#complete(prompt, 1, false);
    const firstTokenMs = performance.now() - startedAt;
    if (Math.abs(prompt_n / tokens.length - 1) > 0.1) {
      throw new Error(`wllama read ${prompt_n} tokens in the place of ${tokens.length}`);
    }
    return { promptMs: prompt_ms * (tokens.length / prompt_n), firstTokenMs };
  }

  async fill(tokens: readonly number[]): Promise<void> {
    this.#filled = await this.#textOf(tokens.length);
    await this.#complete(this.#filled, 1, true);
  }

  async decode(count: number): Promise<number> {
    const { prompt_n, predicted_n, predicted_ms } = await this.#complete(this.#filled, count, true);
    if (prompt_n > 64) throw new Error('wllama did not keep what it had read');
    if (predicted_n !== count) throw new Error(`wllama wrote ${predicted_n} tokens`);
    return predicted_ms / predicted_n;
  }

  async close(): Promise<void> {
    await this.#wllama?.exit();
  }

  /** A text of so many tokens: it takes no token ids. */
  async #textOf(tokens: number): Promise<string> {
    if (this.#tokensOf === null) {
      const [few, many] = [8, 24];
      const { prompt_n: least } = await this.#complete(letters(few), 1, false);
      const { prompt_n: most } = await this.#complete(letters(many), 1, false);
      const each = (most - least) / (many - few);
      this.#tokensOf = { each, before: least - few * each };
    }
    const { each, before } = this.#tokensOf;
    return letters(Math.round((tokens - before) / each));
  }

  async #complete(prompt: string, count: number, keep: boolean): Promise<Timings> {
    const request: KeptCompletion = {
      prompt,
      max_tokens: count,
      cache_prompt: keep,
      temperature: 0,
      top_k: 1,
      ignore_eos: true,
    };
    if (this.#wllama === null) throw new Error('wllama is not loaded');
    const answer = await this.#explained(this.#wllama.createCompletion(request));
    if (answer.timings === undefined) throw new Error('wllama reports no timings');
    return answer.timings;
  }

  async #explained<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (cause) {
      throw new Error(`wllama: ${String(cause)}\n${this.#log.slice(-20).join('\n')}`, { cause });
    }
  }
}
