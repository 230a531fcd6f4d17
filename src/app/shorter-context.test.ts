import { expect, it } from 'vitest';
import { AppError } from '../common/errors.ts';
import { shorterContext } from './shorter-context.ts';

const outOfMemory = (details = {}): AppError =>
  new AppError('engine/out-of-memory', 'No memory', { details });

it('takes what would fit, else half, and gives up where that is of no use', () => {
  expect(shorterContext(outOfMemory({ largestContext: 1500 }), 4096)).toBe(1500);
  expect(shorterContext(outOfMemory({ largestContext: 255 }), 4096)).toBeNull();
  expect(shorterContext(outOfMemory({ largestContext: 256 }), 4096)).toBe(256);
  expect(shorterContext(outOfMemory(), 4096)).toBe(2048);
  expect(shorterContext(outOfMemory(), 511)).toBeNull();
  expect(shorterContext(outOfMemory({ largestContext: 4096 }), 4096)).toBeNull();
  expect(shorterContext(new AppError('store/damaged', 'No'), 4096)).toBeNull();
});
