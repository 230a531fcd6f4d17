/**
 * The merge loop that SentencePiece BPE and byte-level BPE share.
 *
 * A text starts as `count` symbols. Of all adjacent pairs that may merge, the one of the lowest rank
 * merges first, the leftmost of equals, until none is left. Pairs wait in a binary heap and symbols
 * form a linked list, so a text of n symbols takes O(n log n) however long its words are.
 * Algorithm: Sennrich et al. 2016 (BPE), with the agenda of SentencePiece (Kudo and Richardson 2018).
 */

/**
 * What may merge. Spans are given in initial symbols: the left one is [left, middle), the right one
 * [middle, end).
 */
export interface MergeRules {
  /** Order of the merge, lower first; NaN where the two do not merge. */
  rank(left: number, middle: number, end: number): number;
  /** Told of every merge that happens, before ranks of the new neighbours are asked for. */
  merged(left: number, middle: number, end: number): void;
}

/** Scratch memory above this many pairs is given back after use (20 bytes a pair). */
const keptCapacity = 65_536;
const absorbed = -1;

/** Owns scratch memory: one merger serves many texts, one after the other. */
export class PairMerger {
  private ends = new Int32Array(0);
  private previous = new Int32Array(0);
  private ranks = new Float64Array(0);
  private lefts = new Int32Array(0);
  private middles = new Int32Array(0);
  private pairEnds = new Int32Array(0);
  private pairs = 0;

  /**
   * Merges `count` symbols and reports the remaining spans from left to right.
   */
  merge(count: number, rules: MergeRules, report: (start: number, end: number) => void): void {
    this.reserve(count);
    const { ends, previous } = this;
    for (let index = 0; index < count; index += 1) {
      ends[index] = index + 1;
      previous[index] = index - 1;
    }
    for (let index = 1; index < count; index += 1) this.push(rules, index - 1, index, index + 1);
    while (this.pairs > 0) {
      const left = this.lefts[0] ?? 0;
      const middle = this.middles[0] ?? 0;
      const end = this.pairEnds[0] ?? 0;
      this.removeFirst();
      // A pair is out of date when either side has grown or was absorbed meanwhile.
      if (ends[left] !== middle || ends[middle] !== end) continue;
      ends[left] = end;
      ends[middle] = absorbed;
      if (end < count) previous[end] = left;
      rules.merged(left, middle, end);
      const before = previous[left] ?? -1;
      if (before >= 0) this.push(rules, before, left, end);
      if (end < count) this.push(rules, left, end, ends[end] ?? count);
    }
    for (let start = 0; start < count;) {
      const end = ends[start] ?? count;
      report(start, end);
      start = end;
    }
    if (this.ranks.length > keptCapacity) this.allocate(0);
  }

  /** Every merge adds at most two pairs to the first count - 1. */
  private reserve(count: number): void {
    this.pairs = 0;
    if (this.ends.length < count) this.allocate(Math.max(count, 2 * this.ends.length, 64));
  }

  private allocate(symbols: number): void {
    this.ends = new Int32Array(symbols);
    this.previous = new Int32Array(symbols);
    this.ranks = new Float64Array(3 * symbols);
    this.lefts = new Int32Array(3 * symbols);
    this.middles = new Int32Array(3 * symbols);
    this.pairEnds = new Int32Array(3 * symbols);
  }

  private push(rules: MergeRules, left: number, middle: number, end: number): void {
    const rank = rules.rank(left, middle, end);
    if (Number.isNaN(rank)) return;
    let hole = this.pairs;
    this.pairs += 1;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (!this.isBefore(rank, left, parent)) break;
      this.move(parent, hole);
      hole = parent;
    }
    this.put(hole, rank, left, middle, end);
  }

  private removeFirst(): void {
    const last = this.pairs - 1;
    this.pairs = last;
    if (last === 0) return;
    const rank = this.ranks[last] ?? 0;
    const left = this.lefts[last] ?? 0;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= last) break;
      const sibling = child + 1;
      if (
        sibling < last &&
        this.isBefore(this.ranks[sibling] ?? 0, this.lefts[sibling] ?? 0, child)
      ) {
        child = sibling;
      }
      if (this.isBefore(rank, left, child)) break;
      this.move(child, hole);
      hole = child;
    }
    this.move(last, hole);
  }

  private isBefore(rank: number, left: number, index: number): boolean {
    const other = this.ranks[index] ?? 0;
    return rank < other || (rank === other && left < (this.lefts[index] ?? 0));
  }

  private move(from: number, to: number): void {
    this.put(
      to,
      this.ranks[from] ?? 0,
      this.lefts[from] ?? 0,
      this.middles[from] ?? 0,
      this.pairEnds[from] ?? 0,
    );
  }

  private put(index: number, rank: number, left: number, middle: number, end: number): void {
    this.ranks[index] = rank;
    this.lefts[index] = left;
    this.middles[index] = middle;
    this.pairEnds[index] = end;
  }
}
