/**
 * What 4 bits and mixed precision take from trained models, and what they save: the numbers of
 * `test/precision.md`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import type { Precision } from '../../src/engine/backend/backend.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import type { LanguageModel } from '../../src/engine/models/language-model.ts';
import { createTokenizer } from '../../src/engine/tokenizer/create-tokenizer.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import { NodeThreads } from '../fixtures/node-kernel-thread.ts';
import { sharedModelPath, sharedModels } from '../fixtures/shared-models.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { createThreadedWasmBackend, createWasmBackend } from '../fixtures/wasm-backend.ts';
import { precisionTable, type Quality, type Speed } from './precision-table.ts';

const precisions = [8, 'mixed', 4] as const;
const story = readFileSync(new URL('../fixtures/story.txt', import.meta.url), 'utf8');

/** What the guide answers to what it was trained on. */
function guideAnswers(): string[] {
  const corpus = new URL('../../scripts/guide/corpus.en.txt', import.meta.url);
  const lines = readFileSync(corpus, 'utf8').split('\n');
  return lines.filter((line) => line.startsWith('a: ')).map((line) => line.slice(3));
}

/** What a model wrote itself: these files were made with another tokenizer than they carry. */
function ownTexts(file: string): number[][] {
  const reference = JSON.parse(readFileSync(`${file}.reference.json`, 'utf8')) as {
    readonly cases: readonly { readonly input_ids: number[]; readonly output_ids: number[] }[];
  };
  return reference.cases.map((one) => [...one.input_ids, ...one.output_ids]);
}

const contextLength = 128;

interface Distributions {
  /** Natural logarithms of the next token's probabilities, one row a place. */
  readonly rows: readonly Float32Array[];
  readonly next: readonly number[];
}

async function read(
  model: LanguageModel,
  texts: readonly number[][],
  precision: Precision,
): Promise<Distributions> {
  const size = model.info.vocabularySize;
  const rows: Float32Array[] = [];
  const next: number[] = [];
  const state = model.createState({ capacity: contextLength, kvType: 'f32' });
  for (const text of texts) {
    const tokens = text.slice(0, contextLength);
    state.truncate(0);
    for (let start = 0; start < tokens.length; start += 32) {
      const part = Int32Array.from(tokens.slice(start, start + 32));
      const logits = await model.forward(part, state, { want: 'all', precision });
      for (let row = 0; row < part.length; row++) {
        const following = tokens[start + row + 1];
        if (following === undefined) break;
        rows.push(logProbabilities(logits.subarray(row * size, (row + 1) * size)));
        next.push(following);
      }
    }
  }
  state.dispose();
  return { rows, next };
}

function logProbabilities(logits: Float32Array): Float32Array {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const sum = logits.reduce((total, logit) => total + Math.exp(logit - most), 0);
  return logits.map((logit) => logit - most - Math.log(sum));
}

function compare(actual: Distributions, wanted: Distributions): Omit<Quality, 'bytes'> {
  let [divergence, same, surprise] = [0, 0, 0];
  const count = actual.rows.length;
  for (const [place, row] of actual.rows.entries()) {
    const truth = wanted.rows[place] ?? row;
    let [likeliest, wantedLikeliest] = [0, 0];
    for (const [token, logarithm] of row.entries()) {
      const true_ = truth[token] ?? NaN;
      divergence += Math.exp(true_) * (true_ - logarithm);
      if (logarithm > (row[likeliest] ?? 0)) likeliest = token;
      if (true_ > (truth[wantedLikeliest] ?? 0)) wantedLikeliest = token;
    }
    if (likeliest === wantedLikeliest) same++;
    surprise -= row[actual.next[place] ?? 0] ?? NaN;
  }
  return {
    divergence: divergence / count,
    agreement: same / count,
    perplexity: Math.exp(surprise / count),
    places: count,
  };
}

interface Subject {
  readonly name: string;
  readonly path: string;
  readonly texts: string[] | null;
}

const subjects: readonly Subject[] = [
  {
    name: 'guide (Q8_0)',
    path: new URL('../../public/guide.gguf', import.meta.url).pathname,
    texts: guideAnswers(),
  },
  ...(sharedModels === null
    ? []
    : [
        {
          name: 'stories260K (F32 on planes)',
          path: sharedModelPath('gguf', 'stories260K.gguf'),
          texts: story.split('\n\n'),
        },
        {
          name: 'TinyStories-656K (Q8_0)',
          path: sharedModelPath('gguf', 'TinyStories-656K-Q8_0.gguf'),
          texts: null,
        },
      ]),
];

const target = process.env['HERMIT_PRECISION'];
const measured = new Map<string, ReadonlyMap<Precision, Quality>>();

describe('precision', () => {
  it.each(subjects)('costs $name less when it is mixed', async ({ name, path, texts }) => {
    const source = new BufferByteSource(readFileSync(path));
    const file = await readGguf(source);
    const backend = await createWasmBackend();
    // 4: small float models are packed only then; which bits are read is said with every step.
    const model = await loadModel({ source, file, backend, precision: 4, kvType: 'f32' });
    const tokenizer = createTokenizer(file.metadata);
    const { bos } = tokenizer.special;
    const tokens = (texts ?? []).map((text) => [
      ...(tokenizer.addBos && bos !== null ? [bos] : []),
      ...tokenizer.encode(text, { special: 'as-text' }),
    ]);
    const given = texts === null ? ownTexts(path) : tokens;
    const truth = await read(model, given, 8);
    const qualities = new Map<Precision, Quality>();
    for (const precision of precisions) {
      const bytes = model.weightBytesOfToken(precision) / model.weightBytesOfToken(8);
      const quality = compare(await read(model, given, precision), truth);
      qualities.set(precision, { ...quality, bytes });
    }
    measured.set(name, qualities);
    const [four, mixed] = [qualities.get(4), qualities.get('mixed')];
    expect(qualities.get(8)?.divergence).toBeLessThan(1e-6);
    expect(mixed?.divergence).toBeLessThan(0.65 * (four?.divergence ?? 0));
    expect(mixed?.agreement).toBeGreaterThan(four?.agreement ?? 1);
    expect(mixed?.bytes).toBeLessThan(0.93);
    backend.dispose();
  });
});

/** How much longer the first step of another number of threads takes than the next; median. */
async function measureThreadSwitch(bytes: Uint8Array<ArrayBuffer>): Promise<number> {
  const threads = new NodeThreads();
  const backend = await createThreadedWasmBackend({ most: 2, spawn: threads.spawn });
  const source = new BufferByteSource(bytes);
  const file = await readGguf(source);
  const model = await loadModel({ source, file, backend, precision: 8, kvType: 'f16' });
  const state = model.createState({ capacity: 512, kvType: 'f16' });
  const switches: number[] = [];
  for (let round = 0; round < 16; round++) {
    backend.setThreads(1 + (round % 2));
    const took: number[] = [];
    for (let step = 0; step < 4; step++) {
      const start = performance.now();
      await model.forward(Int32Array.of(400 + step), state, { want: 'last', precision: 8 });
      took.push(performance.now() - start);
    }
    const usual = took.slice(1).sort((a, b) => a - b)[1] ?? NaN;
    if (round > 1) switches.push((took[0] ?? NaN) - usual);
  }
  backend.dispose();
  return medianOf(switches);
}

function medianOf(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

/** Milliseconds a token of a model of the shape of SmolLM2-135M, median of rounds in turn. */
async function measureSpeeds(): Promise<ReadonlyMap<Precision, Speed>> {
  const bytes = syntheticLlama({
    width: 576,
    layers: 30,
    heads: 9,
    kvHeads: 3,
    feedForward: 1536,
    vocabularySize: 49152,
    contextLength: 512,
    type: 'Q8_0',
  });
  const source = new BufferByteSource(bytes);
  const file = await readGguf(source);
  const backend = await createWasmBackend();
  const model = await loadModel({ source, file, backend, precision: 8, kvType: 'f16' });
  const state = model.createState({ capacity: 512, kvType: 'f16' });
  const times = new Map<Precision, number[]>(precisions.map((precision) => [precision, []]));
  const switches: number[] = [];
  await model.forward(
    Int32Array.from({ length: 64 }, (_, i) => 300 + i),
    state,
    {
      want: 'last',
      precision: 8,
    },
  );
  for (let round = 0; round < 9; round++) {
    for (const precision of precisions) {
      const took: number[] = [];
      for (let step = 0; step < 6; step++) {
        const start = performance.now();
        await model.forward(Int32Array.of(400 + step), state, { want: 'last', precision });
        took.push(performance.now() - start);
      }
      state.truncate(64);
      // The first step is the one that changes precision.
      const usual = took.slice(1).sort((a, b) => a - b)[2] ?? NaN;
      switches.push((took[0] ?? NaN) - usual);
      if (round > 0) times.get(precision)?.push(usual);
    }
  }
  const bytesOfToken = new Map(precisions.map((one) => [one, model.weightBytesOfToken(one)]));
  const memory = new Map<Precision, number>([[8, backend.memory().weightBytes]]);
  for (const precision of ['mixed', 4] as const) {
    model.lowPlanes?.drop(precision);
    memory.set(precision, backend.memory().weightBytes);
  }
  backend.dispose();
  const threadsMs = await measureThreadSwitch(bytes);
  const eight = times.get(8) ?? [];
  return new Map(
    precisions.map((precision) => {
      const own = times.get(precision) ?? [];
      return [
        precision,
        {
          tokensPerSecond: 1000 / medianOf(own),
          timesEight: medianOf(own.map((time, round) => (eight[round] ?? NaN) / time)),
          bytes: bytesOfToken.get(precision) ?? NaN,
          memory: memory.get(precision) ?? NaN,
          switchMs: medianOf(switches),
          threadsMs,
        },
      ];
    }),
  );
}

afterAll(async () => {
  if (target === undefined) return;
  writeFileSync(target, precisionTable(measured, await measureSpeeds()));
}, 240_000);
