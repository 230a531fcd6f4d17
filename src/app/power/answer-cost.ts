/** What an answer cost, as it is kept with its message. */
import type { MessageStats, MessageStretch } from '../../conversation/conversation-types.ts';
import type { GenerationStats } from '../../engine/generation/stats.ts';

/** More ways to compute one answer are not worth telling apart. */
const MOST_STRETCHES = 20;

/** @param watts mean power of the device while it computes; null where nobody knows */
export function messageStats(stats: GenerationStats, watts: number | null): MessageStats {
  const { execution, guessedTokens: _guessedTokens, ...rest } = stats;
  const stretches = alike(execution.stretches);
  const milliseconds = stretches.reduce((sum, each) => sum + each.milliseconds, 0);
  const seconds = (rest.timeToFirstTokenMs + milliseconds) / 1000;
  return { ...rest, stretches, ...(watts === null ? {} : { joules: watts * seconds }) };
}

/** Tokens that were computed in the same way are told together, wherever in the answer they are. */
function alike(stretches: GenerationStats['execution']['stretches']): readonly MessageStretch[] {
  const kinds = new Map<string, MessageStretch>();
  for (const stretch of stretches) {
    const { precision, backend, threads, tokens, weightBytesPerToken, milliseconds } = stretch;
    const key = [precision, backend, threads, weightBytesPerToken].join(' ');
    const before = kinds.get(key) ?? {
      precision,
      backend,
      threads,
      weightBytesPerToken,
      tokens: 0,
      milliseconds: 0,
    };
    kinds.set(key, {
      ...before,
      tokens: before.tokens + tokens,
      milliseconds: before.milliseconds + milliseconds,
    });
  }
  return [...kinds.values()].slice(0, MOST_STRETCHES);
}
