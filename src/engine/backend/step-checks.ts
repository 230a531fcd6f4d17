/** What every backend checks before a step runs, beside whose memory it is. */
import { AppError } from '../../common/errors.ts';
import type { GraphNeeds } from '../graph/graph-needs.ts';
import type { CompileOptions, KvCacheSpec, StepInput } from './backend.ts';

/** What was compiled: the most that a step may have, and what it needs. */
export interface StepLimits extends Pick<CompileOptions, 'maxTokens' | 'maxOutputs'> {
  readonly needs: GraphNeeds;
}

/**
 * @throws AppError `invalid-argument`, `engine/context-overflow`
 */
export function checkStepInput(input: StepInput, limits: StepLimits): void {
  const { tokens, position, outputs, precision, cache } = input;
  const { maxTokens, maxOutputs, needs } = limits;
  const refuse = (message: string): AppError =>
    new AppError('invalid-argument', message, {
      details: { tokens: tokens.length, position, outputs, precision },
    });
  if (tokens.length < 1 || tokens.length > maxTokens) {
    throw refuse('The step has too many tokens or none.');
  }
  const mostOutputs = Math.min(maxOutputs, tokens.length);
  if (!Number.isInteger(outputs) || outputs < 0 || outputs > mostOutputs) {
    throw refuse('The step asks for more results than it has tokens.');
  }
  if (precision !== 8 && precision !== 4 && precision !== 'mixed') {
    throw refuse('The precision must be 8 or 4 bits, or mixed.');
  }
  for (const token of tokens) {
    if (token < 0 || token >= needs.vocabularySize) {
      throw refuse(`The token ${token} is not in the model's vocabulary.`);
    }
  }
  const { spec } = cache;
  if (!fits(spec, needs)) throw refuse('The conversation memory was made for another model.');
  if (!Number.isInteger(position) || position < 0 || position + tokens.length > spec.capacity) {
    throw new AppError(
      'engine/context-overflow',
      'The conversation is longer than the context. Start a new chat or load the model with a longer context.',
      { details: { position, tokens: tokens.length, capacity: spec.capacity } },
    );
  }
  checkPositions(needs.positions, position + tokens.length);
}

/** Models that learned a vector for every position end where their table does. */
export function checkPositions(available: number, needed: number): void {
  if (needed <= available) return;
  throw new AppError(
    'engine/context-overflow',
    `The model knows ${available} positions and the text has ${needed}. Start a new chat or shorten the text.`,
    { details: { capacity: available, needed } },
  );
}

/** Whether a graph finds in a cache what its operators address. */
function fits(spec: KvCacheSpec, { layers, recurrent }: GraphNeeds): boolean {
  const attends = [...layers].every(([layer, needs]) => {
    const shape = spec.layers[layer];
    if (shape === undefined) return false;
    const { kvHeads, headDim, valueDim } = shape;
    return (
      kvHeads * headDim === (needs.keyWidth ?? kvHeads * headDim) &&
      kvHeads * valueDim === (needs.valueWidth ?? kvHeads * valueDim) &&
      kvHeads === (needs.kvHeads ?? kvHeads)
    );
  });
  return attends && [...recurrent].every(([slot, size]) => spec.recurrent?.[slot] === size);
}
