/**
 * Answers whose next steps a backend may begin by itself: the same tokens as step by step, whatever
 * happens to what was begun.
 */
import { expect, it, type TestContext } from 'vitest';
import { hasCode } from '../../../src/common/errors.ts';
import {
  equalLayers,
  type Executable,
  type TopLogits,
} from '../../../src/engine/backend/backend.ts';
import { Sampler, type SamplingOptions } from '../../../src/engine/generation/sampler.ts';
import { selectTop } from '../../../src/engine/generation/top-selection.ts';
import type { Bench } from './bench.ts';
import type { Suite } from './suite.ts';

const vocabulary = 200;
const width = 64;
const capacity = 24;
const prompt = [5, 9, 2];
/** Of whose answers to a random model no two tokens are alike: the values are far apart. */
const greedy: SamplingOptions = { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 1 };
const drawn: SamplingOptions = { temperature: 0.8, topK: 40, topP: 0.9, minP: 0.01, seed: 3 };

/** A small model whose every token depends on all before it; null where it does not fit. */
function compileModel(bench: Bench): Executable {
  const { backend } = bench;
  bench.weight('tokens', { rows: vocabulary, columns: width });
  for (const name of ['q', 'k', 'v']) {
    bench.weight(name, { rows: width, columns: width, type: 'Q8_0', storage: 'planes' });
  }
  bench.weight('out', { rows: vocabulary, columns: width, type: 'Q8_0', storage: 'planes' });
  const heads = { heads: 4, kvHeads: 4, headDim: 16, scale: 0.25, softcap: 0, window: 0 };
  const graph = bench.graph((g) => {
    const x = g.embed('tokens');
    g.cacheWrite(0, g.matmul(x, 'k'), g.matmul(x, 'v'));
    const seen = g.add(x, g.attention(g.matmul(x, 'q'), { layer: 0, ...heads }));
    return g.matmul(g.takeOutputs(seen), 'out');
  });
  return backend.compile(graph, { weights: bench.handles, maxTokens: 4, maxOutputs: 1 });
}

type Cache = ReturnType<Bench['cache']>;

class Answer {
  readonly tokens: number[] = [];
  readonly logits: number[] = [];
  readonly #bench: Bench;
  readonly #executable: Executable;
  readonly #sampler: Sampler;
  readonly #cache: Cache;
  readonly #options: SamplingOptions;

  constructor(bench: Bench, executable: Executable, options: SamplingOptions) {
    this.#bench = bench;
    this.#executable = executable;
    this.#options = options;
    this.#sampler = new Sampler(options);
    this.#cache = bench.backend.createCache({
      layers: equalLayers(1, 4, 16),
      capacity,
      type: 'f32',
    });
  }

  /** Reads the prompt and chooses the first token. */
  async begin(): Promise<void> {
    this.#choose(await this.#read(prompt, 0));
  }

  /** Computes the last token and chooses the next; `steps` may be under way at a time. */
  async next(steps: number, precision: 8 | 4 = 8): Promise<void> {
    const { backend } = this.#bench;
    const token = this.tokens.at(-1) ?? 0;
    const position = prompt.length + this.tokens.length - 1;
    const { temperature, topK } = this.#options;
    const top = await backend.runTop?.(
      this.#executable,
      { tokens: Int32Array.of(token), position, outputs: 1, precision, cache: this.#cache },
      {
        count: temperature === 0 ? 1 : topK,
        ...(steps > 1 && { choice: this.#sampler.expectedChoice(steps) }),
      },
    );
    if (top !== undefined) this.#choose(top);
  }

  /** Takes another token than the one that was chosen. */
  replace(token: number): void {
    this.tokens[this.tokens.length - 1] = token;
  }

  /** Reads the prompt and all tokens but the last again. */
  async readAgain(): Promise<void> {
    const all = [...prompt, ...this.tokens.slice(0, -1)];
    for (let at = 0; at < all.length; at += 4) await this.#read(all.slice(at, at + 4), at);
  }

  async #read(tokens: readonly number[], position: number): Promise<TopLogits> {
    const step = { position, outputs: 1, precision: 8, cache: this.#cache } as const;
    const input = { ...step, tokens: Int32Array.from(tokens) };
    const logits = (await this.#bench.backend.run(this.#executable, input)).slice();
    const ids = selectTop(logits, 40);
    return { ids, logits: Float32Array.from(ids, (id) => logits[id] ?? NaN) };
  }

  #choose(top: TopLogits): void {
    this.tokens.push(this.#sampler.sampleTop(top));
    this.logits.push(top.logits[0] ?? NaN);
  }
}

type Course = (answer: Answer, steps: number) => Promise<void>;

const courses: Readonly<Record<string, Course>> = {
  'undisturbed, to the end of the context': async (answer, steps) => {
    while (prompt.length + answer.tokens.length <= capacity) await answer.next(steps);
  },
  'another token than expected': async (answer, steps) => {
    for (let i = 0; i < 4; i++) await answer.next(steps);
    answer.replace(77);
    for (let i = 0; i < 4; i++) await answer.next(steps);
  },
  'fewer bits from one token to the next': async (answer, steps) => {
    for (let i = 0; i < 8; i++) await answer.next(steps, i < 4 ? 8 : 4);
  },
  'a prompt in between': async (answer, steps) => {
    for (let i = 0; i < 4; i++) await answer.next(steps);
    await answer.readAgain();
    for (let i = 0; i < 4; i++) await answer.next(steps);
  },
};

export function describeAhead(suite: Suite): void {
  const model = (context: TestContext): Executable => {
    const { bench } = suite;
    context.skip(bench.backend.runTop === undefined, 'the backend brings all logits');
    try {
      return compileModel(bench);
    } catch (error) {
      context.skip(hasCode(error, 'engine/out-of-memory'), 'a row is larger than a binding');
      throw error;
    }
  };

  for (const [how, options] of Object.entries({ greedy, drawn })) {
    it.for(Object.entries(courses))(
      `gives the same answer ahead, ${how}: %s`,
      async ([, course], context) => {
        const executable = model(context);
        const [alone, ahead] = [
          new Answer(suite.bench, executable, options),
          new Answer(suite.bench, executable, options),
        ];
        for (const [answer, steps] of [
          [alone, 1],
          [ahead, 3],
        ] as const) {
          await answer.begin();
          await course(answer, steps);
        }
        expect(ahead.tokens).toEqual(alone.tokens);
        expect(ahead.logits).toEqual(alone.logits);
        expect(new Set(alone.tokens).size).toBeGreaterThan(3);
      },
    );
  }

  it('keeps two answers apart that are written in turns', async (context) => {
    const executable = model(context);
    const answers = [greedy, drawn].flatMap((options) =>
      [1, 3].map((steps) => ({ steps, answer: new Answer(suite.bench, executable, options) })),
    );
    for (const { answer } of answers) await answer.begin();
    for (let i = 0; i < 5; i++) for (const { answer, steps } of answers) await answer.next(steps);
    const [first, second, third, fourth] = answers.map(({ answer }) => answer.tokens);
    expect(second).toEqual(first);
    expect(fourth).toEqual(third);
  });
}
