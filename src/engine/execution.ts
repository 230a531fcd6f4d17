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
import {
  type ExecutionCounters,
  type ExecutionPlan,
  type ExecutionStatus,
  type LowPlanesStatus,
  type PlanRefusal,
} from './execution-plan.ts';
import type { StepPhase } from './generation/session.ts';
import type { ModelHost } from './model-host.ts';
import type { StepReport } from './models/language-model.ts';

export interface ExecutionParts {
  readonly host: ModelHost;
  /** What is read of the model's file, the load itself included. */
  readonly meter: StoreMeter;
  /** Opens the model's file again; absent where that is not possible. */
  readonly reopen: (() => Promise<ByteSource & { close(): void }>) | undefined;
}

export class Execution {
  readonly #parts: ExecutionParts;
  readonly #storeBytesOfLoad: number;
  #plan: ExecutionPlan;
  /** The plan that `settle` has dealt with. */
  #settled: ExecutionPlan;
  #settling: Promise<void> = Promise.resolve();
  #refused: readonly PlanRefusal[] = [];
  #switchMs: number | null = null;
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
    this.#storeBytesOfLoad = parts.meter.bytes;
  }

  /** @param idle whether no step runs, so that the plan can take effect at once */
  apply(plan: ExecutionPlan, idle: boolean): void {
    this.#plan = plan;
    this.#parts.host.backend.setThreads?.(plan.threads);
    // What fails is noted in `refused`.
    if (idle) void this.settle();
  }

  /** Of the next step: what is asked for, or what comes nearest to it while planes are missing. */
  precision(): Precision {
    const wanted = this.#plan.precision;
    const planes = this.#parts.host.model.lowPlanes;
    if (planes === undefined || planes.has(wanted)) return wanted;
    return wanted === 8 && planes.has('mixed') && planes.bytes > 0 ? 'mixed' : 4;
  }

  /** Makes the latest plan take effect; to be awaited before every step. */
  settle(): Promise<void> {
    if (this.#settled !== this.#plan) {
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
    const { threads, pauseMs } = this.#plan;
    const { model, backend } = this.#parts.host;
    return {
      precision: this.precision(),
      threads,
      pauseMs,
      lowPlanes: this.#lowPlanes(),
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
    if (plan === this.#settled) return;
    this.#settled = plan;
    this.#refused = [];
    const startedAt = performance.now();
    this.#settleLowPlanes(plan);
    await Promise.resolve();
    this.#switchMs = performance.now() - startedAt;
  }

  #settleLowPlanes({ lowPlanes, precision }: ExecutionPlan): void {
    const planes = this.#parts.host.model.lowPlanes;
    if (planes === undefined) return;
    this.#restoring?.abort();
    this.#restoring = null;
    const kept = lowPlanes === 'keep' ? 8 : precision === 8 ? 4 : precision;
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
