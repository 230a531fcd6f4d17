/**
 * How many threads a step gets, by what was measured: more threads than the memory feeds, or than
 * other programs leave cores for, make a step slower. Results do not depend on the number, so it may
 * change between any two steps.
 *
 * Climbs to the best neighbour: every now and then a few steps are run with one thread more or less,
 * and the number changes where that was faster by more than chance. Fast is what takes little time
 * over all steps: where cores are missing, most steps still find them free, and the few that wait for
 * a thread that has no core take as long as all the others together.
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

/** Steps of a trial of fewer threads, and of more, whose waiting for a core shows only now and then. */
const TRIAL_STEPS = { fewer: 4, more: 8 };
/** Steps between two trials, doubled while trials change nothing. */
const SHORTEST_REST = 8;
const LONGEST_REST = 128;
/** What a number must gain to replace another. */
const LEAST_GAIN = 1.03;

/** The time that steps took for their work, but for the slowest: one disturbance says nothing. */
class Pace {
  #steps = 0;
  #sum = 0;
  #slowest = 0;

  /** @param speed work a millisecond */
  add(speed: number): void {
    this.#steps++;
    this.#sum += 1 / speed;
    this.#slowest = Math.max(this.#slowest, 1 / speed);
  }

  /** Work a millisecond over two steps or more; 0 before. */
  get speed(): number {
    return this.#steps < 2 ? 0 : (this.#steps - 1) / (this.#sum - this.#slowest);
  }
}

interface Course {
  threads: number;
  /** The number being tried, or null. */
  trial: number | null;
  pace: Pace;
  trialPace: Pace;
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
      pace: new Pace(),
      trialPace: new Pace(),
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
      course.pace.add(speed);
      if (course.steps >= course.rest) this.#beginTrial(course);
      return;
    }
    course.trialPace.add(speed);
    const steps = course.trial > course.threads ? TRIAL_STEPS.more : TRIAL_STEPS.fewer;
    if (course.steps >= steps) endTrial(course);
  }

  #beginTrial(course: Course): void {
    course.steps = 0;
    const wanted = course.threads + (course.up ? 1 : -1);
    const other = course.threads + (course.up ? -1 : 1);
    const possible = [wanted, other].find((count) => count >= 1 && count <= this.#most);
    course.up = !course.up;
    if (possible === undefined) return;
    course.trial = possible;
    course.trialPace = new Pace();
  }
}

function endTrial(course: Course): void {
  const better = course.trialPace.speed > course.pace.speed * LEAST_GAIN;
  if (better && course.trial !== null) {
    course.up = course.trial > course.threads; // on in the same direction
    course.threads = course.trial;
  }
  course.rest = better ? SHORTEST_REST : Math.min(2 * course.rest, LONGEST_REST);
  course.trial = null;
  course.pace = new Pace(); // the machine may be another one by now
  course.steps = 0;
}
