/**
 * Which products of a command list can be computed by rows elsewhere: read back from the commands
 * themselves, whose words `compile-graph.ts` wrote, so that the compiler need not know of shards.
 */
import { rowCodes } from '../../operator-words.ts';
import { COMMAND_WORDS, commandCodes, MATRIX_WORDS } from '../command-layout.ts';
import type { CommandList } from '../compiled-graph.ts';
import type { Kernels } from '../kernel-module.ts';
import { BLOCK_COLUMNS, highBlockBytes, planeFormats } from '../../plane-formats.ts';
import type { WasmWeight } from '../wasm-weight.ts';
import { UNIT_ROWS } from './shard-thread.ts';

/** Places of addresses among the words of a command. */
interface Layout {
  readonly code: number;
  readonly matrices: readonly number[];
  /** Vectors with an element a row, one for each matrix. */
  readonly biases: readonly number[];
  /** Vectors with an element a column. */
  readonly norms: readonly number[];
  /** Float32 input where nothing is quantised, else null. */
  readonly x: number | null;
  /** Digits, scales, sums. */
  readonly quantized: number | null;
  readonly routes: number | null;
  readonly residual: number | null;
  readonly out: number;
}

const layouts: readonly Layout[] = [
  {
    code: commandCodes.project,
    matrices: [8, 12],
    biases: [9, 13],
    norms: [3, 4],
    x: 2,
    quantized: null,
    routes: null,
    residual: 10,
    out: 11,
  },
  {
    code: commandCodes.matmul,
    matrices: [2],
    biases: [7],
    norms: [],
    x: null,
    quantized: 4,
    routes: null,
    residual: null,
    out: 8,
  },
  {
    code: commandCodes['expert-matmul'],
    matrices: [2],
    biases: [7],
    norms: [],
    x: null,
    quantized: 4,
    routes: 8,
    residual: null,
    out: 12,
  },
];
const EXPERT_COUNT_WORD = 9;
const EXPERTS_USED_WORD = 10;
const OWN_INPUTS_WORD = 11;

/** An input of a product: the word that addresses it, and its bytes for each token. */
export interface ProductInput {
  readonly word: number;
  readonly address: number;
  readonly tokenBytes: number;
}

/** A vector that the product reads whole or by rows, as float32 in the leader's memory. */
export interface ProductVector {
  readonly word: number;
  readonly address: number;
  /** 'rows': of each expert as many elements as there are rows. */
  readonly by: 'rows' | 'columns';
}

export interface ProductMatrix {
  readonly word: number;
  readonly weight: WasmWeight;
}

/** One command that multiplies with planes. */
export interface Product {
  /** Its number in the list. */
  readonly command: number;
  readonly words: Uint32Array;
  readonly matrices: readonly ProductMatrix[];
  readonly experts: number;
  /** Rows of the matrix, or of each expert. */
  readonly rows: number;
  readonly columns: number;
  readonly units: number;
  /** Whether it is computed for outputs alone. */
  readonly outputsOnly: boolean;
  /** Results of `rows` elements for each token. */
  readonly vectors: number;
  readonly inputs: readonly ProductInput[];
  readonly fixed: readonly ProductVector[];
  readonly residual: number;
  readonly residualWord: number | null;
  readonly out: number;
  readonly outWord: number;
  /** Multiply-adds of a unit for each token. */
  readonly unitCost: number;
  /** Bytes of planes that a token reads. */
  readonly bytes: number;
}

/** Products that need nothing of each other, and the other commands that stand between them. */
export interface ProductGroup {
  readonly command: number;
  readonly count: number;
  readonly products: readonly Product[];
  /** Numbers of the rest of the group. */
  readonly others: readonly number[];
}

export function bytesOfUnit(weight: WasmWeight): { readonly hi: number; readonly lo: number } {
  const { columns, type } = weight.spec;
  const blocks = columns / BLOCK_COLUMNS;
  const lo = weight.loAddress === 0 ? 0 : blocks * UNIT_ROWS * (BLOCK_COLUMNS / 2);
  return { hi: blocks * highBlockBytes(planeFormats[type]), lo };
}

/** The groups of a list in which there are products on planes. */
export function productGroups(
  list: CommandList,
  kernels: Kernels,
  weights: readonly WasmWeight[],
): readonly ProductGroup[] {
  const byAddress = new Map(weights.map((weight) => [weight.address, weight]));
  return list.groups.flatMap(({ command, count }) => {
    const products: Product[] = [];
    const others: number[] = [];
    for (let number = command; number < command + count; number++) {
      const product = productOf(number, list, kernels, byAddress);
      if (product === null) others.push(number);
      else products.push(product);
    }
    return products.length === 0 ? [] : [{ command, count, products, others }];
  });
}

function productOf(
  command: number,
  list: CommandList,
  kernels: Kernels,
  byAddress: ReadonlyMap<number, WasmWeight>,
): Product | null {
  const at = list.commands + command * COMMAND_WORDS * 4;
  const words = kernels.heap.u32(at, COMMAND_WORDS).slice();
  const word = (index: number): number => words[index] as number;
  const layout = layouts.find(({ code }) => code === (word(0) & 0xffff));
  if (layout === undefined) return null;
  const matrices: ProductMatrix[] = [];
  for (const index of layout.matrices) {
    if (word(index) === 0) continue; // there is no second matrix
    const weight = byAddress.get(word(index));
    if (weight === undefined || weight.denseAddress !== 0) return null;
    matrices.push({ word: index, weight });
  }
  const [first] = matrices;
  if (first === undefined) return null;
  const [rows, columns] = kernels.heap.u32(first.weight.address, MATRIX_WORDS) as unknown as [
    number,
    number,
  ];
  const experts = layout.routes === null ? 1 : word(EXPERT_COUNT_WORD);
  const used = layout.routes === null ? 1 : word(EXPERTS_USED_WORD);
  const ownInputs = layout.routes !== null && word(OWN_INPUTS_WORD) === 1;
  const elements = ownInputs ? used * columns : columns;
  const inputs: ProductInput[] = [];
  const input = (index: number, tokenBytes: number): void => {
    inputs.push({ word: index, address: word(index), tokenBytes });
  };
  if (layout.x !== null) input(layout.x, elements * 4);
  if (layout.quantized !== null) {
    const blockBytes = (elements / BLOCK_COLUMNS) * 4;
    input(layout.quantized, elements * kernels.activationBytes);
    input(layout.quantized + 1, blockBytes);
    input(layout.quantized + 2, blockBytes);
  }
  if (layout.routes !== null) input(layout.routes, 2 * used * 4);
  const fixed = [
    ...layout.biases.map((index) => ({ word: index, by: 'rows' as const })),
    ...layout.norms.map((index) => ({ word: index, by: 'columns' as const })),
  ].flatMap((vector) =>
    word(vector.word) === 0 ? [] : [{ ...vector, address: word(vector.word) }],
  );
  const units = Math.ceil(rows / UNIT_ROWS);
  const unitBytes = matrices.reduce((sum, { weight }) => {
    const { hi, lo } = bytesOfUnit(weight);
    return sum + hi + lo;
  }, 0);
  return {
    command,
    words,
    matrices,
    experts,
    rows,
    columns,
    units,
    outputsOnly: word(1) === rowCodes.outputs,
    vectors: used,
    inputs,
    fixed,
    residual: layout.residual === null ? 0 : word(layout.residual),
    residualWord: layout.residual,
    out: word(layout.out),
    outWord: layout.out,
    unitCost: UNIT_ROWS * columns * used * matrices.length,
    bytes: units * unitBytes * used,
  };
}
