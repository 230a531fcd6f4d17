/**
 * Architectures of which there is no file with reference logits: tiny models of random weights against
 * the published form, written out with the plain operators of the backend contract.
 */
import { describe, expect, it } from 'vitest';
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

const [width, heads, kvHeads, headDim, hidden, vocabulary] = [32, 4, 2, 8, 48, 40];
const epsilon = 0.05;
const window = 5;
const base = 10000;
const tokens = [3, 14, 15, 9, 26, 5, 35, 8, 9, 7, 9, 3];

/** Shapes as GGUF has them, (columns, rows). */
type Shapes = Readonly<Record<string, readonly number[]>>;

const attentionShapes: Shapes = {
  attn_q: [width, heads * headDim],
  attn_k: [width, kvHeads * headDim],
  attn_v: [width, kvHeads * headDim],
  attn_output: [heads * headDim, width],
};
const gatedShapes: Shapes = {
  ffn_gate: [width, hidden],
  ffn_up: [width, hidden],
  ffn_down: [hidden, width],
};

class TinyModel {
  readonly layers: number;
  readonly #values = new Map<string, Float32Array<ArrayBuffer>>();
  readonly #shapes = new Map<string, readonly number[]>();

  constructor(layers: number, perLayer: Shapes, biases: readonly string[] = []) {
    this.layers = layers;
    this.#add('token_embd.weight', [width, vocabulary]);
    this.#add('output_norm.weight', [width]);
    for (let layer = 0; layer < layers; layer++) {
      for (const [name, shape] of Object.entries(perLayer)) {
        this.#add(`blk.${layer}.${name}.weight`, shape);
        if (biases.includes(name)) this.#add(`blk.${layer}.${name}.bias`, [shape.at(-1) ?? 0]);
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
    const { layout, rotated, window: seen = 0, normsHeads = false } = options;
    const inverseFrequencies = Float64Array.from(
      { length: rotated / 2 },
      (_, pair) => base ** ((-2 * pair) / rotated),
    );
    const turned = (name: string, count: number): number[][] => {
      const plain = this.linear(x, `${block}.${name}`);
      const y = normsHeads ? this.norm(plain, `${block}.${name}_norm`, 'layer', headDim) : plain;
      const rotation = { heads: count, headDim, layout, inverseFrequencies, magnitude: 1 };
      return truth.rope(y, rotation, 0);
    };
    const values = truth.attention(
      turned('attn_q', heads),
      turned('attn_k', kvHeads),
      this.linear(x, `${block}.attn_v`),
      { heads, kvHeads, headDim, scale: 1 / Math.sqrt(headDim), softcap: 0, window: seen },
    );
    return this.linear(values, `${block}.attn_output`);
  }

  gated(x: Rows, block: string): number[][] {
    const gate = this.linear(x, `${block}.ffn_gate`);
    const up = this.linear(x, `${block}.ffn_up`);
    return this.linear(truth.gate('silu', gate, up), `${block}.ffn_down`);
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
    const epsilons = ['layer_norm_epsilon', 'layer_norm_rms_epsilon'];
    return writeGguf({
      metadata: [
        ['general.architecture', { type: 'string', value: name }],
        ...Object.entries(numbers).map(([key, value]): [string, MetadataValue] => [
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
}

async function computed(bytes: Uint8Array<ArrayBuffer>): Promise<Float32Array> {
  const source = new BufferByteSource(bytes);
  const file = await readGguf(source);
  const backend = new ReferenceBackend();
  const model = await loadModel({ source, file, backend, precision: 'auto', kvType: 'f32' });
  return lastLogits(model, tokens, tokens.length, { precision: 8, kvType: 'f32' });
}

async function expectSame(bytes: Uint8Array<ArrayBuffer>, expected: Rows): Promise<void> {
  const error = normalisedError(await computed(bytes), Float32Array.from(expected.flat()));
  expect(error).toBeLessThan(1e-10);
}

const u32 = (value: number): MetadataValue => ({ type: 'u32', value });
const f32 = (value: number): MetadataValue => ({ type: 'f32', value });

describe('published forms', () => {
  it('starcoder2', async () => {
    const plain = { ffn_up: [width, hidden], ffn_down: [hidden, width] };
    const norms = { attn_norm: [width], ffn_norm: [width] };
    const shapes = { ...norms, ...attentionShapes, ...plain };
    const model = new TinyModel(2, shapes, [...Object.keys(shapes), 'output_norm']);
    let x = model.embedded();
    for (const block of ['blk.0', 'blk.1']) {
      const normed = model.norm(x, `${block}.attn_norm`, 'layer');
      const options = { layout: 'split', rotated: headDim } as const;
      x = truth.add(x, model.attention(normed, block, options));
      const again = model.norm(x, `${block}.ffn_norm`, 'layer');
      const up = truth.activation('gelu-tanh', model.linear(again, `${block}.ffn_up`));
      x = truth.add(x, model.linear(up, `${block}.ffn_down`));
    }
    await expectSame(model.file('starcoder2', {}), model.logits(x, 'layer'));
  });

  it.each([false, true])('command-r, normalising heads: %o', async (normsHeads) => {
    const norms: Shapes = {
      attn_norm: [width],
      ...(normsHeads && { attn_q_norm: [headDim, heads], attn_k_norm: [headDim, kvHeads] }),
    };
    const model = new TinyModel(2, { ...norms, ...attentionShapes, ...gatedShapes });
    let x = model.embedded();
    for (const block of ['blk.0', 'blk.1']) {
      const normed = model.norm(x, `${block}.attn_norm`, 'layer');
      const options = { layout: 'interleaved', rotated: headDim, normsHeads } as const;
      const attended = model.attention(normed, block, options);
      x = truth.add(truth.add(x, attended), model.gated(normed, block));
    }
    const expected = truth.scale(model.logits(x, 'layer'), 0.0625, 0);
    await expectSame(model.file('command-r', { logit_scale: f32(0.0625) }), expected);
  });

  it('cohere2', async () => {
    const model = new TinyModel(5, { attn_norm: [width], ...attentionShapes, ...gatedShapes });
    let x = model.embedded();
    for (let layer = 0; layer < 5; layer++) {
      const block = `blk.${layer}`;
      const normed = model.norm(x, `${block}.attn_norm`, 'layer');
      const local = layer !== 3;
      const attended = model.attention(normed, block, {
        layout: 'interleaved',
        rotated: local ? headDim : 0,
        window: local ? window : 0,
      });
      x = truth.add(truth.add(x, attended), model.gated(normed, block));
    }
    const expected = truth.scale(model.logits(x, 'layer'), 0.25, 0);
    const more = { logit_scale: f32(0.25), 'attention.sliding_window': u32(window) };
    await expectSame(model.file('cohere2', more), expected);
  });

  it('glm4', async () => {
    const norms = { attn_norm: 0, post_attention_norm: 0, ffn_norm: 0, post_ffw_norm: 0 };
    const normShapes = Object.fromEntries(Object.keys(norms).map((name) => [name, [width]]));
    const shapes: Shapes = { ...normShapes, ...attentionShapes, ...gatedShapes };
    const model = new TinyModel(2, shapes, ['attn_q', 'attn_k', 'attn_v']);
    let x = model.embedded();
    for (const block of ['blk.0', 'blk.1']) {
      const norm = (y: Rows, name: string): number[][] => model.norm(y, `${block}.${name}`, 'rms');
      const options = { layout: 'interleaved', rotated: headDim / 2 } as const;
      const attended = model.attention(norm(x, 'attn_norm'), block, options);
      x = truth.add(x, norm(attended, 'post_attention_norm'));
      x = truth.add(x, norm(model.gated(norm(x, 'ffn_norm'), block), 'post_ffw_norm'));
    }
    const bytes = model.file('glm4', { 'rope.dimension_count': u32(headDim / 2) });
    await expectSame(bytes, model.logits(x, 'rms'));
  });

  it('internlm2', async () => {
    const norms = { attn_norm: [width], ffn_norm: [width] };
    const model = new TinyModel(2, { ...norms, ...attentionShapes, ...gatedShapes });
    let x = model.embedded();
    for (const block of ['blk.0', 'blk.1']) {
      const normed = model.norm(x, `${block}.attn_norm`, 'rms');
      const options = { layout: 'interleaved', rotated: headDim } as const;
      x = truth.add(x, model.attention(normed, block, options));
      x = truth.add(x, model.gated(model.norm(x, `${block}.ffn_norm`, 'rms'), block));
    }
    await expectSame(model.file('internlm2', {}), model.logits(x, 'rms'));
  });
});
