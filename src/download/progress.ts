/** Speed and time left of a download, smoothed so that they can be read. */

/** Time constant of the average in milliseconds: after this long an old speed counts for a third. */
const smoothingMs = 5000;
/** Samples closer together are joined, for their times are too coarse. */
const sampleMs = 250;

export class SpeedMeter {
  readonly #now: () => number;
  #lastSample: number;
  #pending = 0;
  #speed: number | null = null;

  constructor(now: () => number) {
    this.#now = now;
    this.#lastSample = now();
  }

  /** `bytes` have arrived since the last call. */
  add(bytes: number): void {
    this.#pending += bytes;
    const elapsed = this.#now() - this.#lastSample;
    if (elapsed < sampleMs) return;
    const speed = (this.#pending / elapsed) * 1000;
    const weight = 1 - Math.exp(-elapsed / smoothingMs);
    this.#speed = this.#speed === null ? speed : this.#speed + weight * (speed - this.#speed);
    this.#pending = 0;
    this.#lastSample = this.#now();
  }

  /** 0 until the first quarter of a second has passed. */
  get bytesPerSecond(): number {
    return this.#speed ?? 0;
  }

  /** Null while nothing can be said. */
  secondsLeft(bytesLeft: number | null): number | null {
    if (bytesLeft === null || this.#speed === null || this.#speed <= 0) return null;
    return bytesLeft / this.#speed;
  }
}
