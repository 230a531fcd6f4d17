import { expect, it } from 'vitest';
import { AppError } from '../common/errors.ts';
import { loadWithinMemory } from './load-within-memory.ts';
import type { RuntimeLoadOptions } from './model-runtime.ts';

/** A load that refuses what `fits` does not take, and the largest context that would do. */
function device(fits: (options: RuntimeLoadOptions) => boolean, largestContext = 1000) {
  const tried: unknown[] = [];
  const load = (options: RuntimeLoadOptions): Promise<void> => {
    tried.push([options.precision, options.contextLength]);
    if (fits(options)) return Promise.resolve();
    const details = { largestContext };
    return Promise.reject(new AppError('engine/out-of-memory', 'too large', { details }));
  };
  return { tried, load };
}

const wanted: RuntimeLoadOptions = { precision: 'auto', contextLength: 4096 };

it('takes the finer half of the weights first, then the length of the context', async () => {
  const whole = device(() => true);
  expect(await loadWithinMemory(wanted, whole.load)).toBe(wanted);
  const four = device(({ precision }) => precision === 4);
  expect(await loadWithinMemory(wanted, four.load)).toEqual({
    precision: 4,
    contextLength: 4096,
    reducedTo4: true,
  });
  const short = device(({ precision, contextLength }) => precision === 4 && contextLength <= 1000);
  expect(await loadWithinMemory(wanted, short.load)).toMatchObject({ contextLength: 1000 });
  expect(short.tried).toEqual([
    ['auto', 4096],
    [4, 4096],
    [4, 1000],
  ]);
});

it('refuses what does not fit even so, and takes no bits that a person chose', async () => {
  const none = device(() => false);
  await expect(loadWithinMemory(wanted, none.load)).rejects.toMatchObject({
    code: 'engine/out-of-memory',
  });
  const chosen = device(({ contextLength }) => contextLength <= 1000);
  expect(await loadWithinMemory({ ...wanted, precision: 8 }, chosen.load)).toEqual({
    precision: 8,
    contextLength: 1000,
  });
});

it('passes on what is no lack of memory', async () => {
  const damaged = new AppError('store/damaged', 'broken');
  await expect(loadWithinMemory(wanted, () => Promise.reject(damaged))).rejects.toBe(damaged);
});
