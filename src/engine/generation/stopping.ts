/**
 * Stop strings over text that arrives in pieces.
 *
 * No character of a stop string is ever handed out: the longest end of the text that may still
 * become one is held back. The text ends where the first stop string is completed, whichever way the
 * text was cut into pieces; if several end at the same character, the longest counts.
 */
export interface StopResult {
  /** Text that may be shown now. */
  readonly text: string;
  /** The stop string that was found, or null. */
  readonly stop: string | null;
}

export class StopStrings {
  readonly #stops: readonly string[];
  #held = '';

  /** Empty strings are ignored: they would stop everything. */
  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== '');
  }

  /** Adds text. After a stop string was found, nothing more may be pushed. */
  push(piece: string): StopResult {
    const text = this.#held + piece;
    const found = this.#firstCompleted(text);
    if (found !== null) {
      this.#held = '';
      return { text: text.slice(0, found.start), stop: found.stop };
    }
    const holdFrom = text.length - this.#heldLength(text);
    this.#held = text.slice(holdFrom);
    return { text: text.slice(0, holdFrom), stop: null };
  }

  /** What was held back, now that no more text comes. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    return held;
  }

  #firstCompleted(text: string): { start: number; stop: string } | null {
    let best: { start: number; stop: string } | null = null;
    let bestEnd = Infinity;
    for (const stop of this.#stops) {
      const start = text.indexOf(stop);
      if (start < 0) continue;
      const end = start + stop.length;
      if (end < bestEnd || (end === bestEnd && best !== null && start < best.start)) {
        best = { start, stop };
        bestEnd = end;
      }
    }
    return best;
  }

  /** Length of the longest end of `text` that begins a stop string. */
  #heldLength(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      const most = Math.min(stop.length - 1, text.length);
      for (let length = most; length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) {
          longest = length;
          break;
        }
      }
    }
    return longest;
  }
}
