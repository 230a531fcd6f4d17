/** A model that does not fit with the context a person wished for may fit with a shorter one. */
import { hasCode } from '../common/errors.ts';

/** Below this a chat is no pleasure: then the person is better told that the model is too large. */
const shortestWorthwhile = 256;

/**
 * The context to try after memory ran out with `contextLength` tokens: what the plan says would fit,
 * else half. Null where it is of no use, or the load failed for another reason.
 */
export function shorterContext(error: unknown, contextLength: number): number | null {
  if (!hasCode(error, 'engine/out-of-memory')) return null;
  const largest = error.details['largestContext'];
  const shorter = typeof largest === 'number' ? largest : Math.floor(contextLength / 2);
  return shorter >= shortestWorthwhile && shorter < contextLength ? shorter : null;
}
