/**
 * The threads of one backend and the memory by which they talk (wasm/include/team.h).
 *
 * A slice is a part of a step's command list that all threads of the slice run together; thread 0 is
 * the caller. A thread that dies is noticed because it makes no progress or because it says so; it
 * is dropped, and the step is to be run again with the others.
 */
import { delay } from '../../../../common/abort.ts';
import { LARGEST_TEAM, TEAM_WORDS, teamWords } from '../command-layout.ts';
import type { Kernels } from '../kernel-module.ts';
import type { KernelThread, SpawnKernelThread } from './kernel-thread.ts';

const STACK_BYTES = 65536;
/** A thread that has not counted for so long, in quarters of a second, is looked after. */
const PATIENCE_QUARTERS = 4;
/** And given up when it does not answer for so long again. */
const GRACE_MS = 3000;
const POLL_MS = 5;

interface Member {
  readonly thread: KernelThread;
  readonly index: number;
  readonly stack: number;
  dead: boolean;
}

/** What is run: the address and length of a command list, and of the step's numbers. */
export interface TeamWork {
  readonly commands: number;
  readonly commandCount: number;
  readonly step: number;
}

export type SliceOutcome = 'done' | 'stalled';

export class ThreadTeam {
  readonly #kernels: Kernels;
  readonly #address: number;
  #members: Member[] = [];
  #slices = 0;
  #lost = 0;

  constructor(kernels: Kernels) {
    this.#kernels = kernels;
    this.#address = kernels.heap.allocate(TEAM_WORDS * 4);
    this.#words(TEAM_WORDS, 0).fill(0);
  }

  /** Threads that can take part, the caller's included. */
  get size(): number {
    return 1 + this.#members.length;
  }

  /** Threads that died so far. */
  get lost(): number {
    return this.#lost;
  }

  /**
   * Starts threads until the team has `size`. Where none can be started the team stays smaller.
   * @returns how many there are then
   */
  async grow(size: number, spawn: SpawnKernelThread): Promise<number> {
    const { module, memory, heap } = this.#kernels;
    const added: Member[] = [];
    for (let index = this.size; index < Math.min(size, LARGEST_TEAM); index++) {
      const stack = heap.allocate(STACK_BYTES);
      const stackTop = stack + STACK_BYTES;
      const thread = spawn({ module, memory, stackTop, team: this.#address, index });
      const member = { thread, index, stack, dead: false };
      void thread.ended.then(() => {
        member.dead = true;
      });
      added.push(member);
    }
    const started = await Promise.all(
      added.map(async (member) => {
        try {
          await member.thread.ready;
          return true;
        } catch {
          member.thread.end();
          return false;
        }
      }),
    );
    // Members are numbered without gaps: the first that failed ends the row.
    const failed = started.indexOf(false);
    const usable = failed === -1 ? added : added.slice(0, failed);
    for (const member of added.slice(usable.length)) member.thread.end();
    this.#members.push(...usable);
    return this.size;
  }

  /** Makes ready to run a command list from its beginning. */
  begin(work: TeamWork): void {
    const { commands, commandCount, step } = work;
    const range = [0, 0, 0, 0];
    this.#words(teamWords.head, 0).set([
      commands,
      commandCount,
      step,
      1,
      ...range,
      PATIENCE_QUARTERS,
    ]);
    this.#write(teamWords.progress, 0);
  }

  /** Commands done of the list. */
  get progress(): number {
    return this.#read(teamWords.progress);
  }

  /** Chooses the next slice, as much as `cost` multiply-adds reach. Returns what it costs, 0 at the end. */
  next(cost: number): number {
    return this.#kernels.call('hermit_next_range', this.#address, cost);
  }

  /** Whether the slice chosen last ends the list. */
  get atEnd(): boolean {
    return this.#read(teamWords.to) >= this.#read(teamWords.count);
  }

  /** Runs the slice chosen last with at most `threads` threads. */
  run(threads: number): SliceOutcome {
    if (this.#members.some(({ dead }) => dead)) return 'stalled';
    this.#write(teamWords.threads, Math.min(threads, this.size));
    this.#slices++;
    const status = this.#kernels.call('hermit_run', this.#address, this.#slices);
    return status === 0 ? 'done' : 'stalled';
  }

  /** Runs units [first, last) of one command on the caller's thread alone. */
  runUnits(
    { commands, step }: Pick<TeamWork, 'commands' | 'step'>,
    command: number,
    first: number,
    last: number,
  ): void {
    this.begin({ commands, commandCount: command + 1, step });
    this.#words(4, teamWords.from).set([command, first, command, last]);
    this.#slices++;
    this.#kernels.call('hermit_run', this.#address, this.#slices);
  }

  /**
   * After a stalled slice: waits until every thread has left it, or is surely gone, and drops those
   * that are. Then the list may be run again from its beginning.
   */
  async recover(): Promise<void> {
    this.#write(teamWords.abandoned, 1);
    const until = performance.now() + GRACE_MS;
    while (this.#members.some((member) => this.#isInside(member)) && performance.now() < until) {
      await delay(POLL_MS); // also lets the news of a death arrive
    }
    const gone = this.#members.filter((member) => member.dead || this.#isInside(member));
    for (const { thread } of gone) thread.end();
    await Promise.all(gone.map(({ thread }) => thread.ended));
    this.#lost += gone.length;
    // Thread numbers have no gaps: those behind a lost one end too and are not counted as lost.
    const first = Math.min(...gone.map(({ index }) => index));
    const behind = this.#members.filter(({ index }) => index > first);
    for (const { thread } of behind) thread.end();
    await Promise.all(behind.map(({ thread }) => thread.ended));
    this.#members = this.#members.filter(({ index }) => index < first);
    for (const word of [teamWords.abandoned, teamWords.arrived, teamWords.sleepers]) {
      this.#write(word, 0);
    }
    this.#words(16 * teamWords.cursorCount, teamWords.cursors).fill(0);
  }

  /** Ends all threads; resolves when none can touch the memory any more. */
  async end(): Promise<void> {
    const members = this.#members;
    this.#members = [];
    for (const { thread } of members) thread.end();
    await Promise.all(members.map(({ thread }) => thread.ended));
  }

  #isInside({ index, dead }: Member): boolean {
    return !dead && this.#read(teamWords.go(index)) !== this.#read(teamWords.done(index));
  }

  #words(length: number, offset: number): Int32Array {
    return this.#kernels.heap.i32(this.#address + offset * 4, length);
  }

  #read(word: number): number {
    return Atomics.load(this.#words(1, word), 0);
  }

  #write(word: number, value: number): void {
    Atomics.store(this.#words(1, word), 0, value);
  }
}
