/**
 * How fast tokens come compared to what was usual: where no browser tells of heat, a processor that
 * is slowed down by it shows in this. Only like is compared with like: the same plan, and nearly as
 * long a conversation, because a token costs more the more there is to look back at.
 */

/** Tokens of which the median counts; a pause of the browser hits one of them. */
const WINDOW = 12;
/** Between tokens that come faster than this, the way from thread to thread is what is measured. */
const NOISE_MS = 5;
/** Conversation lengths of one class: up to 256 positions, 512, 1024 and so on. */
const SHORTEST_CLASS = 256;

interface Course {
  readonly recent: number[];
  /** Median milliseconds of the fastest window so far. */
  best: number | null;
}

export class SpeedTracker {
  readonly #courses = new Map<string, Course>();
  #ratio: number | null = null;

  /** Speed relative to what was usual: 1 as always, 0.5 half; null while that is not known. */
  get ratio(): number | null {
    return this.#ratio;
  }

  /** Another model: what was usual is no more. */
  forget(): void {
    this.#courses.clear();
    this.#ratio = null;
  }

  /** The plan changed: what it is like now must be seen anew. */
  restart(): void {
    this.#ratio = null;
    for (const course of this.#courses.values()) {
      course.recent.length = 0;
    }
  }

  /**
   * @param plan names what the token was computed with
   * @param position tokens before it
   */
  record(plan: string, position: number, milliseconds: number): void {
    const length = Math.max(0, Math.ceil(Math.log2((position + 1) / SHORTEST_CLASS)));
    const key = `${plan} ${length}`;
    const course: Course = this.#courses.get(key) ?? { recent: [], best: null };
    this.#courses.set(key, course);
    course.recent.push(milliseconds);
    if (course.recent.length > WINDOW) course.recent.shift();
    if (course.recent.length < WINDOW) return;
    const median = medianOf(course.recent);
    if (course.best === null || median < course.best) course.best = median;
    this.#ratio = Math.max(course.best, NOISE_MS) / Math.max(median, NOISE_MS);
  }
}

function medianOf(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
