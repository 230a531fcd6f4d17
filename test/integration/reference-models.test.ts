/**
 * Whole models against independent float32 implementations: the reference backend must agree to
 * rounding, so that it may serve as the truth for the others.
 */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ReferenceBackend } from '../../src/engine/backend/reference/reference-backend.ts';
import { fixtureModels, sharedModels } from '../fixtures/shared-models.ts';
import type { FixtureReference, StoryReference } from './reference-files.ts';
import {
  continueGreedily,
  fixtureLogits,
  lastLogits,
  loadShared,
  modelFixtures,
  normalisedError,
  readJson,
} from './reference-files.ts';

const all = await modelFixtures();
const fixtures = all
  .filter(({ kind, refusal }) => kind === 'logits' && refusal === null)
  .map(({ name }) => name);

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

describe.skipIf(fixtureModels === null)('reference backend', () => {
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

  it.for(all.filter(({ refusal }) => refusal !== null))(
    '$name is refused by its name',
    ({ architecture, refusal }) => {
      expect(refusal?.code).toBe('model-file/unsupported-architecture');
      expect(refusal?.message).toContain(architecture);
    },
  );

  it.skipIf(sharedModels === null).each(stories)('%s continues its stories', async (name) => {
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

  it.skipIf(sharedModels === null)('tells 200 tokens of the upstream story', async () => {
    const reference = readJson<{ readonly output_ids: readonly number[] }>(
      'gguf',
      'stories260K.karpathy-test.json',
    );
    const model = await loadShared(backend, ['gguf', 'stories260K.gguf']);
    const bos = 1;
    expect(await continueGreedily(model, [bos], 200, run)).toEqual(reference.output_ids);
  });
});
