/**
 * The shards of one compiled graph: how many there are, what is worth sharing, and their end.
 *
 * The leader keeps all weights, each shard has a copy of its share of the rows. So the number of threads
 * may change with any step, what a shard does not answer the leader computes itself, and keys and
 * values are the leader's alone. It costs memory: with n threads (n - 1) / n of the shared matrices
 * once more. Where the memory plan has no room for that, there are fewer shards or none.
 */
import { hasCode } from '../../../../common/errors.ts';
import { MEBIBYTE } from '../../../../common/bytes.ts';
import type { CommandList, CompiledGraph } from '../compiled-graph.ts';
import type { DotMethods } from '../dot-method.ts';
import type { Kernels } from '../kernel-module.ts';
import type { WasmWeight } from '../wasm-weight.ts';
import { productGroups, type ProductGroup } from './list-products.ts';
import { Shard } from './shard.ts';
import { ShardLayout, type SharedList } from './shard-layout.ts';
import type { SpawnShardThread } from './shard-thread.ts';

/** What a thread reads and multiplies in a millisecond, roughly: to know what is worth a message. */
const BYTES_A_MILLISECOND = 12e6;
const PRODUCTS_A_MILLISECOND = 30e6;
/** What is too little to be shared. */
export interface SharingLimits {
  /** Of all weights together. */
  readonly bytes: number;
  /** That one thread takes for a group of products. */
  readonly milliseconds: number;
  /** The same for a group whose input the shards have already, but for the leader's rows. */
  readonly followingMilliseconds: number;
}

/** Estimates, from a message and its answer taking about 0.1 ms, of which the leader waits for half. */
const defaultLimits: SharingLimits = {
  bytes: 48 * MEBIBYTE,
  milliseconds: 0.3,
  followingMilliseconds: 0.1,
};

export interface ShardOptions {
  readonly spawn: SpawnShardThread;
  /** Most threads to compute with, the caller's included. */
  readonly most: number;
  /** Other limits than the default ones, for tests. */
  readonly limits?: SharingLimits;
}

/** The rows of tokens and outputs of a step. */
export interface StepRows {
  readonly tokens: number;
  readonly outputs: number;
}

/** What one thread takes for a group in a step of so many rows, roughly. */
function millisecondsAlone({ products }: ProductGroup, { tokens, outputs }: StepRows): number {
  let milliseconds = 0;
  for (const { outputsOnly, bytes, unitCost, units } of products) {
    const rows = outputsOnly ? outputs : tokens;
    if (rows === 0) continue;
    const products = unitCost * units * rows;
    milliseconds += Math.max(bytes / BYTES_A_MILLISECOND, products / PRODUCTS_A_MILLISECOND);
  }
  return milliseconds;
}

/** Those of a list's groups that are worth being shared in a step of so many rows. */
export function worthSharing(
  groups: readonly ProductGroup[],
  rows: StepRows,
  { milliseconds, followingMilliseconds }: SharingLimits,
): readonly ProductGroup[] {
  let before: ProductGroup | undefined;
  return groups.filter((group) => {
    const least = follows(group, before) ? followingMilliseconds : milliseconds;
    const alone = millisecondsAlone(group, rows);
    const worth = alone > 0 && alone >= least;
    before = worth ? group : undefined;
    return worth;
  });
}

/** Whether the result of `before`, a single product, is all that `group` reads. */
export function follows(group: ProductGroup, before: ProductGroup | undefined): boolean {
  if (before === undefined || before.command + before.count !== group.command) return false;
  const [product, other] = group.products;
  const [made, more] = before.products;
  if (product === undefined || made === undefined || other !== undefined || more !== undefined) {
    return false;
  }
  const [input, ...inputs] = product.inputs;
  return (
    inputs.length === 0 &&
    input?.address === made.out &&
    input.tokenBytes === made.rows * 4 &&
    made.vectors === 1 &&
    made.residual === 0
  );
}

interface MostRows {
  readonly maxTokens: number;
  readonly maxOutputs: number;
}

/** Whose work is shared out. */
export interface Leader {
  readonly compiled: CompiledGraph;
  readonly mostRows: MostRows;
  readonly kernels: Kernels;
  /** The way to sum up products that was chosen here. */
  readonly dotMethods: DotMethods;
}

function sharedList(
  { compiled, kernels }: Leader,
  list: CommandList,
  { maxTokens, maxOutputs }: MostRows,
  limits: SharingLimits,
): SharedList {
  const all = productGroups(list, kernels, compiled.weights);
  const groups = worthSharing(all, { tokens: maxTokens, outputs: maxOutputs }, limits);
  return { groups, maxTokens, maxOutputs, scratchBytes: list.scratchBytes };
}

export class ShardTeam {
  readonly #lists: Readonly<Record<'prefill' | 'decode', SharedList>>;
  readonly #limits: SharingLimits;
  #shards: readonly Shard[];
  #lost = 0;

  private constructor(
    lists: Readonly<Record<'prefill' | 'decode', SharedList>>,
    limits: SharingLimits,
    shards: readonly Shard[],
  ) {
    this.#lists = lists;
    this.#limits = limits;
    this.#shards = shards;
  }

  /**
   * Starts as many shards as are useful and fit into `spareBytes`; null where that is none.
   * @throws AppError whatever is no lack of memory or threads
   */
  static async start(
    leader: Leader,
    { spawn, most, limits = defaultLimits }: ShardOptions,
    spareBytes: number,
  ): Promise<ShardTeam | null> {
    const { compiled, mostRows, kernels, dotMethods } = leader;
    const prefill = sharedList(leader, compiled.prefill, mostRows, limits);
    const decode = sharedList(leader, compiled.decode, { maxTokens: 1, maxOutputs: 1 }, limits);
    const layouts = layoutsWithin(spareBytes, most, [prefill, decode], kernels);
    if (layouts === null) return null;
    const [first] = layouts;
    const sharedBytes = [...(first?.matrices.keys() ?? [])].reduce(
      (sum, { bytes }) => sum + bytes,
      0,
    );
    if (sharedBytes === 0 || sharedBytes < limits.bytes) return null;
    const started = await Promise.allSettled(
      layouts.map((layout, i) => Shard.start(layout, kernels, dotMethods, spawn(i + 1))),
    );
    const shards = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    for (const one of started) {
      if (one.status === 'fulfilled') continue;
      const expected = hasCode(one.reason, 'engine/out-of-memory', 'engine/worker-died');
      if (expected) continue;
      for (const shard of shards) shard.end();
      throw one.reason;
    }
    return shards.length === 0 ? null : new ShardTeam({ prefill, decode }, limits, shards);
  }

  /** Threads that can compute, the caller's included. */
  get size(): number {
    return 1 + this.#shards.length;
  }

  /** Shards that died and were done without. */
  get lost(): number {
    return this.#lost;
  }

  get bytes(): number {
    return this.#shards.reduce((sum, { layout }) => sum + layout.bytes, 0);
  }

  get shards(): readonly Shard[] {
    return this.#shards;
  }

  /** Groups of a list that are shared in a step of so many rows. */
  groups(list: 'prefill' | 'decode', rows: StepRows): readonly ProductGroup[] {
    return worthSharing(this.#lists[list].groups, rows, this.#limits);
  }

  shares(weight: WasmWeight): boolean {
    return this.#shards.some(({ layout }) => layout.matrices.has(weight));
  }

  /** Does without shards that are dead. @returns whether there were any */
  dropDead(): boolean {
    const alive = this.#shards.filter(({ dead }) => !dead);
    const died = this.#shards.length - alive.length;
    this.#shards = alive;
    this.#lost += died;
    return died > 0;
  }

  end(): void {
    for (const shard of this.#shards) shard.end();
    this.#shards = [];
  }
}

/** Layouts of the most shards whose bytes are there, or null. */
function layoutsWithin(
  spareBytes: number,
  most: number,
  lists: readonly SharedList[],
  kernels: Kernels,
): readonly ShardLayout[] | null {
  for (let parts = most; parts >= 2; parts--) {
    const layouts = Array.from(
      { length: parts - 1 },
      (_, i) => new ShardLayout(lists, i + 1, parts, kernels),
    );
    if (layouts.reduce((sum, { bytes }) => sum + bytes, 0) <= spareBytes) return layouts;
  }
  return null;
}
