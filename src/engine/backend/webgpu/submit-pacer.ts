/**
 * How long work will take on this adapter, learned from what earlier work took.
 *
 * Browsers and drivers end a page's device when one submission occupies the GPU for seconds, and the
 * page's own drawing waits behind it. So a step is cut into submissions, and a long prompt into slices,
 * that are estimated to stay below these times.
 */
import type { Cost } from './cost.ts';

/** `SubmitPacer.submitMs` unless a plan says otherwise. */
export const SUBMIT_MS = 100;
/** No dispatch is to take longer: a slice of the prompt is chosen by it. */
export const LONGEST_DISPATCH_MS = 200;

/** Nor is a slice of the prompt: between two a stop is heard. */
export const SLICE_MS = 500;

/** Before anything was measured: a slow integrated GPU, 2 GB/s. */
const FIRST_MS_PER_UNIT = 1000 / 2e9;
/** Less work than this measures the way to the GPU and back. */
const LEAST_UNITS = 4e6;
/** Multiply-adds that cost about as much as a byte of memory traffic. */
const PRODUCTS_PER_BYTE = 4;
/** Share of a new measurement in the estimate. */
const LEARNING = 0.3;

/** Work in units of a byte moved. */
export function unitsOf({ bytesRead, bytesWritten, multiplyAdds }: Cost): number {
  return bytesRead + bytesWritten + multiplyAdds / PRODUCTS_PER_BYTE;
}

export class SubmitPacer {
  /** A submission is closed once it is estimated to take this long. */
  submitMs = SUBMIT_MS;
  #msPerUnit = FIRST_MS_PER_UNIT;
  #isMeasured = false;

  /** Milliseconds that work is estimated to take. */
  estimate(units: number): number {
    return units * this.#msPerUnit;
  }

  /** Believes the next measurement as if it was the first. */
  forget(): void {
    this.#isMeasured = false;
  }

  /** Work that was done, and how long it took. */
  learn(units: number, milliseconds: number): void {
    if (units < LEAST_UNITS || milliseconds <= 0) return;
    const measured = milliseconds / units;
    // Slower than thought is believed at once: the next submission must not be too long.
    if (!this.#isMeasured || measured > this.#msPerUnit) this.#msPerUnit = measured;
    else this.#msPerUnit += LEARNING * (measured - this.#msPerUnit);
    this.#isMeasured = true;
  }
}
