import { expect, it } from 'vitest';
import { stats } from '../../../test/fixtures/scripted-engine.ts';
import type { TokenStretch } from '../../engine/generation/execution-record.ts';
import { messageStats } from './answer-cost.ts';

const stretch = (change: Partial<TokenStretch>): TokenStretch => ({
  backend: 'wasm',
  threads: 2,
  precision: 8,
  kvType: 'f16',
  firstToken: 1,
  tokens: 10,
  weightBytesPerToken: 850,
  milliseconds: 100,
  ...change,
});

const cost = (watts: number | null) =>
  messageStats(
    {
      ...stats,
      timeToFirstTokenMs: 700,
      execution: {
        promptWeightBytes: 5,
        answerWeightBytes: 6,
        stretches: [
          stretch({}),
          stretch({ precision: 4, weightBytesPerToken: 450, tokens: 4, milliseconds: 20 }),
          stretch({ tokens: 20, milliseconds: 180 }),
        ],
      },
    },
    watts,
  );

it('tells tokens that were computed alike together', () => {
  expect(cost(null).stretches).toMatchObject([
    { precision: 8, tokens: 30, milliseconds: 280, weightBytesPerToken: 850 },
    { precision: 4, tokens: 4, milliseconds: 20, weightBytesPerToken: 450 },
  ]);
  expect(cost(null)).not.toHaveProperty('execution');
});

it('estimates the energy from the time it took, where the power is known', () => {
  expect(cost(null)).not.toHaveProperty('joules');
  expect(cost(20).joules).toBeCloseTo(20);
});
