import { describe, expect, test } from 'vitest';
import { hasCode } from '../common/errors.ts';
import { LocalLocks, type LockMode, type Locks } from './locks.ts';

/** Holds a lock until told to let go; resolves once it is held. */
async function take(
  locks: Locks,
  name: string,
  mode: LockMode,
  signal?: AbortSignal,
): Promise<() => Promise<void>> {
  let held: () => void = () => undefined;
  let release: () => void = () => undefined;
  const granted = new Promise<void>((resolve) => {
    held = resolve;
  });
  const work = (): Promise<void> =>
    new Promise((resolve) => {
      release = resolve;
      held();
    });
  const done = locks.hold(name, mode, work, signal);
  await Promise.race([granted, done]);
  return async () => {
    release();
    await done;
  };
}

const isFree = async (locks: Locks, mode: LockMode): Promise<boolean> =>
  (await locks.tryHold('a', mode, () => Promise.resolve())).held;

describe('local locks', () => {
  test('exclude each other, and readers share', async () => {
    const locks = new LocalLocks();
    const writer = await take(locks, 'a', 'exclusive');
    expect(await isFree(locks, 'shared')).toBe(false);
    await writer();
    const readers = [await take(locks, 'a', 'shared'), await take(locks, 'a', 'shared')];
    expect(await isFree(locks, 'shared')).toBe(true);
    expect(await isFree(locks, 'exclusive')).toBe(false);
    for (const reader of readers) await reader();
    expect(await isFree(locks, 'exclusive')).toBe(true);
  });

  test('are granted in the order of asking', async () => {
    const locks = new LocalLocks();
    const first = await take(locks, 'a', 'exclusive');
    const order: string[] = [];
    const waiting = ['x', 'y', 'z'].map((name) =>
      locks.hold('a', 'exclusive', () => Promise.resolve(order.push(name))),
    );
    await first();
    await Promise.all(waiting);
    expect(order).toEqual(['x', 'y', 'z']);
  });

  test('one who stops waiting is passed over, and lets those behind through', async () => {
    const locks = new LocalLocks();
    const reader = await take(locks, 'a', 'shared');
    const abort = new AbortController();
    const writer = locks.hold('a', 'exclusive', () => Promise.resolve(), abort.signal);
    const second = locks.hold('a', 'shared', () => Promise.resolve('second'));
    abort.abort();
    await expect(writer).rejects.toSatisfy((error) => hasCode(error, 'aborted'));
    expect(await second).toBe('second');
    await reader();
  });

  test('are let go when the work fails', async () => {
    const locks = new LocalLocks();
    const failure = new Error('mine');
    await expect(locks.hold('a', 'exclusive', () => Promise.reject(failure))).rejects.toBe(failure);
    expect(await isFree(locks, 'exclusive')).toBe(true);
  });
});
