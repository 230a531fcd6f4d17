/**
 * Which messages fit into the context. The system messages and the newest turn always stay; whole
 * turns, a question with everything that answered it, are dropped from the oldest on.
 */
import { AppError } from '../common/errors.ts';

export interface BudgetRequest<T extends { readonly role: string }> {
  readonly messages: readonly T[];
  /** Positions of the context. */
  readonly contextTokens: number;
  /** Most tokens that the answer may take. */
  readonly answerTokens: number;
  /** Tokens of the whole prompt made of these messages, the template's own included. */
  readonly countTokens: (messages: readonly T[]) => Promise<number>;
}

export interface Budget<T> {
  readonly messages: readonly T[];
  /** What was left out, oldest first, of which the user is to be told. */
  readonly dropped: readonly T[];
  readonly promptTokens: number;
  /** Room for the answer. */
  readonly answerTokens: number;
}

/** At most this share of the context is kept free for the answer at the cost of older messages. */
const answerShare = 1 / 4;
/** Less room than this for an answer counts as none. */
const leastAnswerTokens = 16;

/**
 * Counts once when everything fits, else about as often as the logarithm of the number of turns.
 * @throws AppError `engine/context-overflow` when not even the newest turn fits
 */
export async function fitToContext<T extends { readonly role: string }>(
  request: BudgetRequest<T>,
): Promise<Budget<T>> {
  const { contextTokens, answerTokens, countTokens } = request;
  const reserve = Math.min(answerTokens, Math.floor(contextTokens * answerShare));
  const turns = splitTurns(request.messages);
  const keep = (dropped: number): T[] => [...turns.system, ...turns.turns.slice(dropped).flat()];
  const budget = (dropped: number, promptTokens: number): Budget<T> => ({
    messages: dropped === 0 ? request.messages : keep(dropped),
    dropped: turns.turns.slice(0, dropped).flat(),
    promptTokens,
    answerTokens: Math.min(answerTokens, contextTokens - promptTokens),
  });

  const whole = await countTokens(request.messages);
  if (whole + reserve <= contextTokens) return budget(0, whole);

  // The fewest turns dropped that fit lie between `low` (too few) and `high` (enough, or all but one).
  let low = 0;
  let high = Math.max(turns.turns.length - 1, 0);
  let promptTokens = high === 0 ? whole : await countTokens(keep(high));
  if (promptTokens + reserve > contextTokens) {
    const least = Math.min(leastAnswerTokens, answerTokens);
    if (promptTokens + least <= contextTokens) return budget(high, promptTokens);
    throw new AppError(
      'engine/context-overflow',
      `The message has ${promptTokens} tokens with its instructions, but the context holds ${contextTokens}. Shorten it, or choose a larger context in the settings.`,
      { details: { tokens: promptTokens, capacity: contextTokens } },
    );
  }
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    const count = await countTokens(keep(middle));
    if (count + reserve <= contextTokens) {
      high = middle;
      promptTokens = count;
    } else {
      low = middle;
    }
  }
  return budget(high, promptTokens);
}

/** System messages apart; each other turn begins with a user message. */
function splitTurns<T extends { readonly role: string }>(
  messages: readonly T[],
): { readonly system: T[]; readonly turns: T[][] } {
  const system: T[] = [];
  const turns: T[][] = [];
  for (const message of messages) {
    const turn = turns.at(-1);
    if (message.role === 'system') system.push(message);
    else if (message.role === 'user' || turn === undefined) turns.push([message]);
    else turn.push(message);
  }
  return { system, turns };
}
