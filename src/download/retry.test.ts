import { describe, expect, test } from 'vitest';
import { AppError, type ErrorDetails } from '../common/errors.ts';
import { SpeedMeter } from './progress.ts';
import { type Clock, parseRetryAfter, RetryPolicy, withWatchdog } from './retry.ts';

const clockWith = (random: number): Clock => ({
  now: () => 0,
  random: () => random,
  sleep: () => Promise.resolve(),
});

const network = (details: ErrorDetails = {}): AppError =>
  new AppError('download/network', 'Gone', { details });

describe('retry policy', () => {
  test('waits longer and longer, at most a minute, and gives up after ten tries', () => {
    const policy = new RetryPolicy(clockWith(0.9999999));
    const waits = Array.from({ length: 10 }, () => policy.waitAfter(network()));
    expect(waits.map((wait) => (wait === null ? null : Math.round(wait / 1000)))).toEqual([
      2,
      4,
      8,
      16,
      32,
      60,
      60,
      60,
      60,
      null,
    ]);
  });

  test('never waits less than a second', () => {
    expect(new RetryPolicy(clockWith(0)).waitAfter(network())).toBe(1000);
  });

  test('has all its patience again after progress', () => {
    const policy = new RetryPolicy(clockWith(0));
    for (let failures = 0; failures < 100; failures++) {
      expect(policy.waitAfter(network())).not.toBeNull();
      policy.progressed();
    }
  });

  test('honours Retry-After, but not without end', () => {
    const policy = new RetryPolicy(clockWith(0));
    expect(policy.waitAfter(network({ retryAfterMs: 90_000 }))).toBe(90_000);
    expect(policy.waitAfter(network({ retryAfterMs: 600_001 }))).toBeNull();
  });

  test('tries once more when access is denied, and not at all when nothing is there', () => {
    const policy = new RetryPolicy(clockWith(0));
    const denied = new AppError('download/access-denied', 'No');
    expect(policy.waitAfter(denied)).toBe(0);
    expect(policy.waitAfter(denied)).toBeNull();
    expect(policy.waitAfter(new AppError('download/not-found', 'No'))).toBeNull();
  });
});

test('Retry-After is read as seconds or as a date', () => {
  expect(parseRetryAfter('120', 0)).toBe(120_000);
  expect(parseRetryAfter('Thu, 01 Jan 1970 00:01:00 GMT', 20_000)).toBe(40_000);
  expect(parseRetryAfter('Thu, 01 Jan 1970 00:01:00 GMT', 90_000)).toBe(0);
  expect(parseRetryAfter('soon', 0)).toBeNull();
  expect(parseRetryAfter(null, 0)).toBeNull();
});

describe('watchdog', () => {
  const never: Clock['sleep'] = (_milliseconds, signal) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => {
        reject(new AppError('aborted', 'Off guard'));
      });
    });

  test('lets finished work through, and its errors', async () => {
    const clock = { ...clockWith(0), sleep: never };
    expect(await withWatchdog(Promise.resolve(5), 1, clock)).toBe(5);
    const failure = new Error('mine');
    await expect(withWatchdog(Promise.reject(failure), 1, clock)).rejects.toBe(failure);
  });

  test('ends work that takes too long', async () => {
    const stuck = new Promise(() => undefined);
    await expect(withWatchdog(stuck, 30_000, clockWith(0))).rejects.toMatchObject({
      code: 'download/stalled',
      details: { seconds: 30 },
    });
  });
});

test('the speed meter smooths, and knows the time left only after a while', () => {
  let now = 0;
  const meter = new SpeedMeter(() => now);
  meter.add(1000);
  expect(meter.secondsLeft(1000)).toBeNull();
  for (now = 500; now < 10_000; now += 500) meter.add(500_000);
  expect(meter.bytesPerSecond).toBeCloseTo(1_000_000, -5);
  expect(meter.secondsLeft(5_000_000)).toBeCloseTo(5, 0);
  now += 500;
  meter.add(0);
  expect(meter.bytesPerSecond).toBeGreaterThan(800_000);
  expect(meter.secondsLeft(null)).toBeNull();
});
