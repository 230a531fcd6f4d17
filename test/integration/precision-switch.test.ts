/** Precision is a choice at run time: it changes what the weights say, and keeps what was read. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import { Engine, type EngineEvent } from '../../src/engine/engine.ts';
import { fullPlan } from '../../src/engine/execution-plan.ts';
import { processorOnly } from '../../src/engine/model-host.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { greedySampling } from '../../src/engine/generation/sampler.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';
import { createWasmBackend, kernelBuildTimeoutMs } from '../fixtures/wasm-backend.ts';

const bytes = syntheticLlama({
  width: 128,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  feedForward: 256,
  vocabularySize: 512,
  contextLength: 256,
  type: 'Q8_0',
});

let engine: Engine;

beforeEach(async () => {
  engine = new Engine(processorOnly(createWasmBackend));
  const source = new BufferByteSource(bytes);
  const { signal } = new AbortController();
  const file = await readGguf(source);
  const options = { precision: 8, contextLength: 256 } as const;
  await engine.load(source, file, options, () => undefined, signal);
}, kernelBuildTimeoutMs);
afterEach(() => {
  engine.unload();
});

type Done = Extract<EngineEvent, { type: 'done' }>;

async function write(
  tokens: readonly number[],
  onToken: (count: number) => void = () => undefined,
) {
  const written: number[] = [];
  const logprobs: number[] = [];
  let end: Done | null = null;
  const request = {
    prompt: { kind: 'tokens', tokens },
    sampling: greedySampling,
    maxTokens: 8,
    stop: [],
    topLogprobs: 0,
  } as const;
  for await (const event of engine.generate(request, new AbortController().signal)) {
    if (event.type === 'done') end = event;
    if (event.type !== 'token') continue;
    written.push(event.token);
    logprobs.push(event.report?.logprob ?? NaN);
    onToken(written.length);
  }
  return { written, logprobs, stats: end?.stats };
}

const prompt = [1, 300, 301, 302, 303];

describe('a change of precision', () => {
  it('changes the probabilities, and back again', async () => {
    const logprobs = async () => (await engine.score(prompt, 0)).map(({ logprob }) => logprob);
    const eight = await logprobs();
    engine.applyPlan({ ...fullPlan, precision: 4 });
    const four = await logprobs();
    expect(four).not.toEqual(eight);
    engine.applyPlan({ ...fullPlan, precision: 8 });
    expect(await logprobs()).toEqual(eight);
  });

  it('keeps the conversation in the state: nothing of it is read again', async () => {
    const first = await write(prompt);
    engine.applyPlan({ ...fullPlan, precision: 4 });
    const longer = [...prompt, ...first.written, 304];
    const second = await write(longer);
    // All but the last token of the answer, which was never read, and the new one.
    expect(second.stats?.reusedTokens).toBe(longer.length - 2);
    expect(second.stats?.promptTokens).toBe(longer.length);
  });

  it('works in the middle of an answer, from the next token on', async () => {
    const eight = await write(prompt);
    const changed = await write(prompt, (count) => {
      if (count === 3) engine.applyPlan({ ...fullPlan, precision: 4 });
    });
    expect(changed.written.slice(0, 3)).toEqual(eight.written.slice(0, 3));
    expect(changed.logprobs.slice(0, 3)).toEqual(eight.logprobs.slice(0, 3));
    expect(changed.logprobs.slice(3)).not.toEqual(eight.logprobs.slice(3));
  });
});

describe('a plan of execution', () => {
  it('is refused as a whole when a part of it is impossible', () => {
    const wrong = [
      { threads: 0 },
      { threads: 1.5 },
      { pauseMs: -1 },
      { pauseMs: NaN },
      { contextTokens: 0 },
      { batchTokens: 0 },
      { submitMs: 5000 },
      { speculation: 'on' as 'auto' },
      { precision: 5 as 4 },
      { backend: { prefill: 'auto', decode: 'cpu' as 'wasm' } },
    ] as const;
    for (const part of wrong) {
      expect(() => {
        engine.applyPlan({ ...fullPlan, precision: 4, ...part });
      }).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    }
    expect(engine.execution().precision).toBe(8);
  });

  it('changes precision and rests after each token, and a stop is heard while it rests', async () => {
    const eight = await write(prompt);
    const changed = await write(prompt, (count) => {
      if (count === 3) engine.applyPlan({ ...fullPlan, precision: 4, pauseMs: 30 });
    });
    expect(changed.logprobs.slice(0, 3)).toEqual(eight.logprobs.slice(0, 3));
    expect(changed.logprobs.slice(3)).not.toEqual(eight.logprobs.slice(3));
    engine.applyPlan({ ...fullPlan, pauseMs: 10_000 });
    const controller = new AbortController();
    const request = {
      prompt: { kind: 'tokens', tokens: prompt },
      sampling: greedySampling,
    } as const;
    let reason = '';
    for await (const event of engine.generate(
      { ...request, maxTokens: 8, stop: [] },
      controller.signal,
    )) {
      if (event.type === 'token') setTimeout(() => controller.abort(), 5);
      if (event.type === 'done') ({ reason } = event);
    }
    expect(reason).toBe('aborted');
  });
});
