/**
 * What one shard keeps in its memory and where: its rows of every shared matrix, the vectors that
 * go with them, the commands, and room for activations. Addresses are relative until the shard has told
 * where its memory begins.
 */
import { alignUp, MEBIBYTE } from '../../../../common/bytes.ts';
import { COMMAND_WORDS, MATRIX_WORDS, STEP_WORDS } from '../command-layout.ts';
import type { Kernels } from '../kernel-module.ts';
import type { WasmWeight } from '../wasm-weight.ts';
import { bytesOfUnit, type Product, type ProductGroup } from './list-products.ts';
import { UNIT_ROWS } from './shard-thread.ts';

const ALIGNMENT = 64;
/** Rows are read in four streams at once, so shares are whole fours of units. */
export const SHARE_UNITS = 4;
const PIECE_BYTES = 4 * MEBIBYTE;
const HI_WORD = 2;
const LO_WORD = 3;

/** A list with its products that are shared. */
export interface SharedList {
  readonly groups: readonly ProductGroup[];
  /** Rows of tokens and of outputs that a step has at most. */
  readonly maxTokens: number;
  readonly maxOutputs: number;
  readonly scratchBytes: number;
}

/** A matrix in a shard. */
export interface PlacedMatrix {
  readonly weight: WasmWeight;
  readonly experts: number;
  readonly columns: number;
  readonly firstRow: number;
  readonly rows: number;
  readonly descriptors: number;
  readonly hi: number;
  /** 0 where there is no low plane. */
  readonly lo: number;
}

/** A product in a shard. */
export interface PlacedProduct {
  readonly product: Product;
  readonly matrices: readonly PlacedMatrix[];
  /** Its number among the shard's commands. */
  readonly command: number;
  /** Of its units the first that is here, and how many are. */
  readonly firstUnit: number;
  readonly units: number;
  readonly rows: number;
  /** Where inputs go, in the order of `product.inputs`. */
  readonly inputs: readonly number[];
  /** Of the vectors in `product.fixed`. */
  readonly fixed: readonly number[];
  readonly out: number;
}

/** Bytes for memory at a relative address. */
export interface Placement {
  readonly at: number;
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The first unit of part `part` of `parts`. */
function boundary(units: number, part: number, parts: number): number {
  if (part === parts) return units;
  return Math.round((units * part) / parts / SHARE_UNITS) * SHARE_UNITS;
}

export class ShardLayout {
  readonly products = new Map<Product, PlacedProduct>();
  readonly commands: number;
  readonly step: number;
  readonly scratch: number;
  readonly scratchBytes: number;
  readonly matrices: ReadonlyMap<WasmWeight, PlacedMatrix>;
  readonly #matrices = new Map<WasmWeight, PlacedMatrix>();
  readonly #kernels: Kernels;
  readonly #part: number;
  readonly #parts: number;
  #bytes = 0;

  /** @param part from 1: part 0 is the leader's */
  constructor(lists: readonly SharedList[], part: number, parts: number, kernels: Kernels) {
    this.#kernels = kernels;
    this.#part = part;
    this.#parts = parts;
    this.matrices = this.#matrices;
    const count = lists.reduce((sum, { groups }) => sum + productsOf(groups).length, 0);
    this.commands = this.#reserve(count * COMMAND_WORDS * 4);
    this.step = this.#reserve(STEP_WORDS * 4);
    this.scratchBytes = Math.max(...lists.map(({ scratchBytes }) => scratchBytes));
    this.scratch = this.#reserve(this.scratchBytes);
    for (const list of lists) this.#placeList(list);
  }

  get bytes(): number {
    return this.#bytes;
  }

  #reserve(bytes: number): number {
    const address = this.#bytes;
    this.#bytes += alignUp(bytes, ALIGNMENT);
    return address;
  }

  /** Inputs and results of two neighbouring groups lie in two areas by turns, so that a result can be an input. */
  #placeList({ groups, maxTokens, maxOutputs }: SharedList): void {
    const counts = (product: Product): number => (product.outputsOnly ? maxOutputs : maxTokens);
    const inputBytes = (product: Product): number =>
      product.inputs.reduce((sum, input) => {
        return sum + alignUp(input.tokenBytes * counts(product), ALIGNMENT);
      }, 0);
    const resultBytes = (product: Product): number =>
      alignUp(counts(product) * product.vectors * product.rows * 4, ALIGNMENT);
    const most = (bytes: (product: Product) => number): number =>
      Math.max(
        ...groups.map(({ products }) => products.reduce((sum, product) => sum + bytes(product), 0)),
        0,
      );
    const area = Math.max(most(inputBytes), most(resultBytes));
    const areas = [this.#reserve(area), this.#reserve(area)] as const;
    groups.forEach(({ products }, index) => {
      const [inputsAt, resultsAt] = index % 2 === 0 ? areas : [areas[1], areas[0]];
      const places = new Map<number, number>();
      let next = inputsAt;
      let result = resultsAt;
      for (const product of products) {
        const inputs = product.inputs.map(({ address, tokenBytes }) => {
          const known = places.get(address);
          if (known !== undefined) return known;
          const place = next;
          places.set(address, place);
          next += alignUp(tokenBytes * counts(product), ALIGNMENT);
          return place;
        });
        this.#placeProduct(product, inputs, result);
        result += resultBytes(product);
      }
    });
  }

  #placeProduct(product: Product, inputs: readonly number[], result: number): void {
    const firstUnit = boundary(product.units, this.#part, this.#parts);
    const lastUnit = boundary(product.units, this.#part + 1, this.#parts);
    const rows = Math.min(lastUnit * UNIT_ROWS, product.rows) - firstUnit * UNIT_ROWS;
    if (rows <= 0) return;
    const fixed = product.fixed.map(({ by }) =>
      this.#reserve(4 * (by === 'rows' ? product.experts * rows : product.columns)),
    );
    this.products.set(product, {
      product,
      matrices: product.matrices.map(({ weight }) =>
        this.#placeMatrix(weight, product, firstUnit, rows),
      ),
      command: this.products.size,
      firstUnit,
      units: lastUnit - firstUnit,
      rows,
      inputs,
      fixed,
      // One vector stands where it stands in the whole result: it may be the next product's input.
      out: result + (product.vectors === 1 ? firstUnit * UNIT_ROWS * 4 : 0),
    });
  }

  #placeMatrix(
    weight: WasmWeight,
    { experts, columns }: Product,
    firstUnit: number,
    rows: number,
  ): PlacedMatrix {
    const known = this.#matrices.get(weight);
    if (known !== undefined) return known;
    const units = Math.ceil(rows / UNIT_ROWS);
    const { hi, lo } = bytesOfUnit(weight);
    const matrix = {
      weight,
      experts,
      columns,
      firstRow: firstUnit * UNIT_ROWS,
      rows,
      descriptors: this.#reserve(experts * MATRIX_WORDS * 4),
      hi: this.#reserve(experts * units * hi),
      lo: lo === 0 ? 0 : this.#reserve(experts * units * lo),
    };
    this.#matrices.set(weight, matrix);
    return matrix;
  }

  /** Everything that does not change from step to step, copied piece by piece. */
  *contents(base: number): Generator<Placement> {
    for (const matrix of this.#matrices.values()) {
      yield { at: matrix.descriptors, bytes: this.descriptors(matrix, base) };
      yield* this.#planes(matrix);
    }
    for (const placed of this.products.values()) {
      yield* this.#vectors(placed);
      yield {
        at: this.commands + placed.command * COMMAND_WORDS * 4,
        bytes: new Uint8Array(this.#command(placed, base).buffer),
      };
    }
  }

  /** The C `Matrix` of each expert, with the low plane where the leader's steps see one now. */
  descriptors(matrix: PlacedMatrix, base: number): Uint8Array<ArrayBuffer> {
    const { weight, experts, rows, hi, lo } = matrix;
    const words = this.#kernels.heap.u32(weight.address, experts * MATRIX_WORDS).slice();
    const units = Math.ceil(rows / UNIT_ROWS);
    const unit = bytesOfUnit(weight);
    for (let expert = 0; expert < experts; expert++) {
      const at = expert * MATRIX_WORDS;
      words[at] = rows;
      words[at + HI_WORD] = base + hi + expert * units * unit.hi;
      if (words[at + LO_WORD] !== 0) words[at + LO_WORD] = base + lo + expert * units * unit.lo;
    }
    return new Uint8Array(words.buffer);
  }

  *#planes({ weight, experts, firstRow, rows, hi, lo }: PlacedMatrix): Generator<Placement> {
    const first = firstRow / UNIT_ROWS;
    const units = Math.ceil(rows / UNIT_ROWS);
    const unit = bytesOfUnit(weight);
    const wholeUnits = Math.ceil(weight.spec.rows / experts / UNIT_ROWS);
    for (let expert = 0; expert < experts; expert++) {
      const at = (bytes: number): number => (expert * wholeUnits + first) * bytes;
      const high = { from: weight.hiAddress + at(unit.hi), to: hi + expert * units * unit.hi };
      yield* this.#copies(high.from, high.to, units * unit.hi);
      if (lo === 0) continue;
      const low = { from: weight.loAddress + at(unit.lo), to: lo + expert * units * unit.lo };
      yield* this.#copies(low.from, low.to, units * unit.lo);
    }
  }

  *#copies(from: number, to: number, bytes: number): Generator<Placement> {
    for (let done = 0; done < bytes; done += PIECE_BYTES) {
      const length = Math.min(PIECE_BYTES, bytes - done);
      yield { at: to + done, bytes: this.#kernels.heap.u8(from + done, length).slice() };
    }
  }

  *#vectors({ product, firstUnit, rows, fixed }: PlacedProduct): Generator<Placement> {
    for (const [index, { address, by }] of product.fixed.entries()) {
      const to = fixed[index] as number;
      if (by === 'columns') {
        yield* this.#copies(address, to, product.columns * 4);
        continue;
      }
      for (let expert = 0; expert < product.experts; expert++) {
        const from = address + (expert * product.rows + firstUnit * UNIT_ROWS) * 4;
        yield* this.#copies(from, to + expert * rows * 4, rows * 4);
      }
    }
  }

  /** The leader's words with the addresses of this memory. The leader adds what is to be added. */
  #command(
    { product, matrices, inputs, fixed, out }: PlacedProduct,
    base: number,
  ): Uint32Array<ArrayBuffer> {
    const words = product.words.slice();
    words[0] = (words[0] as number) & 0xffff; // joined to nothing
    product.matrices.forEach(({ word }, i) => {
      words[word] = base + (matrices[i] as PlacedMatrix).descriptors;
    });
    product.inputs.forEach(({ word }, i) => {
      words[word] = base + (inputs[i] as number);
    });
    product.fixed.forEach(({ word }, i) => {
      words[word] = base + (fixed[i] as number);
    });
    if (product.residualWord !== null) words[product.residualWord] = 0;
    words[product.outWord] = base + out;
    return words;
  }
}

export function productsOf(groups: readonly ProductGroup[]): readonly Product[] {
  return groups.flatMap(({ products }) => products);
}
