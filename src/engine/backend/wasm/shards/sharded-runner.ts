/**
 * Runs a command list with its large products shared out: the leader sends their input, computes its
 * own rows meanwhile and puts those of the shards beside them. Every row is computed whole in one
 * place, so the bits are those of one thread.
 *
 * A message takes some 50 us, so few are sent: where a product is all that reads the one before (the
 * down projection of a feed-forward network), each side keeps its own rows and they exchange the others,
 * three messages in the place of four.
 */
import { throwIfAborted } from '../../../../common/abort.ts';
import { yieldToEventLoop } from '../../../../common/yield-to-event-loop.ts';
import type { ThreadChoice } from '../../backend.ts';
import type { CommandList } from '../compiled-graph.ts';
import type { Kernels } from '../kernel-module.ts';
import { ThreadGovernor, type StepKind } from '../threads/thread-governor.ts';
import type { ThreadTeam } from '../threads/thread-team.ts';
import type { Product, ProductGroup } from './list-products.ts';
import type { Answer, Fill, Shard } from './shard.ts';
import { SHARE_UNITS } from './shard-layout.ts';
import { UNIT_ROWS } from './shard-thread.ts';
import { follows, type ShardTeam, type StepRows } from './shard-team.ts';
import { ShardWatch } from './shard-watch.ts';

/** As in `step-runner.ts`: a stop is heard between two slices. */
const SLICE_MILLISECONDS = 20;
const FIRST_SPEED = 1e6;
const SHORTEST_MEASURED_MS = 0.2;
/** The leader takes rows over from shards that it waits for longer than this, and gives them back below. */
const LONG_WAIT_MS = 0.09;
const SHORT_WAIT_MS = 0.05;
const BALANCE_STEP = 0.01;
const MOST_TAKEN = 0.9;

export interface ShardedStep extends StepRows {
  readonly kind: StepKind;
  readonly position: number;
  readonly precision: number;
  readonly signal: AbortSignal | undefined;
  /** Runs commands [first, first + count) here alone. */
  readonly runHere: (first: number, count: number) => Promise<void>;
  /** Asked after the event loop turned: throws when the step must not go on. */
  readonly check: () => void;
}

interface Units {
  readonly first: number;
  readonly last: number;
}

/** A group that a shard was asked for. */
interface Asked {
  readonly shard: Shard;
  readonly answer: Answer;
  /** What it computes of each of the group's products. */
  readonly units: readonly Units[];
}

/** The share of a shard's rows that the leader computes, found out by how long it waits for answers. */
interface Balance {
  taken: number;
  waitMs: number;
}

export class ShardedRunner {
  readonly #kernels: Kernels;
  readonly #here: ThreadTeam;
  readonly #team: ShardTeam;
  readonly #watch: ShardWatch;
  readonly #balances = new Map<ProductGroup, Balance>();
  readonly #speeds = new Map<StepKind, number>();
  #governor: ThreadGovernor;
  #choice: ThreadChoice = 'auto';
  #threadsUsed = 0;
  #turnedAt = 0;

  constructor(kernels: Kernels, here: ThreadTeam, team: ShardTeam) {
    this.#kernels = kernels;
    this.#here = here;
    this.#team = team;
    this.#watch = new ShardWatch(team);
    this.#governor = new ThreadGovernor(team.size);
  }

  setThreads(choice: ThreadChoice): void {
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

  /** @throws AppError `aborted`, and what `check` and `runHere` throw */
  async run(list: CommandList, step: ShardedStep): Promise<void> {
    if (this.#team.dropDead()) this.#governor = new ThreadGovernor(this.#team.size);
    const wanted = this.#choice === 'auto' ? this.#governor.next(step.kind) : this.#choice;
    const shards = this.#team.shards.slice(0, wanted - 1);
    const startedAt = performance.now();
    this.#turnedAt = startedAt;
    this.#threadsUsed = 1;
    if (shards.length === 0) {
      await step.runHere(0, list.commandCount);
    } else {
      this.#watch.begin(step.signal);
      try {
        await this.#runShared(list, step, shards);
      } finally {
        this.#watch.end(step.signal);
      }
    }
    const took = performance.now() - startedAt;
    if (this.#choice === 'auto' && took > SHORTEST_MEASURED_MS) {
      this.#governor.record(step.kind, step.tokens / took);
    }
  }

  async #runShared(list: CommandList, step: ShardedStep, all: readonly Shard[]): Promise<void> {
    const groups = this.#team.groups(step.kind === 'decode' ? 'decode' : 'prefill', step);
    let done = 0;
    let askedBefore: readonly Asked[] | null = null;
    let first = true;
    for (const [index, group] of groups.entries()) {
      if (group.command > done) await step.runHere(done, group.command - done);
      const shards = all.filter(({ dead }) => !dead);
      const asked: readonly Asked[] =
        askedBefore ??
        shards.map((shard) =>
          this.#ask(shard, group, step, [
            ...(first ? shard.changes() : []),
            ...this.#inputs(shard, group, step),
          ]),
        );
      first = false;
      for (const number of group.others) await step.runHere(number, 1);
      const startedAt = performance.now();
      for (const [i, product] of group.products.entries()) {
        for (const units of unitsLeft(product, asked, i)) {
          await this.#compute(list, product, units, step);
        }
      }
      const hereAt = performance.now();
      this.#watch.expect(hereAt - startedAt);
      askedBefore = this.#askFollowing(asked, group, groups[index + 1], step);
      await this.#collect(list, group, asked, step);
      if (step.kind === 'decode') this.#learn(group, performance.now() - hereAt);
      done = group.command + group.count;
    }
    if (done < list.commandCount) await step.runHere(done, list.commandCount - done);
  }

  #ask(shard: Shard, group: ProductGroup, step: ShardedStep, fills: readonly Fill[]): Asked {
    const { layout } = shard;
    const units: Units[] = [];
    const parts: number[] = [];
    for (const product of group.products) {
      const placed = layout.products.get(product);
      const share = placed === undefined ? 0 : this.#share(group, placed.units, step);
      if (placed === undefined || share === 0) {
        units.push({ first: 0, last: 0 });
        continue;
      }
      const { command, firstUnit, rows, out } = placed;
      const skipped = placed.units - share;
      units.push({ first: firstUnit + skipped, last: firstUnit + placed.units });
      const vectors = rowsOf(product, step) * product.vectors;
      parts.push(command, skipped, placed.units, shard.address(out), rows, vectors);
    }
    const { tokens, outputs, position, precision } = step;
    const numbers = [tokens, outputs, position, precision];
    const places = [shard.address(layout.commands), shard.address(layout.step)];
    const scratch = [shard.address(layout.scratch), layout.scratchBytes];
    const job = { step: [...places, ...numbers, ...scratch], parts };
    return { shard, units, answer: shard.ask(fills, job) };
  }

  /** Of a shard's units those at the end that it computes itself. */
  #share(group: ProductGroup, units: number, { kind }: ShardedStep): number {
    const taken = kind === 'decode' ? (this.#balances.get(group)?.taken ?? 0) : 0;
    return Math.max(0, units - Math.round((units * taken) / SHARE_UNITS) * SHARE_UNITS);
  }

  /** What a group reads, each address once. */
  #inputs(shard: Shard, { products }: ProductGroup, step: ShardedStep): readonly Fill[] {
    const fills = new Map<number, Fill>();
    for (const product of products) {
      const placed = shard.layout.products.get(product);
      if (placed === undefined) continue;
      product.inputs.forEach(({ address, tokenBytes }, i) => {
        const bytes = this.#kernels.heap.u8(address, tokenBytes * rowsOf(product, step));
        const at = shard.address(placed.inputs[i] as number);
        fills.set(at, { at, bytes });
      });
    }
    return [...fills.values()];
  }

  /**
   * Asks for the next group where it reads what this one makes: the shard has its own rows of that, and
   * gets the leader's without having been heard. With more than one shard rows would be missing.
   */
  #askFollowing(
    asked: readonly Asked[],
    group: ProductGroup,
    next: ProductGroup | undefined,
    step: ShardedStep,
  ): readonly Asked[] | null {
    const [only, another] = asked;
    const [product] = group.products;
    if (only === undefined || another !== undefined || product === undefined) return null;
    if (next === undefined || !follows(next, group)) return null;
    const [reader] = next.products;
    const input = reader && only.shard.layout.products.get(reader)?.inputs[0];
    if (input === undefined || only.shard.dead) return null;
    const fills = unitsLeft(product, asked, 0).map(({ first, last }) => {
      const row = first * UNIT_ROWS;
      const count = Math.min(last * UNIT_ROWS, product.rows) - row;
      const bytes = this.#kernels.heap.u8(product.out + row * 4, count * 4);
      return { at: only.shard.address(input) + row * 4, bytes };
    });
    return [this.#ask(only.shard, next, step, fills)];
  }

  /** Puts the rows of shards beside those computed here; what one does not answer is computed here. */
  async #collect(
    list: CommandList,
    { products }: ProductGroup,
    asked: readonly Asked[],
    step: ShardedStep,
  ): Promise<void> {
    for (const [order, { answer, units }] of asked.entries()) {
      const rows = await answer;
      this.#turnedAt = performance.now();
      throwIfAborted(step.signal);
      step.check();
      if (rows !== null) this.#threadsUsed = Math.max(this.#threadsUsed, 2 + order);
      let from = 0;
      for (const [i, product] of products.entries()) {
        const range = units[i] as Units;
        if (rows === null) await this.#compute(list, product, range, step);
        else from += this.#put(product, range, rows.subarray(from), step);
      }
    }
  }

  /** @returns how many elements of `rows` it took */
  #put(product: Product, { first, last }: Units, rows: Float32Array, step: ShardedStep): number {
    if (first === last) return 0;
    const { heap } = this.#kernels;
    const start = first * UNIT_ROWS;
    const count = Math.min(last * UNIT_ROWS, product.rows) - start;
    const vectors = rowsOf(product, step) * product.vectors;
    for (let vector = 0; vector < vectors; vector++) {
      const at = (vector * product.rows + start) * 4;
      const own = heap.f32(product.out + at, count);
      const values = rows.subarray(vector * count, (vector + 1) * count);
      if (product.residual === 0) {
        own.set(values);
      } else {
        const residual = heap.f32(product.residual + at, count);
        for (let i = 0; i < count; i++) own[i] = (residual[i] as number) + (values[i] as number);
      }
    }
    return vectors * count;
  }

  /** Computes units here, in slices. */
  async #compute(
    list: CommandList,
    product: Product,
    { first, last }: Units,
    step: ShardedStep,
  ): Promise<void> {
    const cost = product.unitCost * Math.max(1, rowsOf(product, step));
    let from = first;
    while (from < last) {
      if (performance.now() - this.#turnedAt > SLICE_MILLISECONDS) {
        await yieldToEventLoop();
        this.#turnedAt = performance.now();
        throwIfAborted(step.signal);
        step.check();
      }
      const speed = this.#speeds.get(step.kind) ?? FIRST_SPEED;
      const fitting = Math.max(1, Math.floor((speed * SLICE_MILLISECONDS) / cost / SHARE_UNITS));
      const to = Math.min(last, from + fitting * SHARE_UNITS);
      const startedAt = performance.now();
      this.#here.runUnits(list, product.command, from, to);
      const took = performance.now() - startedAt;
      if (took > SHORTEST_MEASURED_MS) this.#noteSpeed(step.kind, (cost * (to - from)) / took);
      from = to;
    }
  }

  /** Falls at once, because a slice that is too long cannot be stopped, and rises slowly. */
  #noteSpeed(kind: StepKind, speed: number): void {
    const before = this.#speeds.get(kind);
    const next = before === undefined ? speed : Math.min(speed, 0.8 * before + 0.2 * speed);
    this.#speeds.set(kind, next);
  }

  /** Waits longer than a message takes mean that shards have too many rows. */
  #learn(group: ProductGroup, waitedMs: number): void {
    const balance = this.#balances.get(group) ?? { taken: 0, waitMs: waitedMs };
    balance.waitMs = 0.8 * balance.waitMs + 0.2 * waitedMs;
    if (balance.waitMs > LONG_WAIT_MS) balance.taken += BALANCE_STEP;
    else if (balance.waitMs < SHORT_WAIT_MS) balance.taken -= BALANCE_STEP;
    balance.taken = Math.min(MOST_TAKEN, Math.max(0, balance.taken));
    this.#balances.set(group, balance);
  }
}

/** Rows of inputs and results in this step. */
function rowsOf({ outputsOnly }: Product, { tokens, outputs }: StepRows): number {
  return outputsOnly ? outputs : tokens;
}

/** Units of a group's product number `index` that nobody was asked for. */
function unitsLeft({ units }: Product, asked: readonly Asked[], index: number): readonly Units[] {
  const left: Units[] = [];
  let from = 0;
  for (const { units: theirs } of asked) {
    const { first, last } = theirs[index] as Units;
    if (first === last) continue;
    if (first > from) left.push({ first: from, last: first });
    from = last;
  }
  if (from < units) left.push({ first: from, last: units });
  return left;
}
