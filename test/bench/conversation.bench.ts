/**
 * Times what a person waits for in a long chat: the first token after 2,000 tokens were read anew, and
 * after they were read back from the store; and a text that repeats itself, token by token and with
 * tokens computed ahead. Texts are compared first: what is computed ahead must change nothing.
 *
 * Knows nothing of Node; `run-conversation.mjs` bundles it and starts the browser.
 */
import { BufferByteSource } from '../../src/common/byte-source.ts';
import { createWasmBackend } from '../../src/engine/backend/wasm/create-wasm-backend.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { noPenalties } from '../../src/engine/generation/logits-processors.ts';
import { greedySampling, type SamplingOptions } from '../../src/engine/generation/sampler.ts';
import { SegmentCache } from '../../src/engine/generation/segment-cache.ts';
import { Session } from '../../src/engine/generation/session.ts';
import type { GenerationStats } from '../../src/engine/generation/stats.ts';
import { ByteTokenizer } from '../../src/engine/generation/testing/byte-tokenizer.ts';
import type { LanguageModel } from '../../src/engine/models/language-model.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import { SegmentStore } from '../../src/store/segment-store.ts';
import { makeModelFile, type ModelName } from './model-shapes.ts';
import { fetchKernels, spawnByPath } from './page-host.ts';

export interface ConversationBenchOptions {
  readonly model: ModelName;
  readonly type: 'Q4_0' | 'Q8_0';
  readonly threads: number;
  /** Only texts, without the reading of 2,000 tokens, which takes most of the time. */
  readonly texts: boolean;
}

export interface ConversationBenchRow {
  readonly measure: string;
  readonly unit: 'ms' | 'tokens/s' | 'tokens' | 'MB';
  readonly median: number;
  readonly lowest: number;
  readonly highest: number;
}

const CONTEXT = 2200;
const READ_TOKENS = 2000;
const WRITTEN_TOKENS = 96;
const ROUNDS = 3;

/** Random weights repeat a prompt as little as anything else, but soon repeat themselves. */
const repeating: SamplingOptions = greedySampling;
const wandering: SamplingOptions = { ...greedySampling, temperature: 2, seed: 1 };

interface Written {
  readonly tokens: readonly number[];
  readonly stats: GenerationStats;
}

class Bench {
  readonly #rows = new Map<string, { unit: ConversationBenchRow['unit']; values: number[] }>();

  note(measure: string, unit: ConversationBenchRow['unit'], value: number): void {
    const row = this.#rows.get(measure) ?? { unit, values: [] };
    row.values.push(value);
    this.#rows.set(measure, row);
  }

  get rows(): ConversationBenchRow[] {
    return [...this.#rows].map(([measure, { unit, values }]) => {
      const sorted = values.sort((a, b) => a - b);
      const at = (index: number): number => sorted[index] ?? NaN;
      const [median, lowest, highest] = [at(sorted.length >> 1), at(0), at(sorted.length - 1)];
      return { measure, unit, median, lowest, highest };
    });
  }
}

function open(model: LanguageModel): Session {
  const state = model.createState({ capacity: CONTEXT, kvType: 'f16' });
  return new Session({ model, tokenizer: new ByteTokenizer(), state, precision: () => 8 });
}

async function write(
  session: Session,
  prompt: readonly number[],
  change: { maxTokens: number; sampling: SamplingOptions; speculate: boolean; startedAt?: number },
): Promise<Written> {
  const options = { penalties: noPenalties, stop: [], ignoreEndOfGeneration: true, ...change };
  const tokens: number[] = [];
  for await (const event of session.generate(prompt, options)) {
    if (event.type === 'token') tokens.push(event.token);
    if (event.type === 'done') return { tokens, stats: event.stats };
  }
  throw new Error('The answer did not end.');
}

/** The first token of a chat of 2,000 tokens, without and with what was kept of it. */
async function reopening(bench: Bench, model: LanguageModel, store: SegmentStore): Promise<void> {
  const prompt = Array.from({ length: READ_TOKENS }, (_, i) => 3 + ((i * i * 37) % 250));
  const first = { maxTokens: 1, sampling: greedySampling, speculate: false };
  const session = open(model);
  const cache = new SegmentCache(store, session, 'model', '1');
  const read = await write(session, prompt, first);
  bench.note('first token after 2,000 tokens, read anew', 'ms', read.stats.timeToFirstTokenMs);
  const before = performance.now();
  await store.clear();
  await cache.keep({ conversation: 'chat', since: Date.now() + 1 });
  bench.note('keeping them', 'ms', performance.now() - before);
  bench.note('what is kept of them', 'MB', (await store.usage()) / 1e6);
  session.dispose();

  const again = open(model);
  const startedAt = performance.now();
  await new SegmentCache(store, again, 'model', '1').restore(prompt, undefined);
  const restored = await write(again, prompt, { ...first, startedAt });
  bench.note('first token after 2,000 tokens, kept', 'ms', restored.stats.timeToFirstTokenMs);
  again.dispose();
}

/** A text with and without tokens computed ahead. */
async function ahead(
  bench: Bench,
  model: LanguageModel,
  name: string,
  sampling: SamplingOptions,
): Promise<void> {
  const prompt = Array.from({ length: 64 }, (_, i) => 3 + ((i * 37) % 250));
  const written: Written[] = [];
  for (const speculate of [false, true]) {
    const session = open(model);
    const one = await write(session, prompt, { maxTokens: WRITTEN_TOKENS, sampling, speculate });
    session.dispose();
    if (speculate) bench.note(`${name}, guesses`, 'tokens', one.stats.guessedTokens);
    const how = speculate ? 'with tokens computed ahead' : 'token by token';
    bench.note(`${name}, ${how}`, 'tokens/s', one.stats.decodeTokensPerSecond);
    written.push(one);
  }
  const [single, more] = written.map(({ tokens }) => tokens.join());
  if (single !== more) throw new Error('What was computed ahead changed the text.');
}

/** @throws Error when the results are wrong */
export async function runConversationBench(
  options: ConversationBenchOptions,
): Promise<readonly ConversationBenchRow[]> {
  const { threads, type } = options;
  const isolated = threads > 1;
  const host = { isolated, most: threads, spawn: spawnByPath() };
  const backend = await createWasmBackend(fetchKernels, host);
  backend.setThreads(threads);
  const source = new BufferByteSource(makeModelFile(options.model, type, CONTEXT));
  const file = await readGguf(source);
  const model = await loadModel({
    source,
    file,
    backend,
    precision: 8,
    kvType: 'f16',
    contextLength: CONTEXT,
  });
  const store = new SegmentStore({ name: 'bench' });
  const bench = new Bench();
  for (let round = 0; round < ROUNDS; round++) {
    if (!options.texts) await reopening(bench, model, store);
    await ahead(bench, model, 'a text that repeats itself', repeating);
    await ahead(bench, model, 'a text that does not', wandering);
  }
  backend.dispose();
  return bench.rows;
}
