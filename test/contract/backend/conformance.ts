/**
 * The contract of `Backend`, run over every implementation: each operator on odd shapes, every
 * tensor type in both storages, caches, and what happens when something is wrong.
 *
 * Errors are squared error over squared truth. What a backend rounds on purpose (activations to 8
 * bits, caches to float16) shows in the limits it is called with, and nowhere else.
 */
import { afterAll, afterEach, beforeEach, describe } from 'vitest';
import type { Backend } from '../../../src/engine/backend/backend.ts';
import { kernelBuildTimeoutMs } from '../../fixtures/kernel-build-timeout.ts';
import { describeAhead } from './ahead-contract.ts';
import { describeAttention } from './attention-contract.ts';
import { Bench } from './bench.ts';
import { describeCandidates } from './candidates-contract.ts';
import { describeExperts } from './experts-contract.ts';
import { describeGraphs } from './graphs-contract.ts';
import { describeLayers } from './layers-contract.ts';
import { describeMatmul } from './matmul-contract.ts';
import { describeRecurrent } from './recurrent-contract.ts';
import { describeRowOperators } from './row-operators-contract.ts';
import type { Suite, Tolerances } from './suite.ts';
import { describeWeights } from './weights-contract.ts';

/** @param options `oneForAll`: the backend costs too much to be made for every test */
export function describeBackend(
  name: string,
  create: () => Promise<Backend>,
  tolerances: Tolerances,
  { oneForAll = false }: { readonly oneForAll?: boolean } = {},
): void {
  describe(`${name} backend`, () => {
    let backend: Backend;
    let bench: Bench;
    let made: Backend | null = null;
    beforeEach(async () => {
      backend = made ?? (await create());
      if (oneForAll) made = backend;
      bench = new Bench(backend);
    }, kernelBuildTimeoutMs);
    afterEach(() => {
      if (!oneForAll) backend.dispose();
    });
    afterAll(() => {
      made?.dispose();
    });

    const suite: Suite = {
      get bench() {
        return bench;
      },
      tolerances,
    };
    describe('weights', () => {
      describeWeights(suite);
    });
    describe('row operators', () => {
      describeRowOperators(suite);
    });
    describe('matmul', () => {
      describeMatmul(suite);
    });
    describe('attention', () => {
      describeAttention(suite);
    });
    describe('recurrent', () => {
      describeRecurrent(suite);
    });
    describe('experts', () => {
      describeExperts(suite);
    });
    describe('graphs', () => {
      describeGraphs(suite);
    });
    describe('candidates', () => {
      describeCandidates(suite);
    });
    describe('steps ahead', () => {
      describeAhead(suite);
    });
    describe('layers', () => {
      describeLayers(suite);
    });
  });
}
