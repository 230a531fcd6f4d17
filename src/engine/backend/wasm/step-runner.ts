/**
 * Runs command lists in slices of a few milliseconds, on as many threads as pay off.
 *
 * Between two slices the event loop turns, so that a stop is heard within 50 ms and the worker
 * answers who asks whether it lives, however long a step is. A decode step of a small model is one
 * slice. When a thread dies the list is run again from its beginning with the rest: a step reads
 * nothing that it overwrites but recurrent blocks, which are put back before.
 */
import { throwIfAborted } from '../../../common/abort.ts';
import { AppError } from '../../../common/errors.ts';
import { yieldToEventLoop } from '../../../common/yield-to-event-loop.ts';
import type { ThreadChoice } from '../backend.ts';
import { ThreadGovernor, type StepKind } from './threads/thread-governor.ts';
import type { TeamWork, ThreadTeam } from './threads/thread-team.ts';

/** Aimed at, so that a slice that takes twice as long as foreseen is still within 50 ms. */
const SLICE_MILLISECONDS = 20;
/** Multiply-adds a millisecond before anything was measured: a slow phone's. */
const FIRST_SPEED = 1e6;
/** A slower slice than this says nothing about speed: the machine did something else. */
const SHORTEST_MEASURED_MS = 0.2;

export interface StepOptions {
  readonly kind: StepKind;
  /** Most threads that the list has scratch memory for. */
  readonly mostThreads: number;
  readonly signal: AbortSignal | undefined;
  /** Called before the list is run, and before it is run again. */
  readonly prepare: () => void;
  /** Puts back what a step reads and overwrites, before the list is run again. */
  readonly restart: () => void;
  /** Asked after the event loop turned: throws when the step must not go on. */
  readonly check: () => void;
}

export class StepRunner {
  readonly #team: ThreadTeam;
  #governor: ThreadGovernor;
  #choice: ThreadChoice = 'auto';
  #threadsUsed = 0;
  readonly #speeds = new Map<string, number>();

  constructor(team: ThreadTeam) {
    this.#team = team;
    this.#governor = new ThreadGovernor(team.size);
  }

  /** To be called when the team's size changed. */
  teamChanged(): void {
    this.#governor = new ThreadGovernor(this.#team.size);
  }

  setThreads(choice: ThreadChoice): void {
    if (choice !== 'auto' && (!Number.isInteger(choice) || choice < 1)) {
      throw new AppError('invalid-argument', 'The number of threads must be at least 1.', {
        details: { threads: choice },
      });
    }
    this.#choice = choice;
  }

  /** Threads that steps of a kind run on now, trials aside. */
  threads(kind: StepKind): number {
    const wanted = this.#choice === 'auto' ? this.#governor.settled(kind) : this.#choice;
    return Math.min(wanted, this.#team.size);
  }

  /** Of the last step. */
  get threadsUsed(): number {
    return this.#threadsUsed;
  }

  /** @throws AppError `aborted`, and what `check` throws */
  async run(work: TeamWork, options: StepOptions): Promise<void> {
    while (!(await this.#runOnce(work, options))) {
      await this.#team.recover();
      this.teamChanged();
      options.check();
      options.restart();
    }
  }

  /** Whether the list was run to its end. */
  async #runOnce(
    work: TeamWork,
    { kind, mostThreads, signal, prepare, check }: StepOptions,
  ): Promise<boolean> {
    const wanted = this.#choice === 'auto' ? this.#governor.next(kind) : this.#choice;
    const threads = Math.min(wanted, this.#team.size, mostThreads);
    this.#threadsUsed = threads;
    const key = `${kind} ${threads}`;
    let total = 0;
    let totalMs = 0;
    prepare();
    this.#team.begin(work);
    for (;;) {
      const speed = this.#speeds.get(key) ?? FIRST_SPEED * threads;
      const cost = this.#team.next(speed * SLICE_MILLISECONDS);
      if (cost === 0) break;
      const startedAt = performance.now();
      if (this.#team.run(threads) === 'stalled') return false;
      const took = performance.now() - startedAt;
      total += cost;
      totalMs += took;
      if (took > SHORTEST_MEASURED_MS) this.#noteSpeed(key, cost / took);
      if (this.#team.atEnd) break;
      await yieldToEventLoop();
      throwIfAborted(signal);
      check();
    }
    if (totalMs > SHORTEST_MEASURED_MS && this.#choice === 'auto') {
      this.#governor.record(kind, total / totalMs);
    }
    return true;
  }

  /** Falls at once, because a slice that is too long cannot be stopped, and rises slowly. */
  #noteSpeed(key: string, speed: number): void {
    const before = this.#speeds.get(key);
    this.#speeds.set(
      key,
      before === undefined ? speed : Math.min(speed, 0.8 * before + 0.2 * speed),
    );
  }
}
