/**
 * What must hold for every sequence of signals, tried with some ten thousand random ones. Seeds are
 * in the messages, so that a failure can be repeated.
 */
import { describe, expect, it } from 'vitest';
import { checkPlan, fullPlan as engineFullPlan } from '../engine/execution-plan.ts';
import { costOf, decide, fullPlan, initialState } from './decide.ts';
import {
  battery,
  choice,
  memory,
  model,
  page,
  pressure,
  saving,
  silent,
  speed,
} from '../../test/fixtures/policy-situations.ts';
import { noLoad, type OwnLoad } from './own-load.ts';
import {
  policyModes,
  type Decision,
  type ModelProfile,
  type PlanField,
  type PolicySettings,
  type PolicySignals,
  type PolicyState,
} from './policy-types.ts';
import { defaultRules } from './rules.ts';

const fields: readonly PlanField[] = ['weights', 'pace', 'memory'];

/** mulberry32 */
class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed * 2654435761;
  }
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 15), 1 | this.#state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }
  one<T>(values: readonly [T, ...T[]]): T {
    return values[this.below(values.length)] ?? values[0];
  }
}

function randomChange(random: Random): Partial<PolicySignals> {
  switch (random.below(8)) {
    case 0:
      return { battery: battery(random.below(101), random.next() < 0.3) };
    case 1:
      return { battery: battery(18 + random.below(10)) };
    case 2:
      return { pressure: pressure(random.one(['nominal', 'fair', 'serious', 'critical'])) };
    case 3:
      return { page: page(random.one(['visible', 'hidden', 'frozen'])) };
    case 4:
      return { memory: memory(500 + random.below(6000), 500 + random.below(2000)) };
    case 5:
      return { speed: speed(random.next() * 1.2) };
    case 6:
      return { saving: saving(random.next() < 0.5) };
    default:
      return random.one<Partial<PolicySignals>>([
        { battery: silent.battery },
        { pressure: silent.pressure },
        { memory: silent.memory },
        { speed: silent.speed },
        {},
      ]);
  }
}

const randomProfile = (random: Random): ModelProfile | null =>
  random.next() < 0.1
    ? null
    : {
        ...model,
        fullThreads: 1 + random.below(8),
        tokenBytes: {
          8: 850,
          4: random.next() < 0.1 ? 850 : 450,
          mixed: 450 + random.below(400),
        },
        lowPlaneBytes: random.below(800),
        contextTokens: 1 + random.below(8192),
      };

const randomSettings = (random: Random): PolicySettings =>
  choice({
    mode: random.one(policyModes),
    precision: random.one(['auto', 'auto', 8, 4]),
    threads: random.one(['auto', 'auto', 1, 3, 16]),
  });

interface Step {
  readonly now: number;
  readonly signals: PolicySignals;
  readonly load: OwnLoad;
  readonly before: PolicyState;
  readonly decision: Decision;
}

/** A device that lives for a while with one choice of its owner and one model. */
function live(
  random: Random,
  steps: number,
): { run: Step[]; settings: PolicySettings; profile: ModelProfile | null } {
  const settings = randomSettings(random);
  const profile = randomProfile(random);
  let signals = silent;
  let state = initialState;
  let now = 0;
  let load = noLoad;
  const run: Step[] = [];
  for (let i = 0; i < steps; i++) {
    now += random.one([0, 1, 100, 2000, 6000, 29_000, 31_000]);
    signals = { ...signals, ...randomChange(random) };
    if (random.next() < 0.3) {
      load = {
        working: random.next() < 0.7,
        threads: random.below(9),
        cores: 1 + random.below(8),
        since: now,
        grewAt: random.next() < 0.7 ? now : load.grewAt,
      };
    }
    const before = state;
    const decision = decide({ signals, profile, settings, load, now }, before);
    state = decision.state;
    run.push({ now, signals, load, before, decision });
  }
  return { run, settings, profile };
}

const seeds = Array.from({ length: 200 }, (_, seed) => seed + 1);

/** Negative: costs less. Numbers are compared one after the other. */
function difference(a: readonly number[], b: readonly number[]): number {
  for (const [i, value] of a.entries()) {
    const other = b[i] ?? 0;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
}

it('begins with the full plan of the engine', () => {
  expect(fullPlan).toEqual(engineFullPlan);
});

describe('for any sequence of signals', () => {
  it('no part of the plan changes one way and back within the dwell time', () => {
    for (const seed of seeds) {
      const { run } = live(new Random(seed), 60);
      for (const field of fields) {
        let last: { at: number; direction: number } | null = null;
        for (const { now, before, decision } of run) {
          const direction = difference(costOf(field, decision.plan), costOf(field, before.plan));
          // The first decision follows a choice of the person: this one has just been made.
          if (direction === 0 || before.settings === null) continue;
          const turned = last !== null && last.direction !== direction;
          if (turned && last !== null) {
            expect(now - last.at, `seed ${seed}, ${field}`).toBeGreaterThanOrEqual(
              defaultRules.dwellMs,
            );
          }
          last = { at: now, direction };
        }
      }
    }
  });

  it('the plan can be run', () => {
    for (const seed of seeds) {
      const { run, profile } = live(new Random(seed), 40);
      for (const { decision } of run) {
        const { precision, lowPlanes, threads, pauseMs, contextTokens } = decision.plan;
        const at = `seed ${seed}: ${JSON.stringify(decision.plan)}`;
        checkPlan(decision.plan);
        expect(lowPlanes === 'keep' || precision === 4, at).toBe(true);
        expect(threads === 'auto' || (Number.isInteger(threads) && threads >= 1), at).toBe(true);
        expect(pauseMs >= 0 && pauseMs <= 1000, at).toBe(true);
        if (contextTokens !== 'unchanged') {
          expect(contextTokens, at).toBeGreaterThanOrEqual(1);
          expect(contextTokens, at).toBeLessThanOrEqual(profile?.contextTokens ?? Infinity);
        }
      }
    }
  });

  it('a plan that is less than full has a reason, and time alone brings it there in the end', () => {
    for (const seed of seeds) {
      const { run, settings, profile } = live(new Random(seed), 40);
      for (const { decision } of run) {
        const { precision, threads, pauseMs, contextTokens } = decision.plan;
        const less =
          precision !== 8 || threads !== 'auto' || pauseMs > 0 || contextTokens !== 'unchanged';
        if (less) expect(decision.reasons, `seed ${seed}`).not.toEqual([]);
      }
      // Everything is well again: after a finite number of wakings the policy rests.
      let { state } = run.at(-1)?.decision ?? { state: initialState };
      let now = run.at(-1)?.now ?? 0;
      const signals = { ...silent, battery: battery(90, true), pressure: pressure('nominal') };
      let wakeInMs: number | null = 0;
      let wakings = 0;
      while (wakeInMs !== null) {
        now += wakeInMs;
        ({ state, wakeInMs } = decide({ signals, profile, settings, load: noLoad, now }, state));
        expect(++wakings, `seed ${seed}`).toBeLessThan(12);
      }
      expect(state.strain.level).toBe(0);
      if (settings.mode === 'balanced' && settings.threads === 'auto') {
        expect(state.plan.threads, `seed ${seed}`).toBe('auto');
      }
    }
  });

  it('less energy never raises the cost', () => {
    for (const seed of seeds) {
      const random = new Random(seed);
      const { run, settings, profile } = live(random, 30);
      for (const { now, signals, load, before } of run) {
        const [less = 0, more = 0] = [random.below(101), random.below(101)].sort((a, b) => a - b);
        const charging = random.next() < 0.3;
        const at = (percent: number, plugged: boolean): Decision => {
          const poorer = { ...signals, battery: battery(percent, plugged) };
          return decide({ signals: poorer, profile, settings, load, now }, before);
        };
        const poor = at(less, false);
        const rich = at(more, charging);
        for (const field of fields) {
          const more = difference(costOf(field, poor.plan), costOf(field, rich.plan));
          expect(
            more,
            `seed ${seed}, ${field}, ${less} % and ${String(more)} %`,
          ).toBeLessThanOrEqual(0);
        }
      }
    }
  });

  it('more pressure and less speed never raise the cost', () => {
    const levels = ['nominal', 'fair', 'serious', 'critical'] as const;
    for (const seed of seeds) {
      const random = new Random(seed);
      const { run, settings, profile } = live(random, 30);
      for (const { now, signals, load, before } of run) {
        const plans = levels.map(
          (level) =>
            decide(
              { signals: { ...signals, pressure: pressure(level) }, profile, settings, load, now },
              before,
            ).plan,
        );
        for (const [i, plan] of plans.slice(1).entries()) {
          const calmer = plans[i] ?? plan;
          expect(
            difference(costOf('pace', plan), costOf('pace', calmer)),
            `seed ${seed}`,
          ).toBeLessThanOrEqual(0);
        }
      }
    }
  });

  it('a mode that saves more never costs more', () => {
    for (const seed of seeds) {
      const { run, settings, profile } = live(new Random(seed), 10);
      for (const { now, signals, load } of run) {
        const plans = (['saver', 'balanced', 'performance'] as const).map(
          (mode) =>
            decide({ signals, profile, settings: { ...settings, mode }, load, now }, initialState)
              .plan,
        );
        for (const [i, plan] of plans.slice(1).entries()) {
          for (const field of fields) {
            const cheaper = plans[i] ?? plan;
            expect(
              difference(costOf(field, cheaper), costOf(field, plan)),
              `seed ${seed}, ${field}`,
            ).toBeLessThanOrEqual(0);
          }
        }
      }
    }
  });
});
