/**
 * Runs an automaton over bytes and says which tokens may come next.
 *
 * A position is a set of configurations: a byte state with the stack of states to return to. Stacks
 * and positions are made once and known by number, so that what was worked out for a position (its
 * step for each byte, its mask of tokens) is found again whenever the text comes to the same place.
 *
 * Masks are made in two steps, after Dong et al. 2024, "XGrammar": for a byte state alone, with an
 * unknown stack below it, all tokens are either allowed, forbidden or left open because they leave the
 * rule; that is kept for the state. For a position only the open tokens are tried with the true stack.
 */
import type { Automaton } from './automaton.ts';
import type { TokenTable } from './token-table.ts';

/** The stack of a whole text: below it is the end. */
const rootStack = 0;
/** A stack of which nothing is known. */
const unknownStack = 1;
const dead = 0;
/** Positions kept; each costs 20 KB with the mask of a large vocabulary. */
const maxPositions = 1024;

interface Position {
  /** Pairs of byte state and stack. */
  readonly configurations: readonly (readonly [state: number, stack: number])[];
  /** Whether the text may end here. */
  readonly accepting: boolean;
  /** Whether an unknown stack was left: anything may follow. */
  readonly escapes: boolean;
  /** By byte: the position behind it; -1 where it was not worked out yet. */
  readonly next: Int32Array;
  mask: Uint32Array | null;
}

interface Summary {
  readonly allowed: Uint32Array;
  /** Places in the token table that the stack decides about. */
  readonly open: Int32Array;
}

export class GrammarMatcher {
  readonly #automaton: Automaton;
  readonly #table: TokenTable;
  readonly #summaries = new Map<number, Summary>();
  /** By stack number: state to return to, and the stack below. */
  readonly #stacks: [state: number, below: number][] = [];
  readonly #stackNumbers = new Map<string, number>();
  readonly #positions: Position[] = [];
  readonly #positionNumbers = new Map<string, number>();
  #at = dead;

  constructor(automaton: Automaton, table: TokenTable) {
    this.#automaton = automaton;
    this.#table = table;
    this.#clear();
    this.reset();
  }

  /** Whether the text is complete. */
  get accepting(): boolean {
    return this.#position(this.#at).accepting;
  }

  /** Whether nothing can follow. */
  get finished(): boolean {
    return this.#position(this.#at).configurations.length === 0;
  }

  reset(): void {
    this.#at = this.#positionOf([[this.#automaton.start, rootStack]]);
  }

  /** Whether the bytes may come next; where they do, they are taken. */
  accept(bytes: Uint8Array): boolean {
    let at = this.#at;
    for (const byte of bytes) {
      at = this.#step(at, byte);
      if (at === dead) return false;
    }
    this.#at = at;
    if (this.#positions.length > maxPositions) this.#forget();
    return true;
  }

  /** Whether the bytes may come next; they are not taken. */
  fits(bytes: Uint8Array): boolean {
    let at = this.#at;
    for (const byte of bytes) {
      at = this.#step(at, byte);
      if (at === dead) return false;
    }
    return true;
  }

  /** A bit for every token that may come next; the caller must not change it. */
  mask(): Uint32Array {
    const position = this.#position(this.#at);
    return (position.mask ??= this.#makeMask(position));
  }

  /** Keeps the present position alone. */
  #forget(): void {
    const { configurations, accepting } = this.#position(this.#at);
    const unwound = configurations.map(([state, stack]) => [state, this.#unwind(stack)] as const);
    this.#clear();
    const kept = unwound.map(([state, returns]): [number, number] => [
      state,
      returns.reduce((below, back) => this.#push(back, below), rootStack),
    ]);
    this.#at = this.#intern(kept, accepting, false);
  }

  #unwind(stack: number): number[] {
    const returns: number[] = [];
    for (let at = stack; at !== rootStack;) {
      const [state, below] = this.#stacks[at] as [number, number];
      returns.unshift(state);
      at = below;
    }
    return returns;
  }

  #clear(): void {
    this.#stacks.length = 0;
    this.#stacks.push([-1, -1], [-1, -1]);
    this.#stackNumbers.clear();
    this.#positions.length = 0;
    this.#positionNumbers.clear();
    this.#intern([], false, false);
  }

  #position(number: number): Position {
    return this.#positions[number] as Position;
  }

  #push(state: number, below: number): number {
    const key = `${state} ${below}`;
    const known = this.#stackNumbers.get(key);
    if (known !== undefined) return known;
    const made = this.#stacks.push([state, below]) - 1;
    this.#stackNumbers.set(key, made);
    return made;
  }

  #step(from: number, byte: number): number {
    const { next, configurations } = this.#position(from);
    const known = next[byte] as number;
    if (known >= 0) return known;
    const targets: [number, number][] = [];
    for (const [state, stack] of configurations) {
      for (const [low, high, target] of this.#automaton.edges[state] ?? []) {
        if (byte >= low && byte <= high) targets.push([target, stack]);
      }
    }
    return (next[byte] = this.#positionOf(targets));
  }

  /** The position of states that were just reached: what they lead to without a byte. */
  #positionOf(reached: readonly (readonly [state: number, stack: number])[]): number {
    const found = new Map<string, readonly [number, number]>();
    const visited = new Set<string>();
    let accepting = false;
    let escapes = false;
    const waiting = [...reached];
    for (const [state, stack] of waiting) {
      const key = `${state} ${stack}`;
      if (visited.has(key)) continue;
      visited.add(key);
      const closure = this.#automaton.closures[state];
      for (const { pushes, state: inner } of closure?.reachable ?? []) {
        const top = pushes.reduce((below, back) => this.#push(back, below), stack);
        found.set(`${inner} ${top}`, [inner, top]);
      }
      if (closure?.ends !== true) continue;
      if (stack === rootStack) accepting = true;
      else if (stack === unknownStack) escapes = true;
      else waiting.push(this.#stacks[stack] as [number, number]);
    }
    return this.#intern([...found.values()], accepting, escapes);
  }

  #intern(
    configurations: readonly (readonly [number, number])[],
    accepting: boolean,
    escapes: boolean,
  ): number {
    const sorted = configurations.toSorted((a, b) => a[0] - b[0] || a[1] - b[1]);
    const key = `${accepting ? 'a' : ''}${escapes ? 'e' : ''}${sorted.join(' ')}`;
    const known = this.#positionNumbers.get(key);
    if (known !== undefined) return known;
    const next = new Int32Array(256).fill(-1);
    const position = { configurations: sorted, accepting, escapes, next, mask: null };
    const made = this.#positions.push(position) - 1;
    this.#positionNumbers.set(key, made);
    return made;
  }

  #makeMask({ configurations }: Position): Uint32Array {
    const mask = new Uint32Array(Math.ceil(this.#table.vocabularySize / 32));
    const summaries = [...new Set(configurations.map(([state]) => state))].map((state) =>
      this.#summary(state),
    );
    for (const { allowed } of summaries) {
      for (let word = 0; word < mask.length; word++) {
        mask[word] = (mask[word] as number) | (allowed[word] as number);
      }
    }
    const { ids, bytes, starts } = this.#table;
    for (const { open } of summaries) {
      for (const place of open) {
        const id = ids[place] as number;
        if (((mask[id >>> 5] as number) >>> (id & 31)) & 1) continue;
        if (this.fits(bytes.subarray(starts[place], starts[place + 1]))) setBit(mask, id);
      }
    }
    return mask;
  }

  #summary(state: number): Summary {
    const known = this.#summaries.get(state);
    if (known !== undefined) return known;
    const made = this.#summarise(state);
    this.#summaries.set(state, made);
    return made;
  }

  /** All tokens from one byte state, in the order of the table: each goes on where it differs. */
  #summarise(state: number): Summary {
    const { vocabularySize, ids, bytes, starts, shared } = this.#table;
    const allowed = new Uint32Array(Math.ceil(vocabularySize / 32));
    const open: number[] = [];
    /** By depth: the position, and whether the unknown stack was left up to there. */
    const path = [this.#intern([[state, unknownStack]], false, false)];
    const left = [false];
    // Depth of what is worked out, at most the length of the token before.
    let depth = 0;
    for (let place = 0; place < ids.length; place++) {
      const start = starts[place] as number;
      const length = (starts[place + 1] as number) - start;
      depth = Math.min(depth, shared[place] as number);
      while (depth < length && path[depth] !== dead) {
        const position = this.#step(path[depth] as number, bytes[start + depth] as number);
        left[depth + 1] = left[depth] === true || this.#position(path[depth] as number).escapes;
        path[++depth] = position;
      }
      if (depth === length && path[depth] !== dead) setBit(allowed, ids[place] as number);
      else if (left[depth] === true) open.push(place);
      // Tokens that share a dead beginning are dead too, or as open.
      if (path[depth] !== dead || left[depth] === true) continue;
      while (place + 1 < ids.length && (shared[place + 1] as number) >= depth) place++;
    }
    return { allowed, open: Int32Array.from(open) };
  }
}

function setBit(mask: Uint32Array, bit: number): void {
  mask[bit >>> 5] = (mask[bit >>> 5] as number) | (1 << (bit & 31));
}
