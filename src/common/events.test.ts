import { expect, it, vi } from 'vitest';
import { Emitter } from './events.ts';

it('goes on after a listener that throws, and reports the error', async () => {
  const uncaught: unknown[] = [];
  const schedule = vi.spyOn(globalThis, 'queueMicrotask').mockImplementation((task) => {
    try {
      task();
    } catch (error) {
      uncaught.push(error);
    }
  });
  const emitter = new Emitter<number>();
  const seen: number[] = [];
  const problem = new Error('broken listener');
  emitter.on(() => {
    throw problem;
  });
  emitter.on((value) => {
    seen.push(value);
  });
  emitter.emit(1);
  schedule.mockRestore();
  expect(seen).toEqual([1]);
  expect(uncaught).toEqual([problem]);
});

it('calls a listener as often as it was added, until it is removed', () => {
  const emitter = new Emitter<string>();
  const seen: string[] = [];
  const listener = (value: string): void => {
    seen.push(value);
  };
  const stop = emitter.on(listener);
  emitter.on(listener);
  emitter.emit('a');
  stop();
  emitter.emit('b');
  expect(seen).toEqual(['a', 'a', 'b']);
});
