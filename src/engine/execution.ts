/**
 * The plan that a loaded model is computed by, and what its computing has cost since it was loaded.
 */
import { delay } from '../common/abort.ts';
import type { ByteSource } from '../common/byte-source.ts';
import { yieldToEventLoop } from '../common/yield-to-event-loop.ts';
import type { Precision } from './backend/backend.ts';
import {
  fullPlan,
  type ExecutionCounters,
  type ExecutionPlan,
  type ExecutionStatus,
} from './execution-plan.ts';
import type { StepPhase } from './generation/session.ts';
import type { ModelHost } from './model-host.ts';
import type { StepReport } from './models/language-model.ts';

export class Execution {
  readonly #host: ModelHost;
  readonly #source: StoreMeter;
  readonly #storeBytesOfLoad: number;
  #plan: ExecutionPlan = fullPlan;
  #promptTokens = 0;
  #answerTokens = 0;
  #weightBytes = 0;
  #lastStep: StepReport | null = null;

  /** @param source what the model was loaded from, and what else of it is read later */
  constructor(host: ModelHost, source: StoreMeter) {
    this.#host = host;
    this.#source = source;
    this.#storeBytesOfLoad = source.bytes;
  }

  apply(plan: ExecutionPlan): void {
    this.#plan = plan;
    this.#host.backend.setThreads?.(plan.threads);
  }

  /** Of the next step. */
  precision(): Precision {
    return this.#plan.precision;
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
    const { model } = this.#host;
    return {
      precision: this.precision(),
      threads,
      pauseMs,
      lastStep: this.#lastStep,
      counters: this.#counters(),
      weightBytesOfToken: {
        eight: model.weightBytesOfToken(8),
        four: model.weightBytesOfToken(4),
        mixed: model.weightBytesOfToken('mixed'),
      },
    };
  }

  #counters(): ExecutionCounters {
    return {
      promptTokens: this.#promptTokens,
      answerTokens: this.#answerTokens,
      weightBytes: this.#weightBytes,
      storeBytes: this.#source.bytes - this.#storeBytesOfLoad,
    };
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
