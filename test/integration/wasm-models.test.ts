/**
 * Whole models on the WASM backend, in its three precisions, against independent float32
 * implementations. Prints the error of every file beside llama.cpp's own, which rounds activations
 * to 8 bits too: that is the yardstick.
 */
import { writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Backend } from '../../src/engine/backend/backend.ts';
import type { LanguageModel } from '../../src/engine/models/language-model.ts';
import { planModel } from '../../src/engine/weights/weight-loader.ts';
import { fixtureModels, sharedModels } from '../fixtures/shared-models.ts';
import { RoundingBackend } from '../fixtures/rounding-backend.ts';
import { createWasmBackend, kernelBuildTimeoutMs } from '../fixtures/wasm-backend.ts';
import { accuracyTable, type Column, type Row } from './accuracy-table.ts';
import { floatLimit, isFloatFile, limit, modes, stories } from './model-limits.ts';
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

/** Of the error that weights of 8 bits cause when all else is exact. */
const besideRoundedWeights = 3;
/** Below this, rounded activations alone are most of it. */
const planesFloor = 2e-3;

const measured = new Map<string, Map<Column, Row>>();

function report(file: string, column: Column, row: Row): void {
  const cells = [
    file.padEnd(24),
    String(column).padStart(6),
    row.nmse.toExponential(1).padStart(9),
    (row.yardstick?.toExponential(1) ?? '').padStart(9),
    (row.top1?.join('/') ?? '').padStart(8),
  ];
  table.push(cells.join(' '));
  measured.set(file, (measured.get(file) ?? new Map<Column, Row>()).set(column, row));
}

describe.skipIf(fixtureModels === null)('WASM backend', () => {
  let backend: Backend;
  beforeEach(async () => {
    backend = await createWasmBackend();
  }, kernelBuildTimeoutMs);
  afterEach(() => {
    backend.dispose();
  });
  afterAll(() => {
    const head = `${'file'.padEnd(24)}   mode      NMSE yardstick   top-1`;
    console.info(['', head, ...table].join('\n'));
    const target = process.env['HERMIT_ACCURACY'];
    if (target !== undefined) writeFileSync(target, accuracyTable(measured));
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
      report(name, mode, { nmse: worst, yardstick, top1: [same, steps] });
      const most = limit(name, mode, yardstick);
      expect(worst).toBeLessThan(most);
      if (most === floatLimit) expect(same).toBe(steps);
    });

    it.skipIf(sharedModels === null).each(stories)('%s', async (name) => {
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
      report(name, mode, { nmse: worst, yardstick: null, top1: [same, steps] });
      const most = limit(name, mode, null);
      expect(worst).toBeLessThan(most);
      if (most === floatLimit) expect(same).toBe(steps);
    });
  });

  it.each(fixtures.filter(isFloatFile))(
    '%s on planes of 8 bits is as near as weights of 8 bits can be',
    async (name) => {
      const reference = readJson<FixtureReference>('fixtures', 'models', `${name}.reference.json`);
      const path = ['fixtures', 'models', `${name}.gguf`];
      const rounding = new RoundingBackend();
      // loaded for 4 bits, so that they lie in planes, of which both are read
      const [planes, exact] = [
        await loadShared(backend, path, 4, reference.n_ctx),
        await loadShared(rounding, path, 4, reference.n_ctx),
      ];
      const run = { precision: 8, kvType } as const;
      let [worst, rounded] = [0, 0];
      for (const example of reference.cases) {
        const expected = fixtureLogits(reference, example);
        const error = async (model: LanguageModel): Promise<number> =>
          normalisedError(
            await lastLogits(model, example.tokens, example.logits.rows, run),
            expected,
          );
        worst = Math.max(worst, await error(planes));
        rounded = Math.max(rounded, await error(exact));
      }
      report(name, 'planes', { nmse: worst, yardstick: rounded, top1: null });
      rounding.dispose();
      expect(worst).toBeLessThan(Math.max(planesFloor, besideRoundedWeights * rounded));
    },
  );

  it.skipIf(sharedModels === null)('tells 200 tokens of the upstream story', async () => {
    const reference = readJson<{ readonly output_ids: readonly number[] }>(
      'gguf',
      'stories260K.karpathy-test.json',
    );
    const model = await loadShared(backend, ['gguf', 'stories260K.gguf']);
    const run = { precision: 8, kvType } as const;
    expect(await continueGreedily(model, [1], 200, run)).toEqual(reference.output_ids);
  });

  it.skipIf(sharedModels === null).each(['f32', 'f16', 'q8'] as const)(
    'needs the memory that was planned, %s',
    async (type) => {
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
    },
  );
});
