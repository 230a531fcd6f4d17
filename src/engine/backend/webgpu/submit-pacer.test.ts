import { expect, it } from 'vitest';
import { SubmitPacer, unitsOf } from './submit-pacer.ts';

it('counts bytes and products', () => {
  expect(unitsOf({ bytesRead: 100, bytesWritten: 20, multiplyAdds: 40 })).toBe(130);
});

it('believes that work is slow at once, and that it is fast after a while', () => {
  const pacer = new SubmitPacer();
  const first = pacer.estimate(1e8);
  pacer.learn(1e8, first);
  pacer.learn(1e8, 10 * first);
  expect(pacer.estimate(1e8)).toBeCloseTo(10 * first);
  pacer.learn(1e8, first);
  expect(pacer.estimate(1e8)).toBeGreaterThan(5 * first);
  for (let i = 0; i < 40; i++) pacer.learn(1e8, first);
  expect(pacer.estimate(1e8)).toBeCloseTo(first);
});

it('does not learn from work so small that the way there took the time', () => {
  const pacer = new SubmitPacer();
  const before = pacer.estimate(1e8);
  pacer.learn(1000, 50);
  expect(pacer.estimate(1e8)).toBe(before);
});

it('takes the first measurement for what it is, and the first one after forgetting', () => {
  const pacer = new SubmitPacer();
  const guessed = pacer.estimate(1e8);
  pacer.learn(1e8, guessed / 100);
  expect(pacer.estimate(1e8)).toBeCloseTo(guessed / 100);
  pacer.learn(1e8, guessed / 200);
  expect(pacer.estimate(1e8)).toBeGreaterThan(guessed / 150);
  pacer.forget();
  pacer.learn(1e8, guessed / 200);
  expect(pacer.estimate(1e8)).toBeCloseTo(guessed / 200);
});
