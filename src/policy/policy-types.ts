/** What the policy is given and what it gives back: plain data on both sides. */
import type { ExecutionPlan } from '../engine/execution-plan.ts';
import type { DeviceSignals } from '../platform/signals/device-signals.ts';
import type { Signal } from '../platform/signals/signal.ts';
import type { Attribution, OwnLoad } from './own-load.ts';
import type { PolicyRules } from './rules.ts';
import type { Strain } from './strain.ts';

/**
 * `saver`: as little energy as gives good answers. `balanced`: everything, until the device says
 * otherwise. `performance`: neither battery nor background count. `manual`: only what the person chose.
 */
export const policyModes = ['saver', 'balanced', 'performance', 'manual'] as const;
export type PolicyMode = (typeof policyModes)[number];

/** What all models need together, as they were loaded, and what they may have; bytes. */
export interface MemoryNeed {
  readonly neededBytes: number;
  readonly budgetBytes: number;
}

export interface PolicySignals extends DeviceSignals {
  readonly memory: Signal<MemoryNeed>;
  /** Tokens a second relative to what was usual under the same plan: 1 as always, 0.5 half. */
  readonly speed: Signal<number>;
}

/** What must be known of the loaded model. */
export interface ModelProfile {
  /** Threads it runs on when nothing holds it back. */
  readonly fullThreads: number;
  /** Memory was too little to load its low planes, so that there are none to come back. */
  readonly reducedTo4: boolean;
  /** Bytes of weights that one token reads; equal where the file has one precision. */
  readonly tokenBytes: { readonly 8: number; readonly 4: number; readonly mixed: number };
  /** Memory that dropping the low planes gives back. */
  readonly lowPlaneBytes: number;
  readonly contextTokens: number;
  readonly bytesPerPosition: number;
  /** How fast the graphics card was with this model, relative to the processor; null where that was not measured. */
  readonly gpuSpeed: number | null;
}

/** What the person chose. Compared by identity: another object is another choice. */
export interface PolicySettings {
  readonly mode: PolicyMode;
  readonly precision: 'auto' | 8 | 4;
  /** A number is the most there may be; in manual mode it is the number. */
  readonly threads: 'auto' | number;
  readonly backend: 'auto' | 'wasm' | 'webgpu';
  readonly rules: PolicyRules;
}

/** Why a plan is what it is. Numbers are here, words are the user interface's. */
export type PolicyReason =
  | {
      readonly code:
        | 'mode-saver'
        | 'mode-performance'
        | 'mode-manual'
        | 'hidden'
        | 'one-precision'
        | 'loaded-in-4'
        | 'gpu-instead'
        | 'memory-kv';
    }
  | { readonly code: 'chosen-precision'; readonly precision: 8 | 4 }
  | { readonly code: 'chosen-threads'; readonly threads: number }
  | {
      readonly code: 'battery-low';
      readonly percent: number;
      readonly below: number;
      readonly above: number;
      /** Whether the numbers are those for a browser that was asked to save. */
      readonly saving: boolean;
    }
  | {
      readonly code: 'pressure';
      readonly level: 'serious' | 'critical';
      /** Seconds of calm that are still missing; the whole time while it goes on. */
      readonly calmSeconds: number;
      readonly over: boolean;
    }
  | {
      readonly code: 'slowdown';
      readonly level: 'serious' | 'critical';
      /** Of the usual speed; null once it is over. */
      readonly percent: number | null;
      readonly calmSeconds: number;
    }
  | {
      readonly code: 'memory' | 'memory-refused';
      readonly neededBytes: number;
      readonly budgetBytes: number;
    }
  | { readonly code: 'memory-context'; readonly tokens: number }
  | { readonly code: 'settling'; readonly seconds: number };

export type PlanField = 'weights' | 'pace' | 'memory';

export interface Settled {
  readonly at: number;
  readonly direction: 'down' | 'up';
}

/** What the policy remembers from decision to decision. */
export interface PolicyState {
  readonly plan: ExecutionPlan;
  readonly strain: Strain;
  readonly attribution: Attribution;
  readonly batteryLow: boolean;
  readonly memoryShort: boolean;
  /** When each part of the plan changed last, and which way. */
  readonly settled: Readonly<Partial<Record<PlanField, Settled>>>;
  /** The choice that this was decided for. */
  readonly settings: PolicySettings | null;
}

export interface PolicyInput {
  readonly signals: PolicySignals;
  /** Null while no model is loaded: then the plan is for the next one. */
  readonly profile: ModelProfile | null;
  readonly settings: PolicySettings;
  /** What models of ours do at the moment. */
  readonly load: OwnLoad;
  /** Milliseconds on a clock that never goes back. */
  readonly now: number;
}

export interface Decision {
  readonly plan: ExecutionPlan;
  /** The weightiest first; none: nothing speaks against the full plan. */
  readonly reasons: readonly PolicyReason[];
  readonly state: PolicyState;
  /** When to decide again although no signal changed; null: not before one does. */
  readonly wakeInMs: number | null;
}
