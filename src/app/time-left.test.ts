import { expect, it } from 'vitest';
import { TimeLeft } from './time-left.ts';

it('tells the time left of each phase from its own pace', () => {
  let now = 5000;
  const time = new TimeLeft(() => now);
  expect(time.after('first', 0)).toBeNull();
  now += 1999;
  expect(time.after('first', 0.5)).toBeNull();
  now += 1;
  expect(time.after('first', 0.009)).toBeNull();
  expect(time.after('first', 0.5)).toBe(2);
  now += 8000;
  expect(time.after('second', 0.1)).toBeNull();
  now += 4000;
  expect(time.after('second', 0.6)).toBeCloseTo(3.2);
});
