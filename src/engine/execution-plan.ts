/**
 * How a loaded model is to be computed from the next token on.
 *
 * A plan is decided outside the engine (battery, heat, memory, the person's wish) and handed over as
 * plain data, in the middle of an answer too. The engine obeys it between two tokens, keeps the
 * conversation's memory, and says in `ExecutionStatus` what is in force: a part of a plan that a model
 * or a device cannot follow is left as it was and named there.
 */
import { AppError, type ErrorCode } from '../common/errors.ts';
import type { BackendMemory, KvType, Precision, ThreadChoice } from './backend/backend.ts';
import type { ComputeKind } from './backend-choice.ts';
import type { StepReport } from './models/language-model.ts';

export interface ExecutionPlan {
  /**
   * What computes prompts, and what computes answers; `auto`: what was chosen when the model was loaded.
   * Another backend is loaded in the background while the present one goes on, and takes over keys and
   * values of the conversation; two different ones hold the model twice.
   */
  readonly backend: {
    readonly prefill: 'auto' | ComputeKind;
    readonly decode: 'auto' | ComputeKind;
  };
  /**
   * Bits read of each weight. `mixed`: 4, but 8 of those tensors in which the low digits matter most
   * for their size (`weights/sensitive-weights.ts`).
   */
  readonly precision: Precision;
  /** How keys and values of the conversation are kept; those that are there are converted. */
  readonly kvType: 'unchanged' | Extract<KvType, 'f16' | 'q8'>;
  /** Threads of the processor. */
  readonly threads: ThreadChoice;
  /** Rest after each token of an answer, in milliseconds, at most `longestPauseMs`. */
  readonly pauseMs: number;
  /**
   * Positions of the conversation's memory: at most those that the model was loaded for, and never
   * fewer than it holds.
   */
  readonly contextTokens: 'unchanged' | number;
  /**
   * `drop`: low planes that the plan's precision does not read are given up; with precision 8 that is
   * all of them, and 4 bits are computed with.
   * WebAssembly memory never shrinks: what was given up is free for what this model needs next, a
   * longer context above all, and not for other programs. A graphics card refuses: there the planes of
   * a weight lie in one buffer. `keep` reads them from the model's file again, in the background;
   * until they are all here the model computes with the bits it has.
   */
  readonly lowPlanes: 'keep' | 'drop';
  /** Prompt tokens of one step at most: fewer let other work in between, and a stop be heard, sooner. */
  readonly batchTokens: 'auto' | number;
  /**
   * How long one submission to the graphics card is to take at most, in milliseconds: meanwhile the
   * screen waits. Results do not depend on it.
   */
  readonly submitMs: 'auto' | number;
  /** Whether tokens are computed on the guess that they come next, where measuring says that it pays. */
  readonly speculation: 'auto' | 'off';
}

export const longestPauseMs = 10_000;
/** Browsers end the device of a page that holds the graphics card for seconds. */
export const longestSubmitMs = 1000;

/** A model as it is after loading. */
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

/** What the engine does now. */
export interface ExecutionStatus {
  readonly precision: Precision;
  readonly threads: ThreadChoice;
  readonly pauseMs: number;
  /** What computes now. */
  readonly backend: ComputeKind;
  /** Another backend is being loaded, to be changed to when it is complete. */
  readonly loadingBackend: ComputeKind | null;
  readonly kvType: KvType;
  readonly contextTokens: number;
  readonly lowPlanes: LowPlanesStatus;
  readonly batchTokens: 'auto' | number;
  readonly submitMs: 'auto' | number;
  readonly speculation: 'auto' | 'off';
  readonly memory: BackendMemory;
  /** Parts of the plan that could not be followed, and why; they stay as they were. */
  readonly refused: readonly PlanRefusal[];
  /** How long the last change of plan kept the model from computing; null before the first one. */
  readonly switchMs: number | null;
  /** Null before the first one. */
  readonly lastStep: StepReport | null;
  readonly counters: ExecutionCounters;
  /** Bytes of weights that a token costs in each precision: what there is to choose from. */
  readonly weightBytesOfToken: {
    readonly eight: number;
    readonly four: number;
    readonly mixed: number;
  };
}

export interface LowPlanesStatus {
  /** `dropped`: only what the present precision reads is in memory. */
  readonly state: 'kept' | 'dropped' | 'restoring';
  /** Bytes of low planes in memory, and of those that were given up. */
  readonly bytes: number;
  readonly droppedBytes: number;
}

export interface PlanRefusal {
  readonly part: keyof ExecutionPlan;
  readonly code: ErrorCode;
  readonly message: string;
}

/** Sums since the model was loaded. */
export interface ExecutionCounters {
  /** Tokens of given texts that were computed: those that were remembered do not count. */
  readonly promptTokens: number;
  /** Tokens of answers that were computed, wrong guesses included. */
  readonly answerTokens: number;
  /** Bytes of weights read from memory. */
  readonly weightBytes: number;
  /** Bytes read from the model's file, those that loading it took aside. */
  readonly storeBytes: number;
}

const computeKinds: readonly unknown[] = ['auto', 'wasm', 'webgpu'];
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 1;

/** @throws AppError `invalid-argument`: plans come from other threads, and settings take part in them */
export function checkPlan(plan: ExecutionPlan): void {
  const { backend, precision, kvType, threads, pauseMs, contextTokens, lowPlanes } = plan;
  const { batchTokens, submitMs, speculation } = plan;
  const parts: Readonly<Record<string, boolean>> = {
    backend: computeKinds.includes(backend.prefill) && computeKinds.includes(backend.decode),
    precision: [8, 4, 'mixed'].includes(precision),
    kvType: ['unchanged', 'f16', 'q8'].includes(kvType),
    threads: threads === 'auto' || isCount(threads),
    pauseMs: pauseMs >= 0 && pauseMs <= longestPauseMs,
    contextTokens: contextTokens === 'unchanged' || isCount(contextTokens),
    lowPlanes: ['keep', 'drop'].includes(lowPlanes),
    batchTokens: batchTokens === 'auto' || isCount(batchTokens),
    submitMs: submitMs === 'auto' || (submitMs >= 1 && submitMs <= longestSubmitMs),
    speculation: ['auto', 'off'].includes(speculation),
  };
  const wrong = Object.keys(parts).find((part) => parts[part] === false);
  if (wrong === undefined) return;
  throw new AppError('invalid-argument', `The plan of execution has an impossible "${wrong}".`, {
    details: { part: wrong },
  });
}
