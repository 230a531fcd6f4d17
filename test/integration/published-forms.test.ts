/**
 * Architectures of which there is no file with reference logits: tiny models of random weights against
 * the published form, written out with the plain operators of the backend contract.
 */
import { describe, it } from 'vitest';
import type { Rows } from '../contract/backend/truth.ts';
import * as truth from '../contract/backend/truth.ts';
import type { Shapes } from './published-model.ts';
import {
  TinyModel,
  attentionShapes,
  expectSame,
  f32,
  gatedShapes,
  headDim,
  heads,
  hidden,
  kvHeads,
  u32,
  width,
  window,
} from './published-model.ts';

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
