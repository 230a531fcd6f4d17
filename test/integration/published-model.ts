/**
 * Tiny models of random weights as files, and the parts of decoders written out with the plain
 * operators of the backend contract, to hold an architecture against its published form.
 */
import { expect } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import { ReferenceBackend } from '../../src/engine/backend/reference/reference-backend.ts';
import type { MetadataValue } from '../../src/engine/formats/gguf/metadata.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { writeGguf } from '../../src/engine/formats/gguf/writer.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import type { Rows } from '../contract/backend/truth.ts';
import * as truth from '../contract/backend/truth.ts';
import { randomValues } from '../fixtures/random-values.ts';
import { lastLogits, normalisedError } from './reference-files.ts';

export const [width, heads, kvHeads, headDim, hidden, vocabulary] = [32, 4, 2, 8, 48, 40];
export const epsilon = 0.05;
export const window = 5;
export const base = 10000;
export const tokens = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 3];

/** Shapes as GGUF has them, (columns, rows). */
export type Shapes = Readonly<Record<string, readonly number[]>>;

export const attentionShapes: Shapes = {
  attn_q: [width, heads * headDim],
  attn_k: [width, kvHeads * headDim],
  attn_v: [width, kvHeads * headDim],
  attn_output: [heads * headDim, width],
};
export const gatedShapes: Shapes = {
  ffn_gate: [width, hidden],
  ffn_up: [width, hidden],
  ffn_down: [hidden, width],
};

export class TinyModel {
  readonly layers: number;
  readonly #values = new Map<string, Float32Array<ArrayBuffer>>();
  readonly #shapes = new Map<string, readonly number[]>();

  /** @param perLayer names without `.weight`; a name that ends with `.bias` is whole */
  constructor(
    layers: number,
    perLayer: Shapes | ((layer: number) => Shapes),
    biases: readonly string[] = [],
  ) {
    this.layers = layers;
    this.#add('token_embd.weight', [width, vocabulary]);
    this.#add('output_norm.weight', [width]);
    for (let layer = 0; layer < layers; layer++) {
      const shapes = typeof perLayer === 'function' ? perLayer(layer) : perLayer;
      for (const [name, shape] of Object.entries(shapes)) {
        this.#add(`blk.${layer}.${name}${name.endsWith('.bias') ? '' : '.weight'}`, shape);
        if (biases.includes(name)) {
          this.#add(`blk.${layer}.${name}.bias`, shape.length > 1 ? shape.slice(1) : shape);
        }
      }
    }
    if (biases.includes('output_norm')) this.#add('output_norm.bias', [width]);
  }

  #add(name: string, shape: readonly number[]): void {
    const count = shape.reduce((product, size) => product * size, 1);
    const scale = shape.length === 1 ? 1 : 2 / Math.sqrt(shape[0] ?? 1);
    const values = randomValues(count, this.#values.size + 1).map((value) => value * scale);
    this.#values.set(name, values);
    this.#shapes.set(name, shape);
  }

  flat(name: string): number[] | undefined {
    const values = this.#values.get(name);
    return values && Array.from(values);
  }

  rows(name: string): number[][] {
    return truth.toRows(this.flat(name) ?? [], this.#shapes.get(name)?.[0] ?? 1);
  }

  linear(x: Rows, name: string): number[][] {
    return truth.matmul(x, this.rows(`${name}.weight`), this.flat(`${name}.bias`));
  }

  norm(x: Rows, name: string, kind: 'rms' | 'layer', groupSize = width): number[][] {
    const weight = this.flat(`${name}.weight`) ?? [];
    const bias = this.flat(`${name}.bias`);
    return truth.norm(x, { kind, groupSize, epsilon, weight, ...(bias && { bias }) });
  }

  /** Logits of all tokens through the embedding matrix. */
  logits(x: Rows, kind: 'rms' | 'layer'): number[][] {
    return truth.matmul(this.norm(x, 'output_norm', kind), this.rows('token_embd.weight'));
  }

  embedded(): number[][] {
    const table = this.rows('token_embd.weight');
    return tokens.map((token) => table[token] ?? []);
  }

  attention(x: Rows, block: string, options: AttentionOptions): number[][] {
    const { layout, rotated, window: seen = 0, normsHeads = false, magnitude = 1 } = options;
    const inverseFrequencies = options.inverseFrequencies ?? plainFrequencies(rotated);
    const sinks = this.flat(`${block}.attn_sinks.weight`);
    const turned = (name: string, count: number): number[][] => {
      const plain = this.linear(x, `${block}.${name}`);
      const y = normsHeads ? this.norm(plain, `${block}.${name}_norm`, 'layer', headDim) : plain;
      const rotation = { heads: count, headDim, layout, inverseFrequencies, magnitude };
      return truth.rope(y, rotation, 0);
    };
    const values = truth.attention(
      turned('attn_q', heads),
      turned('attn_k', kvHeads),
      this.linear(x, `${block}.attn_v`),
      {
        ...{ heads, kvHeads, headDim, softcap: 0, window: seen },
        scale: options.scale ?? 1 / Math.sqrt(headDim),
        ...(sinks && { sinks }),
      },
    );
    return this.linear(values, `${block}.attn_output`);
  }

  /** @param suffix of the names, for experts that all tokens share */
  gated(x: Rows, block: string, suffix = ''): number[][] {
    const gate = this.linear(x, `${block}.ffn_gate${suffix}`);
    const up = this.linear(x, `${block}.ffn_up${suffix}`);
    return this.linear(truth.gate('silu', gate, up), `${block}.ffn_down${suffix}`);
  }

  /** What the chosen experts of every token say; `gate` joins the two halves of one expert's layer. */
  experts(
    x: Rows,
    block: string,
    routes: readonly (readonly truth.Choice[])[],
    gate = (gates: Rows, up: Rows): number[][] => truth.gate('silu', gates, up),
  ): number[][] {
    const of = (name: string, expert: number, rows: Rows): number[][] => {
      const tensor = `${block}.${name}_exps`;
      const shape = this.#shapes.get(`${tensor}.weight`) ?? [];
      const [height = 0] = shape.slice(1);
      const own = this.rows(`${tensor}.weight`).slice(expert * height, (expert + 1) * height);
      const bias = this.flat(`${tensor}.bias`)?.slice(expert * height, (expert + 1) * height);
      return truth.matmul(rows, own, bias);
    };
    return truth.mixture(routes, (t, expert) => {
      const row = [x[t] ?? []];
      const inner = gate(of('ffn_gate', expert, row), of('ffn_up', expert, row));
      return of('ffn_down', expert, inner)[0] ?? [];
    });
  }

  file(name: string, more: Readonly<Record<string, MetadataValue>>): Uint8Array<ArrayBuffer> {
    const numbers = {
      context_length: 64,
      embedding_length: width,
      block_count: this.layers,
      feed_forward_length: hidden,
      'attention.head_count': heads,
      'attention.head_count_kv': kvHeads,
      vocab_size: vocabulary,
    };
    const stated = Object.entries(numbers).filter(([key]) => !(key in more));
    const epsilons = ['layer_norm_epsilon', 'layer_norm_rms_epsilon'];
    return writeGguf({
      metadata: [
        ['general.architecture', { type: 'string', value: name }],
        ...stated.map(([key, value]): [string, MetadataValue] => [
          `${name}.${key}`,
          { type: 'u32', value },
        ]),
        ...epsilons.map((key): [string, MetadataValue] => [
          `${name}.attention.${key}`,
          { type: 'f32', value: epsilon },
        ]),
        ...Object.entries(more).map(([key, value]): [string, MetadataValue] => [
          `${name}.${key}`,
          value,
        ]),
      ],
      tensors: [...this.#values].map(([tensor, values]) => ({
        ...{ name: tensor, type: 'F32' as const, shape: this.#shapes.get(tensor) ?? [] },
        data: new Uint8Array(values.buffer),
      })),
    });
  }
}

interface AttentionOptions {
  readonly layout: 'interleaved' | 'split';
  /** Components of a head that are rotated. */
  readonly rotated: number;
  readonly window?: number;
  readonly normsHeads?: boolean;
  readonly scale?: number;
  /** Radians a position of every pair, where they are not those of the original paper. */
  readonly inverseFrequencies?: Float64Array;
  readonly magnitude?: number;
}

/** Those of the original paper (Su et al. 2021, arXiv:2104.09864). */
export function plainFrequencies(rotated: number): Float64Array {
  return Float64Array.from({ length: rotated / 2 }, (_, pair) => base ** ((-2 * pair) / rotated));
}

export interface Yarn {
  readonly factor: number;
  readonly originalContext: number;
  /** Whether the bounds of the ramp are rounded outwards to whole pairs. */
  readonly rounds: boolean;
}

/** YaRN as the code of DeepSeek-V2 and gpt-oss has it, with 32 and 1 turns as bounds. */
export function yarnFrequencies(rotated: number, yarn: Yarn): Float64Array {
  const bound = (turns: number): number =>
    ((rotated / 2) * Math.log(yarn.originalContext / (turns * 2 * Math.PI))) / Math.log(base);
  const low = Math.max(0, yarn.rounds ? Math.floor(bound(32)) : bound(32));
  const high = Math.min(rotated - 1, yarn.rounds ? Math.ceil(bound(1)) : bound(1));
  return plainFrequencies(rotated).map((frequency, pair) => {
    const ramp = Math.min(1, Math.max(0, (pair - low) / (high - low)));
    return (frequency / yarn.factor) * ramp + frequency * (1 - ramp);
  });
}

async function computed(bytes: Uint8Array<ArrayBuffer>): Promise<Float32Array> {
  const source = new BufferByteSource(bytes);
  const file = await readGguf(source);
  const backend = new ReferenceBackend();
  const model = await loadModel({ source, file, backend, precision: 'auto', kvType: 'f32' });
  return lastLogits(model, tokens, tokens.length, { precision: 8, kvType: 'f32' });
}

export async function expectSame(bytes: Uint8Array<ArrayBuffer>, expected: Rows): Promise<void> {
  const error = normalisedError(await computed(bytes), Float32Array.from(expected.flat()));
  expect(error).toBeLessThan(1e-10);
}

export const u32 = (value: number): MetadataValue => ({ type: 'u32', value });
export const f32 = (value: number): MetadataValue => ({ type: 'f32', value });
