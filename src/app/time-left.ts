/** Seconds left of a piece of work that goes on steadily, from how long its share so far took. */
export class TimeLeft {
  readonly #now: () => number;
  #phase: string | null = null;
  #startMs = 0;
  #startFraction = 0;

  /** @param now milliseconds of a clock that never goes back */
  constructor(now: () => number) {
    this.#now = now;
  }

  /** Null until enough was done to tell: two seconds and a hundredth. */
  after(phase: string, fraction: number): number | null {
    if (phase !== this.#phase) {
      this.#phase = phase;
      this.#startMs = this.#now();
      this.#startFraction = fraction;
    }
    const seconds = (this.#now() - this.#startMs) / 1000;
    const done = fraction - this.#startFraction;
    if (seconds < 2 || done < 0.01) return null;
    return ((1 - fraction) * seconds) / done;
  }
}
