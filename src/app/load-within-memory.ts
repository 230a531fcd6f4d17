/**
 * Loads a model with as much of what was wished for as memory allows: first all its bits, then 4 of
 * each weight, then 4 with a shorter context. What still does not fit is refused with the numbers.
 */
import { hasCode } from '../common/errors.ts';
import type { RuntimeLoadOptions } from './model-runtime.ts';
import { shorterContext } from './shorter-context.ts';

/** @throws AppError `engine/out-of-memory`, and what `load` throws */
export async function loadWithinMemory<T extends RuntimeLoadOptions>(
  wanted: T,
  load: (options: T) => Promise<unknown>,
): Promise<T> {
  try {
    await load(wanted);
    return wanted;
  } catch (error) {
    if (!hasCode(error, 'engine/out-of-memory')) throw error;
    // Bits that a person chose are not taken away.
    if (wanted.precision === 'auto') {
      const saving: T = { ...wanted, precision: 4, reducedTo4: true };
      return await loadWithinMemory(saving, load);
    }
    const contextLength = shorterContext(error, wanted.contextLength);
    if (contextLength === null) throw error;
    const shorter: T = { ...wanted, contextLength };
    await load(shorter);
    return shorter;
  }
}
