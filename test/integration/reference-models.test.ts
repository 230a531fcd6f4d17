/**
 * Whole models against independent float32 implementations: the reference backend must agree to
 * rounding, so that it may serve as the truth for the others.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReferenceBackend } from '../../src/engine/backend/reference/reference-backend.ts';
import { sharedModels } from '../fixtures/shared-models.ts';
import type { FixtureReference, StoryReference } from './reference-files.ts';
import {
  continueGreedily,
  fixtureLogits,
  lastLogits,
  loadShared,
  normalisedError,
  readJson,
} from './reference-files.ts';

const fixtures = [
  'llama.F32',
  'llama.F16',
  'llama.BF16',
  'llama.Q8_0',
  'llama.Q4_0',
  'llama.Q4_1',
  'llama.Q5_0',
  'llama.Q5_1',
  'llama-k.Q2_K',
  'llama-k.Q3_K',
  'llama-k.Q4_K',
  'llama-k.Q4_K_M',
  'llama-k.Q5_K',
  'llama-k.Q6_K',
  'llama-k.IQ4_XS',
  'llama-k.EXOTIC',
  'llama-bias.F32',
  'llama-rope-linear.F32',
  'llama-rope-llama3.F32',
  'llama-rope-yarn.F32',
  'mistral.F32',
  'gemma.F32',
  'gemma2.F32',
  'gemma3.F32',
  'granite.F32',
  'olmo2.F32',
  'olmo3.F32',
  'phi3.F32',
  'phi3-longrope.F32',
  'qwen2.F32',
  'qwen3.F32',
  'smollm3.F32',
  'gpt2.F32',
  'gptneox.F32',
  'phi2.F32',
  'stablelm.F32',
  'stablelm-parallel.F32',
];

const stories = [
  'stories260K',
  'TinyStories-656K-F16',
  'TinyStories-656K-BF16',
  'TinyStories-656K-Q8_0',
  'TinyStories-656K-Q5_1',
  'TinyStories-656K-Q4_0',
];

/** Where best and second best are nearer than this, another order is rounding and no mistake. */
const nearTie = 1e-4;

const run = { precision: 8, kvType: 'f32' } as const;

describe.skipIf(sharedModels === null)('reference backend', () => {
  let backend: ReferenceBackend;
  beforeEach(() => {
    backend = new ReferenceBackend();
  });
  afterEach(() => {
    backend.dispose();
  });

  it.each(fixtures)('%s reproduces logits and greedy tokens', async (name) => {
    const reference = readJson<FixtureReference>('fixtures', 'models', `${name}.reference.json`);
    const model = await loadShared(
      backend,
      ['fixtures', 'models', `${name}.gguf`],
      'auto',
      reference.n_ctx,
    );
    for (const example of reference.cases) {
      const logits = await lastLogits(model, example.tokens, example.logits.rows, run);
      expect(normalisedError(logits, fixtureLogits(reference, example))).toBeLessThan(1e-6);
      const { tokens, margins } = example.greedy;
      const chosen = await continueGreedily(model, example.tokens, tokens.length, run, tokens);
      const wrong = chosen.filter((token, step) => {
        return token !== tokens[step] && (margins[step] ?? 0) > nearTie;
      });
      expect(wrong, `${name} ${example.name}`).toEqual([]);
    }
  });

  it.each(stories)('%s continues its stories', async (name) => {
    const reference = readJson<StoryReference>('gguf', `${name}.gguf.reference.json`);
    const model = await loadShared(backend, ['gguf', `${name}.gguf`]);
    for (const example of reference.cases) {
      const expected = Float32Array.from(example.first_step_logits);
      const logits = await lastLogits(model, example.input_ids, 1, run);
      expect(normalisedError(logits, expected)).toBeLessThan(1e-6);
      const count = example.output_ids.length;
      const chosen = await continueGreedily(model, example.input_ids, count, run);
      expect(chosen).toEqual(example.output_ids);
    }
  });

  it('tells 200 tokens of the upstream story', async () => {
    const reference = readJson<{ readonly output_ids: readonly number[] }>(
      'gguf',
      'stories260K.karpathy-test.json',
    );
    const model = await loadShared(backend, ['gguf', 'stories260K.gguf']);
    const bos = 1;
    expect(await continueGreedily(model, [bos], 200, run)).toEqual(reference.output_ids);
  });
});
