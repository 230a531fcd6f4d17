/**
 * A grammar as a pushdown automaton over bytes: a network of states for every rule (Woods 1970,
 * "Transition Network Grammars for Natural Language Analysis"), in which reading a byte leads from
 * state to state and a call of another rule remembers where to go on.
 *
 * What leads on without a byte is worked out here, once: each state knows its byte states, which read
 * the next byte, with the return states to be pushed on the way, and whether its rule may end in it.
 */
import { AppError } from '../../../common/errors.ts';
import type { Expression, Grammar } from './expression.ts';

/** A state that reads the next byte, and what is pushed before it, the first one deepest. */
export interface Reachable {
  readonly pushes: readonly number[];
  readonly state: number;
}

export interface StateClosure {
  readonly reachable: readonly Reachable[];
  /** Whether the rule may end here. */
  readonly ends: boolean;
}

export interface Automaton {
  readonly start: number;
  /** By state: what is reached without reading a byte. */
  readonly closures: readonly StateClosure[];
  /** By state: `[low, high, target]` for the byte states. */
  readonly edges: readonly (readonly (readonly [low: number, high: number, target: number])[])[];
}

/** States of one grammar; 100 a property are many. */
const maxStates = 200_000;

interface State {
  readonly edges: [number, number, number][];
  readonly free: number[];
  readonly calls: { readonly rule: string; readonly back: number }[];
  end: boolean;
}

/**
 * @throws AppError `invalid-argument` for a rule that is missing or begins with itself, and for a
 * grammar beyond the limit
 */
export function compileAutomaton(grammar: Grammar): Automaton {
  return new Builder(grammar).build();
}

function badGrammar(reason: string): AppError {
  return new AppError('invalid-argument', `The grammar cannot be used: ${reason}.`, {
    details: { reason },
  });
}

class Builder {
  readonly #grammar: Grammar;
  readonly #states: State[] = [];
  readonly #starts = new Map<string, number>();
  readonly #nullable = new Set<string>();
  readonly #closures: (StateClosure | undefined)[] = [];

  constructor(grammar: Grammar) {
    this.#grammar = grammar;
  }

  build(): Automaton {
    const start = this.#newState();
    this.#end(this.#add(this.#grammar.root, start));
    // Rules become states when they are first called; new ones may call others.
    for (let state = 0; state < this.#states.length; state++) {
      for (const { rule } of this.#at(state).calls) this.#startOf(rule);
    }
    this.#findNullable();
    for (let state = 0; state < this.#states.length; state++) this.#closure(state, new Set());
    return {
      start,
      closures: this.#closures as StateClosure[],
      edges: this.#states.map(({ edges }) => edges),
    };
  }

  #startOf(name: string): number {
    const known = this.#starts.get(name);
    if (known !== undefined) return known;
    const body = this.#grammar.rules.get(name);
    if (body === undefined) throw badGrammar(`it names the rule "${name}" and does not have it`);
    const start = this.#newState();
    this.#starts.set(name, start);
    this.#end(this.#add(body, start));
    return start;
  }

  #newState(): number {
    if (this.#states.length >= maxStates) throw badGrammar('it is too large');
    return this.#states.push({ edges: [], free: [], calls: [], end: false }) - 1;
  }

  #at(state: number): State {
    return this.#states[state] as State;
  }

  #end(state: number): void {
    this.#at(state).end = true;
  }

  /** Adds what leads from `from` through the expression; returns the state behind it. */
  #add(expression: Expression, from: number): number {
    switch (expression.kind) {
      case 'bytes': {
        let last = from;
        for (const byte of expression.bytes) {
          const next = this.#newState();
          this.#at(last).edges.push([byte, byte, next]);
          last = next;
        }
        return last;
      }
      case 'range': {
        const next = this.#newState();
        for (const [low, high] of expression.ranges) this.#at(from).edges.push([low, high, next]);
        return next;
      }
      case 'sequence':
        return expression.items.reduce((state, item) => this.#add(item, state), from);
      case 'choice': {
        const next = this.#newState();
        for (const item of expression.items) {
          const begin = this.#newState();
          this.#at(from).free.push(begin);
          this.#at(this.#add(item, begin)).free.push(next);
        }
        return next;
      }
      case 'repeat':
        return this.#addRepeat(expression, from);
      case 'rule': {
        const back = this.#newState();
        this.#at(from).calls.push({ rule: expression.name, back });
        return back;
      }
      default:
        return expression satisfies never;
    }
  }

  #addRepeat({ item, least, most }: Extract<Expression, { kind: 'repeat' }>, from: number): number {
    let last = from;
    for (let count = 0; count < least; count++) last = this.#add(item, last);
    const end = this.#newState();
    if (most === null) {
      const loop = this.#newState();
      this.#at(last).free.push(loop);
      this.#at(this.#add(item, loop)).free.push(loop);
      this.#at(loop).free.push(end);
      return end;
    }
    for (let count = least; count < most; count++) {
      this.#at(last).free.push(end);
      // A state of its own: an item may loop back to where it began.
      const begin = this.#newState();
      this.#at(last).free.push(begin);
      last = this.#add(item, begin);
    }
    this.#at(last).free.push(end);
    return end;
  }

  /** Which rules may be empty, to a fixed point. */
  #findNullable(): void {
    for (let before = -1; before !== this.#nullable.size;) {
      before = this.#nullable.size;
      for (const [name, start] of this.#starts) {
        if (!this.#nullable.has(name) && this.#reachesEnd(start)) this.#nullable.add(name);
      }
    }
  }

  #reachesEnd(start: number): boolean {
    const seen = new Set([start]);
    for (const state of seen) {
      const { free, calls, end } = this.#at(state);
      if (end) return true;
      for (const next of free) seen.add(next);
      for (const { rule, back } of calls) if (this.#nullable.has(rule)) seen.add(back);
    }
    return false;
  }

  /** @param entered rules whose beginning is being worked out */
  #closure(start: number, entered: Set<string>): StateClosure {
    const known = this.#closures[start];
    if (known !== undefined) return known;
    const reachable: Reachable[] = [];
    let ends = false;
    const seen = new Set([start]);
    for (const state of seen) {
      const { edges, free, calls, end } = this.#at(state);
      if (edges.length > 0) reachable.push({ pushes: [], state });
      ends ||= end;
      for (const next of free) seen.add(next);
      for (const { rule, back } of calls) {
        if (entered.has(rule)) throw badGrammar(`the rule "${rule}" begins with itself`);
        if (this.#nullable.has(rule)) seen.add(back);
        entered.add(rule);
        const inside = this.#closure(this.#starts.get(rule) as number, entered);
        entered.delete(rule);
        // Nothing but the end follows: returning there would only return again.
        const tail = this.#isOnlyEnd(back);
        for (const each of inside.reachable) {
          reachable.push(tail ? each : { pushes: [back, ...each.pushes], state: each.state });
        }
      }
    }
    return (this.#closures[start] = { reachable, ends });
  }

  #isOnlyEnd(start: number): boolean {
    const seen = new Set([start]);
    let ends = false;
    for (const state of seen) {
      const { edges, free, calls, end } = this.#at(state);
      if (edges.length > 0 || calls.length > 0) return false;
      ends ||= end;
      for (const next of free) seen.add(next);
    }
    return ends;
  }
}
