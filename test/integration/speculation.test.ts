/** Tokens computed ahead by real kernels: what is written is the same to the bit. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import type { Backend, KvType } from '../../src/engine/backend/backend.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { noPenalties } from '../../src/engine/generation/logits-processors.ts';
import type { SamplingOptions } from '../../src/engine/generation/sampler.ts';
import { Session } from '../../src/engine/generation/session.ts';
import { ByteTokenizer } from '../../src/engine/generation/testing/byte-tokenizer.ts';
import type { LanguageModel } from '../../src/engine/models/language-model.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import { syntheticLlama, type SyntheticType } from '../fixtures/synthetic-llama.ts';
import { createWasmBackend, kernelBuildTimeoutMs } from '../fixtures/wasm-backend.ts';

/** By which a step of any size takes as long: guesses are computed wherever there are some. */
const stoppedClock = (): (() => number) => {
  let time = 0;
  return () => ++time;
};

const prompt = Array.from({ length: 60 }, (_, index) => 3 + (((index % 20) * 7) % 200));

describe.each(['Q8_0', 'Q4_0', 'Q5_1'] satisfies SyntheticType[])('a model of %s', (type) => {
  let backend: Backend;
  let model: LanguageModel;
  beforeEach(async () => {
    backend = await createWasmBackend();
    const source = new BufferByteSource(
      syntheticLlama({
        width: 128,
        layers: 2,
        heads: 4,
        kvHeads: 2,
        feedForward: 256,
        vocabularySize: 259,
        contextLength: 512,
        type,
      }),
    );
    const file = await readGguf(source);
    model = await loadModel({ source, file, backend, precision: 8, kvType: 'f16' });
  }, kernelBuildTimeoutMs);
  afterEach(() => {
    model.dispose();
    backend.dispose();
  });

  async function write(speculate: boolean, kvType: KvType, sampling: SamplingOptions) {
    const session = new Session({
      model,
      tokenizer: new ByteTokenizer(),
      state: model.createState({ capacity: 400, kvType }),
      precision: () => 8,
      now: stoppedClock(),
    });
    const options = { sampling, penalties: noPenalties, maxTokens: 200, stop: [], speculate };
    const written: [number, number][] = [];
    let accepted = 0;
    for await (const event of session.generate(prompt, { ...options, topLogprobs: 0 })) {
      if (event.type === 'token') written.push([event.token, event.logprob ?? NaN]);
      if (event.type === 'done') accepted = event.stats.acceptedTokens;
    }
    session.dispose();
    return { written, accepted };
  }

  // A cold draw repeats itself, which random weights else do not.
  it.each([
    ['f16', { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 0 }],
    ['q8', { temperature: 0.05, topK: 40, topP: 0.95, minP: 0.05, seed: 11 }],
  ] satisfies [KvType, SamplingOptions][])(
    'with a memory of %s writes what it writes token by token',
    async (kvType, sampling) => {
      const single = await write(false, kvType, sampling);
      const ahead = await write(true, kvType, sampling);
      expect(ahead.written).toEqual(single.written);
      expect(single.accepted).toBe(0);
      expect(ahead.accepted).toBeGreaterThan(0);
    },
  );
});
