/**
 * A thread that computes its rows of weight matrices in a memory of its own, for pages where memory
 * cannot be shared. It is a memory and something that runs commands in it: whoever leads writes
 * matrices, commands and activations there by address and asks for rows.
 *
 * Who makes threads (a nested worker in browsers, `worker_threads` in Node) is handed in. Messages
 * move their bytes (transfer), nothing is copied on the way.
 */
import { STEP_WORDS } from '../command-layout.ts';
import { useDotMethods, type DotMethods } from '../dot-method.ts';
import { instantiateKernels, type Kernels } from '../kernel-module.ts';
import { ThreadTeam } from '../threads/thread-team.ts';

/** The first message. The answer is the address of the reserved bytes. */
export interface ShardStart {
  /** The build for memory of one's own. */
  readonly module: WebAssembly.Module;
  readonly dotMethods: DotMethods;
  /** Bytes to reserve. */
  readonly bytes: number;
}

export interface ShardRequest {
  /** Comes back with the answer. */
  readonly id: number;
  /** Where `data` goes, before anything runs: address and bytes of each part, one after the other. */
  readonly places: readonly number[];
  readonly data: ArrayBuffer;
  /** What is run then; nothing where it is null, and the answer is empty. */
  readonly job: ShardJob | null;
}

/** Commands to run, as plain numbers, because objects cost microseconds on their way. */
export interface ShardJob {
  /** commands, step, tokens, outputs, position, precision, scratch, scratchBytes */
  readonly step: readonly number[];
  /** Of each command: its number, first and last unit, address of its result, rows, vectors of rows. */
  readonly parts: readonly number[];
}

export interface ShardAnswer {
  readonly id: number;
  /** float32 rows: of each command, of each vector, those of the units that were run. */
  readonly data: ArrayBuffer;
}

/** Answers to `ShardStart`: where the reserved bytes begin, or why there are none. */
export type ShardReady = { readonly base: number } | { readonly error: string };

export interface ShardThread {
  post(message: ShardStart | ShardRequest, transfer: readonly ArrayBuffer[]): void;
  /** Called with every answer. */
  listen(heard: (message: ShardReady | ShardAnswer) => void): void;
  /** Resolves when the thread is known to have ended. A thread that hangs is not known. */
  readonly ended: Promise<void>;
  end(): void;
}

export type SpawnShardThread = (index: number) => ShardThread;

/** Rows of a unit, GROUP of wasm/include/simd.h. */
export const UNIT_ROWS = 8;
export const PART_WORDS = 6;

/** The thread's side. */
export class ShardServer {
  readonly base: number;
  readonly #kernels: Kernels;
  readonly #team: ThreadTeam;

  /** @throws AppError as `instantiateKernels`, `engine/out-of-memory` */
  constructor({ module, dotMethods, bytes }: ShardStart) {
    this.#kernels = instantiateKernels(module);
    useDotMethods(this.#kernels, dotMethods);
    this.#team = new ThreadTeam(this.#kernels);
    this.base = this.#kernels.heap.allocate(bytes);
  }

  answer({ id, places, data, job }: ShardRequest): ShardAnswer {
    const memory = this.#kernels.heap.bytes();
    let from = 0;
    for (let i = 0; i < places.length; i += 2) {
      const bytes = places[i + 1] as number;
      memory.set(new Uint8Array(data, from, bytes), places[i]);
      from += bytes;
    }
    return { id, data: job === null ? new ArrayBuffer(0) : this.#run(job) };
  }

  #run({ step, parts }: ShardJob): ArrayBuffer {
    const { heap } = this.#kernels;
    const [commands, at, tokens, outputs, position, precision, scratch, scratchBytes] =
      step as Readonly<[number, number, number, number, number, number, number, number]>;
    const words = [0, tokens, position, outputs, precision, 0, scratch, scratchBytes, 0];
    heap.u32(at, STEP_WORDS).set(words);
    let total = 0;
    eachPart(parts, ({ count, vectors }) => {
      total += count * vectors;
    });
    const result = new Float32Array(total);
    let filled = 0;
    eachPart(parts, ({ command, first, last, address, rows, vectors, count }) => {
      this.#team.runUnits({ commands, step: at }, command, first, last);
      const all = heap.f32(address, rows * vectors);
      for (let vector = 0; vector < vectors; vector++) {
        const start = vector * rows + first * UNIT_ROWS;
        result.set(all.subarray(start, start + count), filled);
        filled += count;
      }
    });
    return result.buffer;
  }
}

interface Part {
  readonly command: number;
  readonly first: number;
  readonly last: number;
  readonly address: number;
  readonly rows: number;
  readonly vectors: number;
  /** Rows of the units. */
  readonly count: number;
}

function eachPart(parts: readonly number[], visit: (part: Part) => void): void {
  for (let i = 0; i < parts.length; i += PART_WORDS) {
    const [command, first, last, address, rows, vectors] = parts.slice(i, i + PART_WORDS) as [
      ...[number, number, number],
      ...[number, number, number],
    ];
    const count = Math.min(last * UNIT_ROWS, rows) - first * UNIT_ROWS;
    visit({ command, first, last, address, rows, vectors, count });
  }
}

/** The whole life of a thread: what to do with each message, and what to answer. */
export function shardReplies(): (message: ShardStart | ShardRequest) => ShardReady | ShardAnswer {
  let server: ShardServer | undefined;
  return (message) => {
    if ('id' in message) {
      if (server === undefined) throw new Error('A shard was asked before it was started.');
      return server.answer(message);
    }
    try {
      server = new ShardServer(message);
      return { base: server.base };
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  };
}
