/**
 * Whole models on the WebGPU backend (Dawn in Node), in its three precisions, within the limits of the
 * WASM backend.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hasCode } from '../../src/common/errors.ts';
import type { Backend } from '../../src/engine/backend/backend.ts';
import { sharedModels } from '../fixtures/shared-models.ts';
import { kernelBuildTimeoutMs } from '../fixtures/wasm-backend.ts';
import { createDawnBackend, dawnGpu } from '../fixtures/webgpu-backend.ts';
import { floatLimit, limit, modes, stories } from './model-limits.ts';
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

const fixtures = (await modelFixtures())
  .filter(({ kind, refusal }) => kind === 'logits' && refusal === null)
  .map(({ name }) => name);

const kvType = 'f32';
/** Tokens of a greedy continuation that are compared: each is a step of its own. */
const greedyTokens = 3;
/** Prompts of a file: software adapters take a second for each step. */
const mostCases = 1;

describe.skipIf(sharedModels === null || dawnGpu === null)('WebGPU backend', () => {
  let backend: Backend;
  beforeAll(async () => {
    backend = await createDawnBackend();
  }, kernelBuildTimeoutMs);
  afterAll(() => {
    backend.dispose();
  });

  describe.each(modes)('precision %s', { timeout: 300_000 }, (mode) => {
    const run = { precision: mode === 'auto' ? 8 : mode, kvType } as const;

    it.for(fixtures)('%s', async (name, context) => {
      const reference = readJson<FixtureReference>('fixtures', 'models', `${name}.reference.json`);
      const path = ['fixtures', 'models', `${name}.gguf`];
      const model = await loadShared(backend, path, mode, reference.n_ctx).catch(
        (error: unknown) => {
          context.skip(hasCode(error, 'not-supported'), String(error));
          throw error;
        },
      );
      const known = Object.values(reference.llamacpp.cases).map(({ nmse }) => nmse);
      const yardstick = Math.max(0, ...known);
      let [worst, wrong] = [0, 0];
      for (const example of reference.cases.slice(0, mostCases)) {
        const logits = await lastLogits(model, example.tokens, example.logits.rows, run);
        worst = Math.max(worst, normalisedError(logits, fixtureLogits(reference, example)));
        const tokens = example.greedy.tokens.slice(0, greedyTokens);
        const chosen = await continueGreedily(model, example.tokens, tokens.length, run, tokens);
        const { margins } = example.greedy;
        wrong += chosen.filter((token, step) => {
          return token !== tokens[step] && (margins[step] ?? 0) >= 1e-3;
        }).length;
      }
      model.dispose();
      const most = limit(name, mode, yardstick);
      expect(worst).toBeLessThan(most);
      if (most === floatLimit) expect(wrong).toBe(0);
    });

    it.each(stories)('%s', async (name) => {
      const reference = readJson<StoryReference>('gguf', `${name}.gguf.reference.json`);
      const model = await loadShared(backend, ['gguf', `${name}.gguf`], mode);
      let [worst, wrong] = [0, 0];
      for (const { input_ids, output_ids, first_step_logits } of reference.cases.slice(
        0,
        mostCases,
      )) {
        const logits = await lastLogits(model, input_ids, 1, run);
        worst = Math.max(worst, normalisedError(logits, Float32Array.from(first_step_logits)));
        const tokens = output_ids.slice(0, greedyTokens);
        const chosen = await continueGreedily(model, input_ids, tokens.length, run, tokens);
        wrong += chosen.filter((token, step) => token !== tokens[step]).length;
      }
      model.dispose();
      const most = limit(name, mode, null);
      expect(worst).toBeLessThan(most);
      if (most === floatLimit) expect(wrong).toBe(0);
    });
  });
});
