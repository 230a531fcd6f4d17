import { describe, expect, it } from 'vitest';
import type { AppError } from '../../common/errors.ts';
import { createLogitsProcessors, noPenalties } from './logits-processors.ts';
import type { PenaltyOptions } from './logits-processors.ts';

function processed(
  options: Partial<PenaltyOptions>,
  prompt: readonly number[],
  answer: readonly number[],
  logits: readonly number[],
): number[] {
  const processors = createLogitsProcessors({ ...noPenalties, ...options }, logits.length);
  const changed = Float32Array.from(logits);
  for (const processor of processors) {
    for (const token of prompt) processor.accept(token, 'prompt');
    for (const token of answer) processor.accept(token, 'generated');
    processor.process(changed);
  }
  return [...changed];
}

describe('createLogitsProcessors', () => {
  it('does nothing when everything is off', () => {
    expect(createLogitsProcessors(noPenalties, 10)).toEqual([]);
  });

  it('divides positive and multiplies negative logits, once per token, prompt included', () => {
    const logits = processed({ repetitionPenalty: 2 }, [0, 1], [1, 1], [4, -4, 4]);
    expect(logits).toEqual([2, -8, 4]);
  });

  it('looks back no further than the window', () => {
    const options = { repetitionPenalty: 2, repetitionWindow: 2 };
    expect(processed(options, [0, 1], [2], [4, 4, 4])).toEqual([4, 2, 2]);
  });

  it('subtracts frequency and presence penalties of the answer only', () => {
    const options = { frequencyPenalty: 0.5, presencePenalty: 1 };
    expect(processed(options, [2, 2], [0, 0, 1], [4, 4, 4])).toEqual([2, 2.5, 4]);
  });

  it('adds biases', () => {
    expect(processed({ logitBias: new Map([[1, -100]]) }, [], [], [1, 2])).toEqual([1, -98]);
  });

  it('forgets on reset', () => {
    const [repetition, occurrence] = createLogitsProcessors(
      { ...noPenalties, repetitionPenalty: 2, presencePenalty: 1 },
      1,
    );
    for (const processor of [repetition!, occurrence!]) {
      const logits = Float32Array.of(4);
      processor.accept(0, 'generated');
      processor.reset();
      processor.process(logits);
      expect(logits[0]).toBe(4);
    }
  });

  it.each<Partial<PenaltyOptions>>([
    { repetitionPenalty: 0 },
    { repetitionWindow: -1 },
    { frequencyPenalty: 2.1 },
    { presencePenalty: NaN },
    { logitBias: new Map([[10, 1]]) },
    { logitBias: new Map([[-1, 1]]) },
    { logitBias: new Map([[1, Infinity]]) },
  ])('refuses %o', (change) => {
    expect(() => createLogitsProcessors({ ...noPenalties, ...change }, 10)).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }) as AppError,
    );
  });
});
