/**
 * What the rules ask for at this moment, before times are looked at: each rule takes its part from
 * the full plan, and none gives anything back that another took.
 */
import type { ExecutionPlan } from '../engine/execution-plan.ts';
import type {
  MemoryNeed,
  ModelProfile,
  PolicyInput,
  PolicyReason,
  PolicyState,
} from './policy-types.ts';
import type { PolicyRules } from './rules.ts';
import { strainEnds } from './strain.ts';

export interface Wanted {
  readonly plan: ExecutionPlan;
  readonly reasons: readonly PolicyReason[];
}

/** In saver mode, what keeping the sensitive weights at 8 bits may cost of what 4 bits save. */
const MOST_MIXED_SHARE = 0.25;

/** Of a position in 16 bits: 32 values of 8 bits and a scale of 16. */
const EIGHT_BIT_SHARE = 34 / 64;

/** Weights that one thread reads in a millisecond on an ordinary device. */
const BYTES_A_MILLISECOND = 5e6;
const SHORTEST_PAUSE_MS = 10;

type Draft = { -readonly [K in keyof ExecutionPlan]: ExecutionPlan[K] };

/** @param state with what was just observed */
export function wantedPlan(input: PolicyInput, state: PolicyState): Wanted {
  const { settings } = input;
  const reasons: PolicyReason[] = [];
  const draft: Draft = {
    ...state.plan,
    backend: { prefill: settings.backend, decode: settings.backend },
    precision: 8,
    threads: 'auto',
    pauseMs: 0,
    contextTokens: 'unchanged',
    kvType: 'unchanged',
    lowPlanes: 'keep',
    batchTokens: 'auto',
    submitMs: 'auto',
    speculation: 'auto',
  };
  memoryRule(draft, reasons, input, state);
  precisionRules(draft, reasons, input, state);
  paceRules(draft, reasons, input, state);
  backendRule(draft, reasons, input, state);
  return { plan: draft, reasons };
}

/** Memory first: where there is too little of it nothing else matters, in no mode. */
function memoryRule(
  draft: Draft,
  reasons: PolicyReason[],
  { signals, profile, settings }: PolicyInput,
  { memoryShort }: PolicyState,
): void {
  if (!memoryShort || signals.memory.kind === 'missing' || profile === null) return;
  const need = signals.memory.value;
  draft.lowPlanes = 'drop';
  draft.precision = 4;
  reasons.push({ code: 'memory', ...need });
  const leastContext = Math.min(settings.rules.leastContext, profile.contextTokens);
  if (contextWithin(need, profile) >= profile.contextTokens) return;
  // Half the bytes of a position: that is less of a loss than half the conversation.
  draft.kvType = 'q8';
  reasons.push({ code: 'memory-kv' });
  const tokens = contextWithin(need, profile, EIGHT_BIT_SHARE);
  if (tokens >= profile.contextTokens) return;
  draft.contextTokens = Math.max(leastContext, tokens);
  if (tokens >= leastContext) reasons.push({ code: 'memory-context', tokens });
  else reasons.push({ code: 'memory-refused', ...need });
}

/**
 * Positions for which the memory suffices once the low planes are gone.
 * @param share what one takes of the bytes that it took
 */
function contextWithin(
  { neededBytes, budgetBytes }: MemoryNeed,
  { lowPlaneBytes, contextTokens, bytesPerPosition }: ModelProfile,
  share = 1,
): number {
  const besideConversation = neededBytes - lowPlaneBytes - contextTokens * bytesPerPosition;
  if (bytesPerPosition <= 0) return besideConversation <= budgetBytes ? contextTokens : 0;
  const tokens = Math.floor((budgetBytes - besideConversation) / (share * bytesPerPosition));
  return Math.min(contextTokens, tokens);
}

function precisionRules(
  draft: Draft,
  reasons: PolicyReason[],
  { profile, settings, signals }: PolicyInput,
  { batteryLow }: PolicyState,
): void {
  const { mode, precision: chosen } = settings;
  if (mode !== 'balanced') reasons.push({ code: `mode-${mode}` });
  if (profile?.reducedTo4 === true) {
    draft.precision = 4;
    reasons.push({ code: 'loaded-in-4' });
    return;
  }
  if (profile !== null && profile.tokenBytes[4] >= profile.tokenBytes[8]) {
    reasons.push({ code: 'one-precision' });
    return;
  }
  if (draft.lowPlanes === 'drop') return;
  if (chosen !== 'auto') {
    draft.precision = chosen;
    reasons.push({ code: 'chosen-precision', precision: chosen });
    return;
  }
  if (mode === 'saver') draft.precision = saverPrecision(profile);
  const watches = mode === 'saver' || mode === 'balanced';
  if (!watches || !batteryLow || signals.battery.kind === 'missing') return;
  draft.precision = 4;
  const { low, recovered, saving } = batteryLimits({ signals, settings });
  reasons.push({
    code: 'battery-low',
    percent: Math.round(100 * signals.battery.value.level),
    below: Math.round(100 * low),
    above: Math.round(100 * recovered),
    saving,
  });
}

/** Sensitive weights stay at 8 bits in saver mode where that costs little. */
function saverPrecision(profile: ModelProfile | null): 4 | 'mixed' {
  if (profile === null) return 4;
  const { 4: four, 8: eight, mixed } = profile.tokenBytes;
  return mixed - four <= MOST_MIXED_SHARE * (eight - four) ? 'mixed' : 4;
}

export function batteryLimits({
  signals,
  settings: { rules },
}: Pick<PolicyInput, 'signals' | 'settings'>): {
  readonly low: number;
  readonly recovered: number;
  readonly saving: boolean;
} {
  const saving = signals.saving.kind === 'known' && signals.saving.value.saving;
  return saving
    ? { low: rules.savingBatteryLow, recovered: rules.savingBatteryRecovered, saving }
    : { low: rules.batteryLow, recovered: rules.batteryRecovered, saving };
}

function paceRules(
  draft: Draft,
  reasons: PolicyReason[],
  input: PolicyInput,
  state: PolicyState,
): void {
  const { strain } = state;
  const { profile, settings, signals } = input;
  const { mode, threads: chosen, rules } = settings;
  if (chosen !== 'auto') {
    draft.threads = chosen;
    reasons.push({ code: 'chosen-threads', threads: chosen });
  }
  if (mode === 'manual') return;
  const full = Math.min(chosen === 'auto' ? Infinity : chosen, profile?.fullThreads ?? Infinity);
  const half = Math.max(1, Math.floor(full / 2));
  let most = full;
  if (mode === 'saver') most = half;
  if (strain.level > 0) reasons.push(strainReason(input, state));
  if (mode === 'performance') {
    if (strain.level === 2) most = half;
  } else {
    if (strain.level === 1) most = half;
    const hidden = signals.page.kind === 'known' && signals.page.value !== 'visible';
    if (hidden) reasons.push({ code: 'hidden' });
    if (strain.level === 2 || hidden) most = 1;
    if (strain.level === 2) draft.pauseMs = pauseOf(profile, rules);
    // What else has to be computed or drawn comes in between sooner, and no guess is computed in vain.
    if (strain.level > 0 || hidden) draft.submitMs = rules.strainedSubmitMs;
    if (strain.level === 2 || hidden) {
      draft.batchTokens = rules.strainedBatch;
      draft.speculation = 'off';
    }
  }
  if (most < full && Number.isFinite(most)) draft.threads = most;
}

/** Where the processor is under critical pressure, a graphics card that is nearly as fast takes over. */
function backendRule(
  draft: Draft,
  reasons: PolicyReason[],
  { profile, settings: { mode, backend, rules } }: PolicyInput,
  { strain, memoryShort }: PolicyState,
): void {
  const speed = profile?.gpuSpeed ?? 0;
  // For a moment the model lies in memory twice.
  if (backend !== 'auto' || strain.level < 2 || speed < rules.leastGpuSpeed || memoryShort) return;
  if (mode === 'manual' || mode === 'performance') return;
  draft.backend = { prefill: 'webgpu', decode: 'webgpu' };
  reasons.push({ code: 'gpu-instead' });
}

/** As long as a token takes, so that the processor rests half of the time; longer for nothing. */
function pauseOf(profile: ModelProfile | null, { pauseMs }: PolicyRules): number {
  if (profile === null) return pauseMs;
  const tokenMs = Math.round(profile.tokenBytes[8] / BYTES_A_MILLISECOND);
  return Math.min(pauseMs, Math.max(SHORTEST_PAUSE_MS, tokenMs));
}

function strainReason(
  { signals, now }: PolicyInput,
  { strain, attribution }: PolicyState,
): PolicyReason {
  const level = strain.level === 2 ? 'critical' : 'serious';
  const calmSeconds = Math.ceil(((strainEnds(strain) ?? now) - now) / 1000);
  const over = strain.observed === 0;
  const told = signals.pressure.kind === 'known' && !attribution.own;
  if (told) return { code: 'pressure', level, calmSeconds, over };
  const percent = signals.speed.kind === 'known' && !over ? signals.speed.value : null;
  return {
    code: 'slowdown',
    level,
    calmSeconds,
    percent: percent === null ? null : Math.round(100 * percent),
  };
}
