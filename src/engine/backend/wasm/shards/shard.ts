/** One shard as its leader sees it: what lies in its memory, and the questions it has not answered yet. */
import { AppError } from '../../../../common/errors.ts';
import { MATRIX_WORDS } from '../command-layout.ts';
import type { DotMethods } from '../dot-method.ts';
import type { Kernels } from '../kernel-module.ts';
import type { PlacedMatrix, ShardLayout } from './shard-layout.ts';
import type { ShardAnswer, ShardJob, ShardReady, ShardThread } from './shard-thread.ts';

const LO_WORD = 3;
/** Questions about contents that are under way at a time, 4 MiB each. */
const MOST_UNDER_WAY = 2;

/** Bytes for absolute addresses of the shard's memory. */
export interface Fill {
  readonly at: number;
  readonly bytes: Uint8Array;
}

/** What was asked: its answer, or null when the shard ended before. */
export type Answer = Promise<Float32Array | null>;

export class Shard {
  readonly layout: ShardLayout;
  readonly #kernels: Kernels;
  readonly #thread: ShardThread;
  readonly #open = new Map<number, (answer: Float32Array | null) => void>();
  /** Whether the shard sees the low plane of a matrix now. */
  readonly #lowSeen = new Map<PlacedMatrix, boolean>();
  #base = 0;
  #ready: ((message: ShardReady) => void) | null = null;
  #questions = 0;
  #heardAt = 0;
  #dead = false;

  private constructor(layout: ShardLayout, kernels: Kernels, thread: ShardThread) {
    this.layout = layout;
    this.#kernels = kernels;
    this.#thread = thread;
    thread.listen((message) => {
      this.#heard(message);
    });
    void thread.ended.then(() => {
      this.#giveUp();
    });
  }

  /**
   * Starts a shard and gives it its contents.
   * @throws AppError `engine/out-of-memory`, `engine/worker-died`
   */
  static async start(
    layout: ShardLayout,
    kernels: Kernels,
    dotMethods: DotMethods,
    thread: ShardThread,
  ): Promise<Shard> {
    const shard = new Shard(layout, kernels, thread);
    try {
      await shard.#begin(dotMethods);
      return shard;
    } catch (error) {
      shard.end();
      throw error;
    }
  }

  get dead(): boolean {
    return this.#dead;
  }

  /** Address of what lies at a relative one. */
  address(relative: number): number {
    return this.#base + relative;
  }

  /** When it answered last, on the clock of `performance.now`. */
  get heardAt(): number {
    return this.#heardAt;
  }

  get isAsked(): boolean {
    return this.#open.size > 0;
  }

  ask(fills: readonly Fill[], job: ShardJob | null): Answer {
    if (this.#dead) return Promise.resolve(null);
    const places = fills.flatMap(({ at, bytes }) => [at, bytes.byteLength]);
    const data = joined(fills);
    const id = ++this.#questions;
    return new Promise((resolve) => {
      if (this.#open.size === 0) this.#heardAt = performance.now();
      this.#open.set(id, resolve);
      this.#thread.post({ id, places, data, job }, [data]);
    });
  }

  /** Descriptors of matrices whose low plane the leader's steps see anew, or no more. */
  changes(): readonly Fill[] {
    const fills: Fill[] = [];
    for (const matrix of this.layout.matrices.values()) {
      if (matrix.lo === 0) continue;
      const words = this.#kernels.heap.u32(matrix.weight.address, MATRIX_WORDS);
      const seen = words[LO_WORD] !== 0;
      if (this.#lowSeen.get(matrix) === seen) continue;
      this.#lowSeen.set(matrix, seen);
      const bytes = this.layout.descriptors(matrix, this.#base);
      fills.push({ at: this.address(matrix.descriptors), bytes });
    }
    return fills;
  }

  /** Answers to what was asked so far are not waited for any more. */
  forgetQuestions(): void {
    for (const resolve of this.#open.values()) resolve(null);
    this.#open.clear();
  }

  end(): void {
    this.#thread.end();
    this.#giveUp();
  }

  #giveUp(): void {
    this.#dead = true;
    this.#ready?.({ error: 'The thread ended before it was ready.' });
    this.forgetQuestions();
  }

  async #begin(dotMethods: DotMethods): Promise<void> {
    const { module } = this.#kernels;
    const ready = new Promise<ShardReady>((resolve) => {
      this.#ready = resolve;
    });
    this.#thread.post({ module, dotMethods, bytes: this.layout.bytes }, []);
    const message = await ready;
    this.#ready = null;
    if ('error' in message) {
      throw new AppError('engine/out-of-memory', message.error, {
        details: { requestedBytes: this.layout.bytes },
      });
    }
    this.#base = message.base;
    const underWay: Answer[] = [];
    for (const { at, bytes } of this.layout.contents(this.#base)) {
      underWay.push(this.ask([{ at: this.address(at), bytes }], null));
      if (underWay.length > MOST_UNDER_WAY) await underWay.shift();
    }
    await Promise.all(underWay);
    if (this.#dead) {
      throw new AppError('engine/worker-died', 'A thread ended while it was given its weights.');
    }
  }

  #heard(message: ShardReady | ShardAnswer): void {
    this.#heardAt = performance.now();
    if (!('id' in message)) {
      this.#ready?.(message);
      return;
    }
    const resolve = this.#open.get(message.id);
    this.#open.delete(message.id);
    resolve?.(new Float32Array(message.data));
  }
}

/** The bytes in a buffer of their own, which may be given away. */
function joined(fills: readonly Fill[]): ArrayBuffer {
  const [only] = fills;
  const whole = only?.bytes.buffer;
  if (fills.length === 1 && whole instanceof ArrayBuffer && !(only?.bytes.byteOffset ?? 0)) {
    if (whole.byteLength === only?.bytes.byteLength) return whole;
  }
  const data = new Uint8Array(fills.reduce((sum, { bytes }) => sum + bytes.byteLength, 0));
  let filled = 0;
  for (const { bytes } of fills) {
    data.set(bytes, filled);
    filled += bytes.byteLength;
  }
  return data.buffer;
}
