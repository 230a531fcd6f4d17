/**
 * How much power this device draws while a model computes, estimated from how fast its battery empties.
 *
 * Method: browsers tell the level of a battery in steps of 1 %, and nothing of its capacity. Between
 * two steps of a battery that discharges, the energy drawn is the difference of the levels times an
 * assumed capacity; divided by the time between them it is the mean power of the whole device, screen
 * included. Only stretches in which a model computed for most of the time count. The time before the
 * first step is left out, because nobody knows how much of a percent was left. Joules of an answer are
 * that power times the seconds it took. The unknown capacity makes this right within a factor of two;
 * two modes on the same device compare much better than that.
 */
import type { BatteryReading } from '../platform/signals/battery.ts';

/** Watt hours of a usual battery: laptops have 40 to 70, phones 12 to 20. */
export const usualWattHours = { desktop: 50, mobile: 15 } as const;

/** Share of a stretch that must have been computing. */
const LEAST_BUSY = 0.6;
/** Later stretches count more: this much of the estimate is the newest. */
const NEWEST = 0.5;

interface Mark {
  readonly level: number;
  readonly at: number;
  readonly busyMs: number;
  /** Whether a step of the level was seen at this moment. */
  readonly exact: boolean;
}

export class PowerMeter {
  readonly #wattHours: number;
  #mark: Mark | null = null;
  #watts: number | null = null;
  #busySince: number | null = null;
  #busyMs = 0;

  constructor(wattHours: number) {
    this.#wattHours = wattHours;
  }

  /** Mean power while computing; null until a battery has lost a whole step meanwhile. */
  get watts(): number | null {
    return this.#watts;
  }

  /** A model begins or ends to compute. @param now milliseconds, here and below */
  working(busy: boolean, now: number): void {
    if (busy === (this.#busySince !== null)) return;
    if (this.#busySince !== null) this.#busyMs += now - this.#busySince;
    this.#busySince = busy ? now : null;
  }

  /** The battery told something. */
  battery({ level, charging }: BatteryReading, now: number): void {
    const mark = this.#mark;
    if (charging) {
      this.#mark = null;
      return;
    }
    const busyMs = this.#busyMs + (this.#busySince === null ? 0 : now - this.#busySince);
    if (mark === null || level > mark.level) {
      this.#mark = { level, at: now, busyMs, exact: false };
      return;
    }
    if (level === mark.level) return;
    this.#mark = { level, at: now, busyMs, exact: true };
    const milliseconds = now - mark.at;
    if (!mark.exact || milliseconds <= 0) return;
    if ((busyMs - mark.busyMs) / milliseconds < LEAST_BUSY) return;
    const watts = ((mark.level - level) * this.#wattHours * 3_600_000) / milliseconds;
    this.#watts = this.#watts === null ? watts : NEWEST * watts + (1 - NEWEST) * this.#watts;
  }
}
