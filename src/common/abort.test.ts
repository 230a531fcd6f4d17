import { describe, expect, it } from 'vitest';
import { delay, throwIfAborted, untilAborted } from './abort.ts';

describe('a wait that can be given up', () => {
  it('settles as what it waits for', async () => {
    const { signal } = new AbortController();
    await expect(untilAborted(Promise.resolve(5), signal)).resolves.toBe(5);
    await expect(untilAborted(Promise.resolve(5))).resolves.toBe(5);
    const failure = new Error('no');
    await expect(untilAborted(Promise.reject(failure), signal)).rejects.toBe(failure);
  });

  it('ends with the signal, before and while waiting', async () => {
    const never = new Promise<never>(() => undefined);
    const aborted = { code: 'aborted' };
    await expect(untilAborted(never, AbortSignal.abort())).rejects.toMatchObject(aborted);
    const controller = new AbortController();
    const waiting = untilAborted(never, controller.signal);
    controller.abort();
    await expect(waiting).rejects.toMatchObject(aborted);
    const sleeping = delay(1e9, controller.signal);
    await expect(sleeping).rejects.toMatchObject(aborted);
    expect(() => {
      throwIfAborted(controller.signal);
    }).toThrow('stopped');
  });

  it('leaves no rejection behind that nobody hears', async () => {
    let fail = (): void => undefined;
    const later = new Promise<never>((_, reject) => {
      fail = () => {
        reject(new Error('late'));
      };
    });
    await expect(untilAborted(later, AbortSignal.abort())).rejects.toMatchObject({
      code: 'aborted',
    });
    fail();
    // An unhandled rejection would fail the run.
    await new Promise((resolve) => setImmediate(resolve));
  });
});
