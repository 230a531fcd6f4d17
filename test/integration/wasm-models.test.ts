/**
 * Whole models on the WASM backend, in its three precisions, against independent float32
 * implementations. Prints the error of every file beside llama.cpp's own, which rounds activations
 * to 8 bits too: that is the yardstick.
 */
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Backend } from '../../src/engine/backend/backend.ts';
import { planModel } from '../../src/engine/weights/weight-loader.ts';
import { sharedModels } from '../fixtures/shared-models.ts';
import { createWasmBackend, kernelBuildTimeoutMs } from '../fixtures/wasm-backend.ts';
import { floatLimit, limit, modes, stories, type Mode } from './model-limits.ts';
import type { FixtureReference, StoryReference } from './reference-files.ts';
import {
  continueGreedily,
  fixtureLogits,
  lastLogits,
  loadShared,
  modelFixtures,
  normalisedError,
  readHeader,
  readJson,
} from './reference-files.ts';

const all = await modelFixtures();
const fixtures = all
  .filter(({ kind, refusal }) => kind === 'logits' && refusal === null)
  .map(({ name }) => name);

const kvType = 'f32';
const table: string[] = [];

function report(file: string, mode: Mode, error: number, yardstick: number | null, greedy: string) {
  const cells = [
    file.padEnd(24),
    String(mode).padStart(4),
    error.toExponential(1).padStart(9),
    (yardstick?.toExponential(1) ?? '').padStart(9),
    greedy.padStart(8),
  ];
  table.push(cells.join(' '));
}

describe.skipIf(sharedModels === null)('WASM backend', () => {
  let backend: Backend;
  beforeEach(async () => {
    backend = await createWasmBackend();
  }, kernelBuildTimeoutMs);
  afterEach(() => {
    backend.dispose();
  });
  afterAll(() => {
    const head = `${'file'.padEnd(24)} mode      NMSE llama.cpp   greedy`;
    console.info(['', head, ...table].join('\n'));
  });

  describe.each(modes)('precision %s', (mode) => {
    const run = { precision: mode === 'auto' ? 8 : mode, kvType } as const;

    it.each(fixtures)('%s', async (name) => {
      const reference = readJson<FixtureReference>('fixtures', 'models', `${name}.reference.json`);
      const model = await loadShared(
        backend,
        ['fixtures', 'models', `${name}.gguf`],
        mode,
        reference.n_ctx,
      );
      let [worst, yardstick, same, steps] = [0, 0, 0, 0];
      for (const example of reference.cases) {
        const logits = await lastLogits(model, example.tokens, example.logits.rows, run);
        worst = Math.max(worst, normalisedError(logits, fixtureLogits(reference, example)));
        yardstick = Math.max(yardstick, reference.llamacpp.cases[example.name]?.nmse ?? 0);
        const { tokens, margins } = example.greedy;
        const chosen = await continueGreedily(model, example.tokens, tokens.length, run, tokens);
        steps += chosen.length;
        same += chosen.filter((token, step) => {
          return token === tokens[step] || (margins[step] ?? 0) < 1e-3;
        }).length;
      }
      report(name, mode, worst, yardstick, `${same}/${steps}`);
      const most = limit(name, mode, yardstick);
      expect(worst).toBeLessThan(most);
      if (most === floatLimit) expect(same).toBe(steps);
    });

    it.each(stories)('%s', async (name) => {
      const reference = readJson<StoryReference>('gguf', `${name}.gguf.reference.json`);
      const model = await loadShared(backend, ['gguf', `${name}.gguf`], mode);
      let [worst, same, steps] = [0, 0, 0];
      for (const { input_ids, output_ids, first_step_logits } of reference.cases) {
        const logits = await lastLogits(model, input_ids, 1, run);
        worst = Math.max(worst, normalisedError(logits, Float32Array.from(first_step_logits)));
        const count = output_ids.length;
        const chosen = await continueGreedily(model, input_ids, count, run, output_ids);
        steps += count;
        same += chosen.filter((token, step) => token === output_ids[step]).length;
      }
      report(name, mode, worst, null, `${same}/${steps}`);
      const most = limit(name, mode, null);
      expect(worst).toBeLessThan(most);
      if (most === floatLimit) expect(same).toBe(steps);
    });
  });

  it('tells 200 tokens of the upstream story', async () => {
    const reference = readJson<{ readonly output_ids: readonly number[] }>(
      'gguf',
      'stories260K.karpathy-test.json',
    );
    const model = await loadShared(backend, ['gguf', 'stories260K.gguf']);
    const run = { precision: 8, kvType } as const;
    expect(await continueGreedily(model, [1], 200, run)).toEqual(reference.output_ids);
  });

  it.each(['f32', 'f16', 'q8'] as const)('needs the memory that was planned, %s', async (type) => {
    for (const path of [
      ['gguf', 'TinyStories-656K-Q5_1.gguf'],
      ['gguf', 'TinyStories-656K-Q4_0.gguf'],
      ['gguf', 'stories260K.gguf'],
      ['fixtures', 'models', 'llama-k.Q4_K_M.gguf'],
      ['fixtures', 'models', 'llama-k.Q5_K.gguf'],
      ['fixtures', 'models', 'llama-k.EXOTIC.gguf'],
    ]) {
      const file = await readHeader(path);
      const plan = planModel(file, { precision: 'auto', kvType: type });
      const model = await loadShared(backend, path, 'auto');
      const state = model.createState({ capacity: plan.contextLength, kvType: type });
      // beside the numbers there is a descriptor of less than 64 bytes for each
      const weights = backend.memory().weightBytes - plan.weightBytes;
      expect(weights).toBeGreaterThanOrEqual(0);
      expect(weights).toBeLessThan(64 * file.tensors.size);
      expect(state.bytes - plan.cacheBytes).toBeGreaterThanOrEqual(0);
      expect(state.bytes - plan.cacheBytes).toBeLessThan(64);
      model.dispose();
    }
  });
});
