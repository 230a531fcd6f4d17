/**
 * The policy: from what the device tells to how the engine computes. Pure: the same input and state
 * give the same decision, and time is an input.
 *
 * Three steps. What is remembered is brought up to date: whether the battery is low (with two limits,
 * so that it does not flicker at one), whether the device is strained, whether memory is short. The
 * rules ask for a plan (`wanted-plan.ts`). Then each part of the plan follows what is wanted, but none
 * turns back sooner than the dwell time after its last change, unless the person chose anew.
 */
import type { ExecutionPlan } from '../engine/execution-plan.ts';
import type {
  Decision,
  PlanField,
  PolicyInput,
  PolicyReason,
  PolicySignals,
  PolicyState,
  Settled,
} from './policy-types.ts';
import type { PolicyRules } from './rules.ts';
import { attribute, noAttribution } from './own-load.ts';
import { nextStrain, noStrain, strainEnds, type Observed } from './strain.ts';
import { batteryLimits, wantedPlan } from './wanted-plan.ts';

/** Everything the model has; a test holds it to be the engine's own. */
export const fullPlan: ExecutionPlan = {
  backend: { prefill: 'auto', decode: 'auto' },
  precision: 8,
  kvType: 'unchanged',
  threads: 'auto',
  pauseMs: 0,
  contextTokens: 'unchanged',
  lowPlanes: 'keep',
  batchTokens: 'auto',
  submitMs: 'auto',
  speculation: 'auto',
};

export const initialState: PolicyState = {
  plan: fullPlan,
  strain: noStrain,
  attribution: noAttribution,
  batteryLow: false,
  memoryShort: false,
  settled: {},
  settings: null,
};

export function decide(input: PolicyInput, before: PolicyState): Decision {
  const chosenAnew = before.settings !== input.settings;
  const observed = observe(input, before);
  const wanted = wantedPlan(input, observed);
  const { rules } = input.settings;
  let { plan } = before;
  const settled: Partial<Record<PlanField, Settled>> = chosenAnew ? {} : { ...before.settled };
  const waits: number[] = [];
  for (const field of planFields) {
    const direction = compare(field, wanted.plan, plan);
    if (direction === 'same') continue;
    const last = settled[field];
    const free = last === undefined ? input.now : last.at + rules.dwellMs;
    if (last !== undefined && last.direction !== direction && input.now < free) {
      waits.push(free);
      continue;
    }
    plan = { ...plan, ...partOf(field, wanted.plan) };
    // A choice of the person is no change of the device: the next one may follow at once.
    if (!chosenAnew) settled[field] = { at: input.now, direction };
  }
  plan = { ...plan, backend: wanted.plan.backend };
  // The same plan is the same object, so that nobody applies it again.
  if (samePlan(plan, before.plan)) plan = before.plan;
  const reasons: readonly PolicyReason[] =
    waits.length === 0
      ? wanted.reasons
      : [
          ...wanted.reasons,
          { code: 'settling', seconds: Math.ceil((Math.max(...waits) - input.now) / 1000) },
        ];
  const ends = strainEnds(observed.strain);
  // Strain that goes on has no end yet: only calm is worth waking for.
  if (ends !== null && observed.strain.observed !== observed.strain.level) waits.push(ends);
  // Pressure that outlasts our work is not ours.
  const fades = input.load.since + rules.ownLoadMs + 1;
  if (observed.attribution.own && input.now < fades) waits.push(fades);
  return {
    plan,
    reasons,
    state: { ...observed, plan, settled, settings: input.settings },
    wakeInMs: waits.length === 0 ? null : Math.max(0, Math.min(...waits) - input.now),
  };
}

function observe({ signals, settings, load, now }: PolicyInput, before: PolicyState): PolicyState {
  const { rules } = settings;
  const rank = signals.pressure.kind === 'known' ? pressureRanks[signals.pressure.value] : 0;
  const attribution = attribute(before.attribution, rank, load, now, rules.ownLoadMs);
  const guessed = signals.pressure.kind === 'missing' || attribution.own;
  const ofSpeed = strainOfSpeed(signals, rules);
  // Our own pressure begins no strain and ends none.
  const ofOwn = ofSpeed === 0 ? 'lingering' : ofSpeed;
  const told = attribution.own ? ofOwn : strainOfPressure(signals);
  const observed = signals.pressure.kind === 'missing' ? ofSpeed : told;
  return {
    ...before,
    batteryLow: isBatteryLow({ signals, settings }, before.batteryLow),
    memoryShort: isMemoryShort(signals, rules, before.memoryShort),
    attribution,
    strain: nextStrain(before.strain, observed, now, rules.calmMs, guessed),
  };
}

function isBatteryLow(input: Pick<PolicyInput, 'signals' | 'settings'>, before: boolean): boolean {
  const { battery } = input.signals;
  if (battery.kind === 'missing' || battery.value.charging) return false;
  const { low, recovered } = batteryLimits(input);
  const { level } = battery.value;
  if (level < low) return true;
  return before && level <= recovered;
}

function isMemoryShort({ memory }: PolicySignals, rules: PolicyRules, before: boolean): boolean {
  if (memory.kind === 'missing') return false;
  const { neededBytes, budgetBytes } = memory.value;
  return neededBytes > budgetBytes * (before ? rules.memoryRecovered : 1);
}

const pressureRanks = { nominal: 0, fair: 1, serious: 2, critical: 3 } as const;

function strainOfPressure({ pressure }: PolicySignals): Observed {
  if (pressure.kind === 'missing') return 0;
  const levels = { nominal: 0, fair: 'lingering', serious: 1, critical: 2 } as const;
  return levels[pressure.value];
}

/** What stands in for pressure where the browser tells none, or none but our own. */
function strainOfSpeed({ speed }: PolicySignals, rules: PolicyRules): Observed {
  if (speed.kind === 'missing') return 0;
  if (speed.value < rules.slowCritical) return 2;
  return speed.value < rules.slowSerious ? 1 : 0;
}

/** Parts of the plan that change together, so that every mixture of old and new can be run. */
const parts = {
  weights: ['precision', 'lowPlanes'],
  pace: ['threads', 'pauseMs', 'speculation', 'batchTokens', 'submitMs'],
  memory: ['contextTokens', 'kvType'],
} as const satisfies Record<PlanField, readonly (keyof ExecutionPlan)[]>;

const planFields = Object.keys(parts) as readonly PlanField[];

function partOf(field: PlanField, plan: ExecutionPlan): Partial<ExecutionPlan> {
  return Object.fromEntries(parts[field].map((key) => [key, plan[key]]));
}

/** What a part costs, as numbers to compare one after the other; more is more energy or memory. */
export function costOf(field: PlanField, plan: ExecutionPlan): readonly number[] {
  const { precision, lowPlanes, threads, pauseMs, contextTokens, kvType } = plan;
  const { speculation, batchTokens, submitMs } = plan;
  switch (field) {
    case 'weights':
      return [{ 4: 0, mixed: 1, 8: 2 }[precision], lowPlanes === 'keep' ? 1 : 0];
    case 'pace':
      return [
        threads === 'auto' ? Infinity : threads,
        -pauseMs,
        speculation === 'auto' ? 1 : 0,
        batchTokens === 'auto' ? Infinity : batchTokens,
        submitMs === 'auto' ? Infinity : submitMs,
      ];
    case 'memory':
      return [
        contextTokens === 'unchanged' ? Infinity : contextTokens,
        { q8: 0, f16: 1, unchanged: 1 }[kvType],
      ];
  }
}

function compare(
  field: PlanField,
  wanted: ExecutionPlan,
  now: ExecutionPlan,
): 'down' | 'same' | 'up' {
  const before = costOf(field, now);
  for (const [i, cost] of costOf(field, wanted).entries()) {
    const other = before[i] ?? 0;
    if (cost !== other) return cost < other ? 'down' : 'up';
  }
  return 'same';
}

export function samePlan(a: ExecutionPlan, b: ExecutionPlan): boolean {
  return (
    planFields.every((field) => compare(field, a, b) === 'same') &&
    a.backend.prefill === b.backend.prefill &&
    a.backend.decode === b.backend.decode
  );
}
