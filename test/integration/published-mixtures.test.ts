/** Mixtures of experts of which there is no file with reference logits, as in `published-forms.test.ts`. */
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
  u32,
  width,
  window,
  yarnFrequencies,
} from './published-model.ts';

const [experts, used, expertWidth] = [6, 3, 16];

const norms: Shapes = { attn_norm: [width], ffn_norm: [width] };

function expertShapes(size: number): Shapes {
  return {
    ffn_gate_inp: [width, experts],
    ffn_gate_exps: [width, size, experts],
    ffn_up_exps: [width, size, experts],
    ffn_down_exps: [size, width, experts],
  };
}

function sharedShapes(size: number): Shapes {
  return {
    ffn_gate_shexp: [width, size],
    ffn_up_shexp: [width, size],
    ffn_down_shexp: [size, width],
  };
}

const mixtureKeys = { expert_count: u32(experts), expert_used_count: u32(used) };

describe('published mixtures', () => {
  it('deepseek, a dense layer before the mixture', async () => {
    const model = new TinyModel(3, (layer) => ({
      ...{ ...norms, ...attentionShapes },
      ...(layer === 0
        ? gatedShapes
        : { ...expertShapes(expertWidth), ...sharedShapes(2 * expertWidth) }),
    }));
    let x = model.embedded();
    for (let layer = 0; layer < 3; layer++) {
      const block = `blk.${layer}`;
      const normed = model.norm(x, `${block}.attn_norm`, 'rms');
      x = truth.add(x, model.attention(normed, block, { layout: 'interleaved', rotated: headDim }));
      const again = model.norm(x, `${block}.ffn_norm`, 'rms');
      const mixed = (): number[][] => {
        const scores = model.linear(again, `${block}.ffn_gate_inp`);
        const routing = { gating: 'softmax', used, normalise: false, scale: 1.5 } as const;
        const routed = model.experts(again, block, truth.route(scores, routing));
        return truth.add(routed, model.gated(again, block, '_shexp'));
      };
      x = truth.add(x, layer === 0 ? model.gated(again, block) : mixed());
    }
    const bytes = model.file('deepseek', {
      ...mixtureKeys,
      expert_shared_count: u32(2),
      expert_feed_forward_length: u32(expertWidth),
      expert_weights_scale: f32(1.5),
      leading_dense_block_count: u32(1),
    });
    await expectSame(bytes, model.logits(x, 'rms'));
  });

  it('deepseek without experts', async () => {
    const model = new TinyModel(2, { ...norms, ...attentionShapes, ...gatedShapes });
    let x = model.embedded();
    for (const block of ['blk.0', 'blk.1']) {
      const normed = model.norm(x, `${block}.attn_norm`, 'rms');
      const options = { layout: 'interleaved', rotated: headDim } as const;
      x = truth.add(x, model.attention(normed, block, options));
      x = truth.add(x, model.gated(model.norm(x, `${block}.ffn_norm`, 'rms'), block));
    }
    await expectSame(model.file('deepseek', {}), model.logits(x, 'rms'));
  });

  it.each([0, 24])('granitemoe, %i columns shared', async (shared) => {
    const model = new TinyModel(2, {
      ...{ ...norms, ...attentionShapes, ...expertShapes(hidden) },
      ...(shared > 0 && sharedShapes(shared)),
    });
    const scales = { embedding: 2, attention: 0.25, residual: 0.5, logit: 4 };
    const branch = (x: Rows, said: Rows): number[][] =>
      truth.add(x, truth.scale(said, scales.residual, 0));
    let x = truth.scale(model.embedded(), scales.embedding, 0);
    for (const block of ['blk.0', 'blk.1']) {
      const normed = model.norm(x, `${block}.attn_norm`, 'rms');
      const options = { layout: 'interleaved', rotated: headDim, scale: scales.attention } as const;
      x = branch(x, model.attention(normed, block, options));
      const again = model.norm(x, `${block}.ffn_norm`, 'rms');
      const scores = model.linear(again, `${block}.ffn_gate_inp`);
      // of the published code: the best scores, then a softmax over them
      const routing = { gating: 'softmax-of-chosen', used, normalise: false } as const;
      const routed = model.experts(again, block, truth.route(scores, routing));
      x = branch(x, shared > 0 ? truth.add(routed, model.gated(again, block, '_shexp')) : routed);
    }
    const bytes = model.file('granitemoe', {
      ...mixtureKeys,
      ...(shared > 0 && { expert_shared_feed_forward_length: u32(shared) }),
      embedding_scale: f32(scales.embedding),
      'attention.scale': f32(scales.attention),
      residual_scale: f32(scales.residual),
      logit_scale: f32(scales.logit),
    });
    await expectSame(bytes, truth.scale(model.logits(x, 'rms'), 1 / scales.logit, 0));
  });

  it('gpt-oss', async () => {
    const shapes: Shapes = {
      ...{ attn_norm: [width], post_attention_norm: [width], attn_sinks: [heads] },
      ...{ ...attentionShapes, ...expertShapes(expertWidth) },
    };
    const biased = Object.keys(shapes).filter((name) => !/norm|sinks/.test(name));
    const model = new TinyModel(3, shapes, biased);
    const yarn = { factor: 8, originalContext: 512 };
    const rotation = {
      ...({ layout: 'split', rotated: headDim } as const),
      inverseFrequencies: yarnFrequencies(headDim, { ...yarn, rounds: false }),
      magnitude: 0.1 * Math.log(yarn.factor) + 1,
    };
    const swiglu = (gates: Rows, up: Rows): number[][] =>
      gates.map((row, t) =>
        row.map((value, c) => {
          const glu = Math.min(value, 7);
          const linear = Math.max(-7, Math.min(7, up[t]?.[c] ?? NaN));
          return (glu / (1 + Math.exp(-1.702 * glu))) * (linear + 1);
        }),
      );
    let x = model.embedded();
    for (let layer = 0; layer < 3; layer++) {
      const block = `blk.${layer}`;
      const normed = model.norm(x, `${block}.attn_norm`, 'rms');
      const seen = layer % 2 === 0 ? window : 0;
      x = truth.add(x, model.attention(normed, block, { ...rotation, window: seen }));
      const again = model.norm(x, `${block}.post_attention_norm`, 'rms');
      const scores = model.linear(again, `${block}.ffn_gate_inp`);
      const routing = { gating: 'softmax-of-chosen', used, normalise: false } as const;
      x = truth.add(x, model.experts(again, block, truth.route(scores, routing), swiglu));
    }
    const bytes = model.file('gpt-oss', {
      ...mixtureKeys,
      expert_feed_forward_length: u32(expertWidth),
      'attention.sliding_window': u32(window),
      'rope.scaling.type': { type: 'string', value: 'yarn' },
      'rope.scaling.factor': f32(yarn.factor),
      'rope.scaling.original_context_length': u32(yarn.originalContext),
    });
    await expectSame(bytes, model.logits(x, 'rms'));
  });
});
