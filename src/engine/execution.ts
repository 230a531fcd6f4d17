/**
 * The plan that a loaded model is computed by, what of it is in force, and what computing has cost
 * since the model was loaded.
 *
 * Plans come at any time; they take effect in `settle`, between two steps, or at once where no step
 * runs. Precision, threads and pauses are choices of the next step and cost nothing. What takes work
 * is done there too, except reading the model's file, which goes on in the background.
 */
import { delay } from '../common/abort.ts';
import type { ByteSource } from '../common/byte-source.ts';
import { AppError, toAppError } from '../common/errors.ts';
import { yieldToEventLoop } from '../common/yield-to-event-loop.ts';
import type { Precision } from './backend/backend.ts';
import type { ChoiceReason, ComputeKind } from './backend-choice.ts';
import {
  type ExecutionCounters,
  type ExecutionPlan,
  type ExecutionStatus,
  type LowPlanesStatus,
  type PlanRefusal,
} from './execution-plan.ts';
import type { StepPhase } from './generation/session.ts';
import type { ModelHost } from './model-host.ts';
import type { HostedState } from './models/hosted-model.ts';
import type { LanguageModel, StateOptions, StepReport } from './models/language-model.ts';

export interface ExecutionParts {
  readonly host: ModelHost;
  /** The conversation. */
  readonly state: HostedState;
  /** Whether steps are run, so that a plan waits for the next one. */
  readonly busy: () => boolean;
  /** What is read of the model's file, the load itself included. */
  readonly meter: StoreMeter;
  /** Opens the model's file again; absent where that is not possible. */
  readonly reopen: (() => Promise<ByteSource & { close(): void }>) | undefined;
}

export class Execution {
  readonly #parts: ExecutionParts;
  readonly #storeBytesOfLoad: number;
  readonly #loadedFor: StateOptions;
  readonly #loadedReason: ChoiceReason;
  #plan: ExecutionPlan;
  /** The plan that `settle` has dealt with. */
  #settled: ExecutionPlan;
  /** And the model, and the phase, that it did so for. */
  #settledModel: LanguageModel;
  #phase: StepPhase = 'prompt';
  #settling: Promise<void> = Promise.resolve();
  #refused: readonly PlanRefusal[] = [];
  #switchMs: number | null = null;
  #loading: ComputeKind | null = null;
  #disposed = false;
  /** Low planes are being read again. */
  #restoring: AbortController | null = null;
  #promptTokens = 0;
  #answerTokens = 0;
  #weightBytes = 0;
  #lastStep: StepReport | null = null;

  /** @param plan that the model was loaded by */
  constructor(parts: ExecutionParts, plan: ExecutionPlan) {
    this.#parts = parts;
    this.#plan = plan;
    this.#settled = plan;
    this.#settledModel = parts.host.model.active;
    this.#loadedFor = parts.state.options;
    this.#loadedReason = parts.host.choice.reason;
    this.#storeBytesOfLoad = parts.meter.bytes;
  }

  apply(plan: ExecutionPlan): void {
    if (this.#disposed) return;
    this.#plan = plan;
    this.#tune(plan);
    // What fails is noted in `refused`.
    if (!this.#parts.busy()) void this.settle(this.#phase);
  }

  /** Prompt tokens of the next step at most. */
  batchTokens(): number {
    const { batchTokens } = this.#plan;
    return batchTokens === 'auto' ? Infinity : batchTokens;
  }

  /** Whether tokens may be computed on a guess. */
  speculates(): boolean {
    return this.#plan.speculation === 'auto';
  }

  /** Of the next step: what is asked for, or what comes nearest to it while planes are missing. */
  precision(): Precision {
    const wanted = this.#plan.precision;
    const planes = this.#parts.host.model.lowPlanes;
    if (planes === undefined || planes.has(wanted)) return wanted;
    return wanted === 8 && planes.has('mixed') && planes.bytes > 0 ? 'mixed' : 4;
  }

  /** Makes the latest plan take effect; to be awaited before every step. */
  settle(phase: StepPhase): Promise<void> {
    const same =
      this.#settled === this.#plan && this.#settledModel === this.#parts.host.model.active;
    if (!same || phase !== this.#phase) {
      this.#phase = phase;
      this.#settling = this.#settling.then(() => this.#settleNow());
    }
    return this.#settling;
  }

  /** Lets messages in after a token, and rests for as long as the plan says. */
  async rest(signal: AbortSignal | undefined): Promise<void> {
    const { pauseMs } = this.#plan;
    // A timer lets messages in as well, but never takes less than a millisecond.
    if (pauseMs > 0) await delay(pauseMs, signal);
    else await yieldToEventLoop();
  }

  note(report: StepReport, phase: StepPhase): void {
    this.#lastStep = report;
    this.#weightBytes += report.weightBytes;
    if (phase === 'answer') this.#answerTokens += report.tokens;
    else this.#promptTokens += report.tokens;
  }

  status(): ExecutionStatus {
    const { threads, pauseMs, batchTokens, submitMs, speculation } = this.#plan;
    const { host, state } = this.#parts;
    const { model, backend } = host;
    return {
      precision: this.precision(),
      threads,
      pauseMs,
      backend: host.kind,
      loadingBackend: this.#loading,
      kvType: state.options.kvType,
      contextTokens: state.capacity,
      lowPlanes: this.#lowPlanes(),
      batchTokens,
      submitMs,
      speculation,
      memory: backend.memory(),
      refused: this.#refused,
      switchMs: this.#switchMs,
      lastStep: this.#lastStep,
      counters: this.#counters(),
      weightBytesOfToken: {
        eight: model.weightBytesOfToken(8),
        four: model.weightBytesOfToken(4),
        mixed: model.weightBytesOfToken('mixed'),
      },
    };
  }

  /** The model is about to be unloaded. */
  dispose(): void {
    this.#disposed = true;
    this.#restoring?.abort();
  }

  #counters(): ExecutionCounters {
    return {
      promptTokens: this.#promptTokens,
      answerTokens: this.#answerTokens,
      weightBytes: this.#weightBytes,
      storeBytes: this.#parts.meter.bytes - this.#storeBytesOfLoad,
    };
  }

  #lowPlanes(): LowPlanesStatus {
    const { bytes = 0, droppedBytes = 0 } = this.#parts.host.model.lowPlanes ?? {};
    const state = this.#restoring !== null ? 'restoring' : droppedBytes > 0 ? 'dropped' : 'kept';
    return { state, bytes, droppedBytes };
  }

  async #settleNow(): Promise<void> {
    const plan = this.#plan;
    const { host } = this.#parts;
    const isNew = plan !== this.#settled;
    if (isNew) this.#refused = [];
    this.#settled = plan;
    const startedAt = performance.now();
    await this.#settleBackend(plan);
    this.#tune(plan);
    if (isNew || this.#settledModel !== host.model.active) this.#settleLowPlanes(plan);
    this.#settledModel = host.model.active;
    if (isNew) await this.#settleState(plan);
    this.#switchMs = performance.now() - startedAt;
  }

  /** Numbers that results do not depend on, and that a backend may change at any time. */
  #tune({ threads, submitMs }: ExecutionPlan): void {
    const { backend } = this.#parts.host;
    backend.setThreads?.(threads);
    backend.setSubmitMs?.(submitMs);
  }

  /** Changes to what the present phase is to be computed on, or has it loaded first. */
  async #settleBackend({ backend }: ExecutionPlan): Promise<void> {
    const { host } = this.#parts;
    const { phases } = host.choice;
    const prefill = backend.prefill === 'auto' ? phases.prefill : backend.prefill;
    const decode = backend.decode === 'auto' ? phases.decode : backend.decode;
    const isAnswer = this.#phase === 'answer';
    const wanted = isAnswer ? decode : prefill;
    const isAsked = (isAnswer ? backend.decode : backend.prefill) !== 'auto';
    if (host.has(wanted)) {
      try {
        await host.use(wanted, isAsked ? 'asked' : this.#loadedReason);
      } catch (thrown) {
        this.#refuse('backend', thrown);
      }
    }
    if (prefill === decode && host.kind === wanted) host.releaseBeside();
    for (const kind of new Set([prefill, decode])) if (!host.has(kind)) this.#loadBeside(kind);
  }

  #loadBeside(kind: ComputeKind): void {
    const failed = this.#refused.some(({ part }) => part === 'backend');
    if (this.#loading !== null || failed) return;
    this.#loading = kind;
    void this.#parts.host
      .loadBeside(kind)
      .then(
        () => {
          // As a new plan, which now can be followed.
          this.apply({ ...this.#plan });
        },
        (thrown: unknown) => {
          this.#refuse('backend', thrown);
        },
      )
      .finally(() => {
        this.#loading = null;
      });
  }

  /** Keeps the conversation in the form and for the length that the plan wants. */
  async #settleState({ kvType, contextTokens }: ExecutionPlan): Promise<void> {
    const { state } = this.#parts;
    const most = this.#loadedFor.capacity;
    const wanted = {
      kvType: kvType === 'unchanged' ? this.#loadedFor.kvType : kvType,
      capacity:
        contextTokens === 'unchanged'
          ? most
          : Math.min(most, Math.max(contextTokens, state.length + 1)),
    };
    const now = state.options;
    if (wanted.kvType === now.kvType && wanted.capacity === now.capacity) return;
    try {
      await state.reshape(wanted);
    } catch (thrown) {
      this.#refuse(wanted.kvType === now.kvType ? 'contextTokens' : 'kvType', thrown);
    }
  }

  #settleLowPlanes({ lowPlanes, precision }: ExecutionPlan): void {
    const planes = this.#parts.host.model.lowPlanes;
    if (planes === undefined) return;
    this.#restoring?.abort();
    this.#restoring = null;
    const kept = lowPlanes === 'keep' ? 8 : precision === 8 ? 4 : precision;
    if (lowPlanes === 'drop' && !planes.droppable) {
      const message = 'The graphics card keeps the low digits of the weights.';
      this.#refuse('lowPlanes', new AppError('not-supported', message));
      return;
    }
    if (lowPlanes === 'drop') planes.drop(kept);
    if (!planes.has(kept)) void this.#restore(kept);
  }

  async #restore(kept: Precision): Promise<void> {
    const { host, meter, reopen } = this.#parts;
    const controller = new AbortController();
    this.#restoring = controller;
    try {
      if (reopen === undefined) {
        throw new AppError('not-supported', 'The file of this model cannot be read again.');
      }
      const source = await reopen();
      try {
        await host.model.lowPlanes?.restore(kept, meter.metered(source), controller.signal);
      } finally {
        source.close();
      }
    } catch (thrown) {
      if (!controller.signal.aborted) this.#refuse('lowPlanes', thrown);
    } finally {
      if (this.#restoring === controller) this.#restoring = null;
    }
  }

  #refuse(part: keyof ExecutionPlan, thrown: unknown): void {
    const { code, message } = toAppError(thrown);
    this.#refused = [...this.#refused, { part, code, message }];
  }
}

/** Counts what is read of a model's file, over all sources that are opened for it. */
export class StoreMeter {
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  /** The same bytes, counted. */
  metered(source: ByteSource): ByteSource {
    const { size, partSizes } = source;
    return {
      size,
      ...(partSizes === undefined ? {} : { partSizes }),
      read: async (offset, length, signal, spare) => {
        const bytes = await source.read(offset, length, signal, spare);
        this.#bytes += bytes.byteLength;
        return bytes;
      },
    };
  }
}
