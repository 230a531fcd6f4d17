/**
 * Notices shards that will not answer. A worker that the system ended says nothing, so one that is asked
 * and silent for some seconds is taken for dead. Time is counted in ticks of the event loop: a page that
 * was frozen for an hour accuses nobody.
 */
import type { ShardTeam } from './shard-team.ts';

const TICK_MS = 500;
const PATIENCE_TICKS = 6;
/** A shard may take so many times as long as the leader's own rows do. */
const TIMES_AS_LONG = 6;

export class ShardWatch {
  readonly #team: ShardTeam;
  #silentTicks = 0;
  #heardAt = 0;
  #expectedMs = 0;
  #timer: number | undefined;
  #stop = (): void => undefined;

  constructor(team: ShardTeam) {
    this.#team = team;
  }

  /** A step begins: from now on silence counts, and `signal` ends all waiting. */
  begin(signal: AbortSignal | undefined): void {
    this.#silentTicks = 0;
    this.#expectedMs = 0;
    this.#schedule();
    this.#stop = () => {
      for (const shard of this.#team.shards) shard.forgetQuestions();
    };
    signal?.addEventListener('abort', this.#stop, { once: true });
  }

  /** The leader's rows of a product took so long. */
  expect(milliseconds: number): void {
    this.#expectedMs = Math.max(this.#expectedMs, milliseconds);
  }

  end(signal: AbortSignal | undefined): void {
    clearTimeout(this.#timer);
    signal?.removeEventListener('abort', this.#stop);
  }

  #schedule(): void {
    this.#timer = setTimeout(() => {
      this.#tick();
      this.#schedule();
    }, TICK_MS);
  }

  #tick(): void {
    const asked = this.#team.shards.filter((shard) => shard.isAsked);
    const heardAt = Math.max(0, ...asked.map((shard) => shard.heardAt));
    const silent = asked.length > 0 && heardAt === this.#heardAt;
    this.#heardAt = heardAt;
    this.#silentTicks = silent ? this.#silentTicks + 1 : 0;
    const patience = Math.max(PATIENCE_TICKS, (TIMES_AS_LONG * this.#expectedMs) / TICK_MS);
    if (this.#silentTicks < patience) return;
    for (const shard of asked) shard.end();
  }
}
