/**
 * How many threads a step gets, by what was measured: more threads than the memory feeds, or than
 * other programs leave cores for, make a step slower. Results do not depend on the number, so it may
 * change between any two steps.
 *
 * Climbs to the best neighbour: every now and then a few steps are run with one thread more or less,
 * and the number changes where that was faster by more than chance.
 */

/**
 * Decode waits for memory and prefill for arithmetic, so each finds its own number. Between them lie
 * steps of a few tokens, which unpack all weights for little work: by their speed the prefill would
 * be misjudged.
 */
export type StepKind = 'decode' | 'few' | 'prefill';

/** Tokens from which on unpacking the weights is no more than a small part of a step. */
const MANY_TOKENS = 16;

export function stepKind(tokens: number): StepKind {
  if (tokens === 1) return 'decode';
  return tokens < MANY_TOKENS ? 'few' : 'prefill';
}

/** Steps of a trial; their best counts, because disturbances only ever slow down. */
const TRIAL_STEPS = 4;
/** Steps between two trials, doubled while trials change nothing. */
const SHORTEST_REST = 8;
const LONGEST_REST = 128;
/** What a number must gain to replace another. */
const LEAST_GAIN = 1.03;

interface Course {
  threads: number;
  /** The number being tried, or null. */
  trial: number | null;
  best: number;
  trialBest: number;
  steps: number;
  rest: number;
  /** Whether the next trial is of more threads. */
  up: boolean;
}

export class ThreadGovernor {
  readonly #most: number;
  readonly #courses: Record<StepKind, Course>;

  /** @param first what to begin with, for example what was best last time */
  constructor(most: number, first: number = most) {
    this.#most = most;
    const course = (): Course => ({
      threads: Math.min(first, most),
      trial: null,
      best: 0,
      trialBest: 0,
      steps: 0,
      rest: SHORTEST_REST,
      up: false,
    });
    this.#courses = { decode: course(), few: course(), prefill: course() };
  }

  /** Threads of the next step. */
  next(kind: StepKind): number {
    const { threads, trial } = this.#courses[kind];
    return trial ?? threads;
  }

  /** What the number is, trials aside. */
  settled(kind: StepKind): number {
    return this.#courses[kind].threads;
  }

  /** @param speed work a millisecond of a step that ran with `next(kind)` threads */
  record(kind: StepKind, speed: number): void {
    const course = this.#courses[kind];
    course.steps++;
    if (course.trial === null) {
      course.best = Math.max(course.best, speed);
      if (course.steps >= course.rest) this.#beginTrial(course);
      return;
    }
    course.trialBest = Math.max(course.trialBest, speed);
    if (course.steps >= TRIAL_STEPS) endTrial(course);
  }

  #beginTrial(course: Course): void {
    course.steps = 0;
    const wanted = course.threads + (course.up ? 1 : -1);
    const other = course.threads + (course.up ? -1 : 1);
    const possible = [wanted, other].find((count) => count >= 1 && count <= this.#most);
    course.up = !course.up;
    if (possible === undefined) return;
    course.trial = possible;
    course.trialBest = 0;
  }
}

function endTrial(course: Course): void {
  const better = course.trialBest > course.best * LEAST_GAIN;
  if (better && course.trial !== null) {
    course.up = course.trial > course.threads; // on in the same direction
    course.threads = course.trial;
  }
  course.rest = better ? SHORTEST_REST : Math.min(2 * course.rest, LONGEST_REST);
  course.trial = null;
  course.best = 0; // the machine may be another one by now
  course.steps = 0;
}
