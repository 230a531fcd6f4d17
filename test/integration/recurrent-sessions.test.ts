/**
 * Conversations with a model whose memory cannot be cut: whatever was kept of an earlier prompt, the
 * answer is the one that a fresh conversation gives.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import { AppError } from '../../src/common/errors.ts';
import type { Backend, StepInput } from '../../src/engine/backend/backend.ts';
import { ReferenceBackend } from '../../src/engine/backend/reference/reference-backend.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { greedySampling } from '../../src/engine/generation/sampler.ts';
import { noPenalties } from '../../src/engine/generation/logits-processors.ts';
import { Session } from '../../src/engine/generation/session.ts';
import { ByteTokenizer } from '../../src/engine/generation/testing/byte-tokenizer.ts';
import type { LanguageModel } from '../../src/engine/models/language-model.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import { tinyMamba } from '../fixtures/tiny-mamba.ts';
import { createWasmBackend, kernelBuildTimeoutMs } from '../fixtures/wasm-backend.ts';

const backends: Readonly<Record<string, () => Promise<Backend>>> = {
  reference: () => Promise.resolve(new ReferenceBackend()),
  WASM: createWasmBackend,
};

describe.each(Object.keys(backends))('a recurrent model on the %s backend', (kind) => {
  let backend: Backend;
  let model: LanguageModel;
  beforeEach(async () => {
    backend = (await backends[kind]?.()) ?? new ReferenceBackend();
    const source = new BufferByteSource(tinyMamba());
    const file = await readGguf(source);
    model = await loadModel({ source, file, backend, precision: 'auto', kvType: 'f32' });
  }, kernelBuildTimeoutMs);
  afterEach(() => {
    model.dispose();
    backend.dispose();
  });

  const open = (): Session =>
    new Session({
      model,
      tokenizer: new ByteTokenizer(),
      state: model.createState({ capacity: 128, kvType: 'f32' }),
      precision: () => 8,
      sliceTokens: 5,
    });

  async function answer(session: Session, prompt: readonly number[], signal?: AbortSignal) {
    const written: number[] = [];
    const logprobs: number[] = [];
    let reused = -1;
    const options = { sampling: greedySampling, penalties: noPenalties, maxTokens: 6, stop: [] };
    for await (const event of session.generate(prompt, { ...options, topLogprobs: 0, signal })) {
      if (event.type === 'done') reused = event.stats.reusedTokens;
      if (event.type !== 'token') continue;
      written.push(event.token);
      logprobs.push(event.logprob ?? NaN);
    }
    return { written, logprobs, reused };
  }

  async function fresh(prompt: readonly number[]) {
    const session = open();
    const { written, logprobs } = await answer(session, prompt);
    session.dispose();
    return { written, logprobs };
  }

  const prompt = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 3, 23, 8, 46, 2];

  it('answers again from where the last token of the prompt is read', async () => {
    const session = open();
    const first = await answer(session, prompt);
    const second = await answer(session, prompt);
    expect(second).toMatchObject({ written: first.written, logprobs: first.logprobs });
    expect(second.reused).toBe(prompt.length - 1);
  });

  it('goes on with the next turn of a chat without reading the earlier ones again', async () => {
    const session = open();
    const { written } = await answer(session, prompt);
    const next = [...prompt, ...written, 11, 12, 13];
    const second = await answer(session, next);
    expect(second.reused).toBe(prompt.length + written.length - 1);
    expect(second).toMatchObject(await fresh(next));
  });

  it('reads on from the end of the prompt where the answer was written down in another way', async () => {
    const session = open();
    await answer(session, prompt);
    const next = [...prompt, 40, 41, 42, 11];
    const second = await answer(session, next);
    expect(second.reused).toBe(prompt.length - 1);
    expect(second).toMatchObject(await fresh(next));
  });

  it('reads all again where nothing before the difference was remembered', async () => {
    const session = open();
    await answer(session, prompt);
    const edited = [...prompt.slice(0, 7), 44, ...prompt.slice(8)];
    const second = await answer(session, edited);
    expect(second.reused).toBe(0);
    expect(second).toMatchObject(await fresh(edited));
  });

  it('goes back over several turns to an earlier question', async () => {
    const session = open();
    let turns = [...prompt];
    const ends: number[] = [];
    for (const question of [30, 31, 32]) {
      const { written } = await answer(session, turns);
      ends.push(turns.length - 1);
      turns = [...turns, ...written, question, question + 1];
    }
    const edited = [...turns.slice(0, (ends[1] ?? 0) + 1), 45, 44];
    const again = await answer(session, edited);
    expect(again.reused).toBe(ends[1]);
    expect(again).toMatchObject(await fresh(edited));
  });

  it('continues a prefilled text, and says after a rewind what is left', async () => {
    const session = open();
    await session.prefill(prompt);
    expect(session.tokens).toEqual(prompt);
    const first = await answer(session, prompt);
    expect(first.reused).toBe(prompt.length - 1);
    expect(first).toMatchObject(await fresh(prompt));
    session.rewind(prompt.length + 2);
    expect(session.tokens).toEqual(prompt.slice(0, -1));
    session.rewind(4);
    expect(session.tokens).toEqual([]);
    expect(await answer(session, prompt)).toMatchObject(await fresh(prompt));
  });

  it('is not led astray by a step that failed half-way', async () => {
    const session = open();
    await answer(session, prompt);
    const run = backend.run.bind(backend);
    let left = 2;
    backend.run = async (executable, input: StepInput) => {
      const result = await run(executable, input);
      if (--left === 0) throw new AppError('internal', 'as if the machine had failed');
      return result;
    };
    const next = [...prompt, 40, 41, 42, 43, 44, 11, 12, 13];
    await expect(answer(session, next)).rejects.toMatchObject({ code: 'internal' });
    backend.run = run;
    expect(session.tokens).toEqual(next.slice(0, prompt.length + 4));
    expect(await answer(session, next)).toMatchObject(await fresh(next));
  });

  it('goes on after a stop', async () => {
    const session = open();
    const stop = new AbortController();
    const run = backend.run.bind(backend);
    backend.run = (executable, input) => {
      if (input.position >= 5) stop.abort();
      return run(executable, input);
    };
    await answer(session, prompt, stop.signal);
    backend.run = run;
    // a backend that heard the stop gave up the step, one that did not has finished it
    const held = session.tokens.length;
    expect([5, 10]).toContain(held);
    expect(session.tokens).toEqual(prompt.slice(0, held));
    expect(await answer(session, prompt)).toMatchObject({
      ...(await fresh(prompt)),
      reused: held,
    });
  });

  it('scores a text as it is', async () => {
    const session = open();
    await answer(session, prompt);
    const scores = await session.scoreTokens(prompt, 0);
    const other = await open().scoreTokens(prompt, 0);
    expect(scores).toEqual(other);
  });
});
