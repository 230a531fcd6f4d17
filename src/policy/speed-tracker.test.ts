import { expect, it } from 'vitest';
import { SpeedTracker } from './speed-tracker.ts';

const tokens = (tracker: SpeedTracker, count: number, ms: number, plan = 'p', from = 0): void => {
  for (let i = 0; i < count; i++) tracker.record(plan, from + i, ms);
};

it('says nothing before it has seen enough, then how much slower tokens have become', () => {
  const tracker = new SpeedTracker();
  tokens(tracker, 11, 10);
  expect(tracker.ratio).toBeNull();
  tokens(tracker, 1, 10);
  expect(tracker.ratio).toBe(1);
  tokens(tracker, 12, 20);
  expect(tracker.ratio).toBe(0.5);
});

it('is not misled by single slow tokens', () => {
  const tracker = new SpeedTracker();
  for (let i = 0; i < 60; i++) tracker.record('p', i, i % 4 === 0 ? 500 : 10);
  expect(tracker.ratio).toBe(1);
});

it('compares like with like: another plan and a longer conversation are no slowdown', () => {
  const tracker = new SpeedTracker();
  tokens(tracker, 20, 10);
  tokens(tracker, 20, 40, 'one thread');
  expect(tracker.ratio).toBe(1);
  tokens(tracker, 20, 40, 'p', 4000);
  expect(tracker.ratio).toBe(1);
  tokens(tracker, 20, 100, 'p', 4000);
  expect(tracker.ratio).toBe(0.4);
});

it('keeps what was usual over a change of plans, and forgets it with the model', () => {
  const tracker = new SpeedTracker();
  tokens(tracker, 20, 10);
  tracker.restart();
  expect(tracker.ratio).toBeNull();
  tokens(tracker, 12, 30);
  expect(tracker.ratio).toBeCloseTo(1 / 3);
  tracker.forget();
  tokens(tracker, 12, 30);
  expect(tracker.ratio).toBe(1);
});
