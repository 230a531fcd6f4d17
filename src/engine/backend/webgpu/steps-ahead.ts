/**
 * Steps of an answer that are under way before their tokens are known here.
 *
 * Reading a result back takes a millisecond or more, in which the graphics card would wait for the next
 * step. So it chooses the next token itself (wgsl/choose_f32.wgsl) and begins the step; what it chose
 * comes back with the candidates, of which the caller makes the choice that counts. Mostly the two are
 * the same, and the next step is under way or done. Where they differ (the other choice, a stop, another
 * conversation) the steps ahead are void: what they wrote lies behind the end of the conversation, and
 * is overwritten before anything reads it.
 */
import type { ExpectedChoice, StepInput, TopLogits, TopRequest } from '../backend.ts';
import type { GpuCache } from './gpu-cache.ts';
import type { GpuExecutable } from './gpu-executable.ts';
import type { StepEncoder, StepTokens } from './step-encoder.ts';
import { LONGEST_DISPATCH_MS, type SubmitPacer } from './submit-pacer.ts';
import type { TopCandidates } from './top-candidates.ts';

/** The conversation that steps ahead belong to, and how they are computed. */
interface Course {
  readonly executable: GpuExecutable;
  readonly top: TopCandidates;
  readonly cache: GpuCache;
  readonly precision: StepInput['precision'];
}

interface SubmittedStep {
  readonly position: number;
  readonly result: GPUBuffer;
  readonly mapped: Promise<void>;
  readonly submittedAt: number;
  readonly units: number;
}

export class StepsAhead {
  readonly #encoder: StepEncoder;
  readonly #pacer: SubmitPacer;
  #course: Course | null = null;
  /** In the order of their positions; the first has no result yet. */
  #steps: SubmittedStep[] = [];
  /** The token of the first of them, as the device chose it. */
  #chosen = -1;
  #doneAt = 0;

  constructor(encoder: StepEncoder, pacer: SubmitPacer) {
    this.#encoder = encoder;
    this.#pacer = pacer;
  }

  /** How many steps are under way. */
  get count(): number {
    return this.#steps.length;
  }

  /**
   * The candidates behind a step of one token, which was begun before or is now, and begins those after it.
   * @param limit steps that fit into the conversation's memory, this one included
   * @throws what mapping a buffer rejects with
   */
  async next(
    course: Course,
    { tokens, position }: Pick<StepInput, 'tokens' | 'position'>,
    request: TopRequest & { readonly choice: ExpectedChoice },
    limit: number,
  ): Promise<TopLogits> {
    if (!this.#isUnderWay(course, position, tokens)) {
      this.clear();
      this.#course = course;
      this.#submit(course, tokens, position, request, 0);
    }
    const { randoms } = request.choice;
    const most = Math.min(randoms.length, limit, this.#affordable());
    while (this.#steps.length < most) {
      const index = this.#steps.length;
      this.#submit(course, 'chosen', position + index, request, index);
    }
    const step = this.#steps.shift() as SubmittedStep;
    const { chosen, ...candidates } = await course.top.read(
      step.result,
      request.count,
      step.mapped,
    );
    this.#chosen = chosen;
    const now = performance.now();
    this.#pacer.learn(step.units, now - Math.max(step.submittedAt, this.#doneAt));
    this.#doneAt = now;
    return candidates;
  }

  /** Gives up what is under way; to be called before anything else is done with the device. */
  clear(): void {
    const [course, steps] = [this.#course, this.#steps];
    this.#course = null;
    this.#steps = [];
    for (const { result } of steps) course?.top.discard(result);
  }

  #isUnderWay(course: Course, position: number, tokens: Int32Array): boolean {
    const [before, first] = [this.#course, this.#steps[0]];
    return (
      before?.executable === course.executable &&
      before.cache === course.cache &&
      before.precision === course.precision &&
      first?.position === position &&
      this.#chosen === tokens[0]
    );
  }

  /** A slow device is never idle between steps: there, steps ahead would only be more to give up. */
  #affordable(): number {
    const units = this.#steps[0]?.units ?? 0;
    return Math.max(
      1,
      Math.floor(LONGEST_DISPATCH_MS / Math.max(this.#pacer.estimate(units), 1e-3)),
    );
  }

  #submit(
    { executable, top, cache, precision }: Course,
    tokens: StepTokens,
    position: number,
    {
      count,
      choice: { temperature, topP, minP, randoms },
    }: TopRequest & { readonly choice: ExpectedChoice },
    index: number,
  ): void {
    const result = top.takeBuffer();
    const random = randoms[index] ?? 0;
    const search = top.search(result, { count, temperature, topP, minP, random });
    const submittedAt = performance.now();
    const input = { tokens, position, outputs: 1, precision };
    const units = this.#encoder.submit(executable, cache, input, { top: search });
    const mapped = top.map(result);
    // Steps that are given up, or whose device is lost, are nobody's failure.
    mapped.catch(() => undefined);
    this.#steps.push({ position, result, mapped, submittedAt, units });
  }
}
