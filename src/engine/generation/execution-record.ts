/** How the tokens of an answer were computed, for whoever wants to know what an answer cost. */
import type { StepReport } from '../models/language-model.ts';

/** Tokens of an answer, one after the other, that were computed alike. */
export interface TokenStretch extends Pick<
  StepReport,
  'backend' | 'threads' | 'precision' | 'kvType'
> {
  /** Place of the first one in the answer. The answer's first token, 0, comes with the prompt. */
  readonly firstToken: number;
  readonly tokens: number;
  /** Bytes of weights read for each of them; a step that computes several tokens reads them once. */
  readonly weightBytesPerToken: number;
  /** Computing time of all of them. */
  readonly milliseconds: number;
}

export interface AnswerExecution {
  /** Bytes of weights read for the prompt. */
  readonly promptWeightBytes: number;
  /** Bytes of weights read for the answer. */
  readonly answerWeightBytes: number;
  /** In the order of the answer. */
  readonly stretches: readonly TokenStretch[];
}

export class ExecutionRecord {
  #promptWeightBytes = 0;
  #answerWeightBytes = 0;
  #decoded = 0;
  /** Of the last step. */
  #stepBytes = 0;
  readonly #stretches: TokenStretch[] = [];

  prompt(steps: readonly StepReport[]): void {
    for (const { weightBytes } of steps) this.#promptWeightBytes += weightBytes;
  }

  /** Tokens were computed in these steps: one, or more after a device was lost. */
  tokens(count: number, steps: readonly StepReport[], milliseconds: number): void {
    const firstToken = this.#decoded + 1;
    this.#decoded += count;
    const last = steps.at(-1);
    if (last === undefined) return;
    const stepBytes = steps.reduce((sum, step) => sum + step.weightBytes, 0);
    this.#answerWeightBytes += stepBytes;
    const { backend, threads, precision, kvType } = last;
    const before = this.#stretches.at(-1);
    const alike =
      before !== undefined &&
      before.backend === backend &&
      before.threads === threads &&
      before.precision === precision &&
      before.kvType === kvType &&
      this.#stepBytes === stepBytes;
    this.#stepBytes = stepBytes;
    if (alike) {
      const tokens = before.tokens + count;
      const total = before.milliseconds + milliseconds;
      const weightBytesPerToken = (before.weightBytesPerToken * before.tokens + stepBytes) / tokens;
      const stretch = { ...before, tokens, weightBytesPerToken, milliseconds: total };
      this.#stretches[this.#stretches.length - 1] = stretch;
      return;
    }
    this.#stretches.push({
      firstToken,
      tokens: count,
      backend,
      threads,
      precision,
      kvType,
      weightBytesPerToken: stepBytes / count,
      milliseconds,
    });
  }

  execution(): AnswerExecution {
    return {
      promptWeightBytes: this.#promptWeightBytes,
      answerWeightBytes: this.#answerWeightBytes,
      stretches: [...this.#stretches],
    };
  }
}
