/**
 * DeepSeek-V2 and V3 against the equations of their papers (arXiv:2405.04434, section 2.1, and
 * arXiv:2412.19437), with keys and values of every head written out, for both forms of their files.
 */
import { describe, it } from 'vitest';
import type { MetadataValue } from '../../src/engine/formats/gguf/metadata.ts';
import type { Rows } from '../contract/backend/truth.ts';
import * as truth from '../contract/backend/truth.ts';
import type { Shapes } from './published-model.ts';
import {
  TinyModel,
  expectSame,
  f32,
  gatedShapes,
  heads,
  plainFrequencies,
  u32,
  width,
  yarnFrequencies,
} from './published-model.ts';

const [plain, rotated, valueDim, latent, queryLatent] = [8, 4, 12, 16, 20];
const [experts, used, expertWidth] = [8, 3, 16];
const yarn = { factor: 16, originalContext: 512 };

interface Form {
  /** Files of today, with the keys' matrices transposed. */
  readonly absorbed: boolean;
  readonly compressesQueries: boolean;
  /** Routing of V3: sigmoid, a bias for the choice, normalised weights. */
  readonly third: boolean;
  readonly stretched: boolean;
}

function shapesOf({ absorbed, compressesQueries, third }: Form): (layer: number) => Shapes {
  const queries = heads * (plain + rotated);
  return (layer) => ({
    attn_norm: [width],
    ...(compressesQueries
      ? {
          attn_q_a: [width, queryLatent],
          attn_q_a_norm: [queryLatent],
          attn_q_b: [queryLatent, queries],
        }
      : { attn_q: [width, queries] }),
    attn_kv_a_mqa: [width, latent + rotated],
    attn_kv_a_norm: [latent],
    ...(absorbed
      ? { attn_k_b: [plain, latent, heads], attn_v_b: [latent, valueDim, heads] }
      : { attn_kv_b: [latent, heads * (plain + valueDim)] }),
    attn_output: [heads * valueDim, width],
    ffn_norm: [width],
    ...(layer === 0
      ? gatedShapes
      : {
          ffn_gate_inp: [width, experts],
          ffn_gate_exps: [width, expertWidth, experts],
          ffn_up_exps: [width, expertWidth, experts],
          ffn_down_exps: [expertWidth, width, experts],
          ffn_gate_shexp: [width, expertWidth],
          ffn_up_shexp: [width, expertWidth],
          ffn_down_shexp: [expertWidth, width],
          ...(third && { 'exp_probs_b.bias': [experts] }),
        }),
  });
}

/** Keys without rotation and values of every head, from the latents. */
function expanded(
  model: TinyModel,
  latents: Rows,
  block: string,
  { absorbed }: Form,
): readonly { readonly keys: number[][]; readonly values: number[][] }[] {
  const whole = absorbed ? [] : model.linear(latents, `${block}.attn_kv_b`);
  return Array.from({ length: heads }, (_, head) => {
    if (!absorbed) {
      const own = whole.map((row) => truth.toRows(row, plain + valueDim)[head] ?? []);
      return {
        keys: own.map((row) => row.slice(0, plain)),
        values: own.map((row) => row.slice(plain)),
      };
    }
    const ofHead = (name: string, rows: number): number[][] =>
      model.rows(`${block}.${name}.weight`).slice(head * rows, (head + 1) * rows);
    const transposed = ofHead('attn_k_b', latent);
    const upward = Array.from({ length: plain }, (_, n) => transposed.map((row) => row[n] ?? NaN));
    return {
      keys: truth.matmul(latents, upward),
      values: truth.matmul(latents, ofHead('attn_v_b', valueDim)),
    };
  });
}

function attention(model: TinyModel, x: Rows, block: string, form: Form): number[][] {
  const inverseFrequencies = form.stretched
    ? yarnFrequencies(rotated, { ...yarn, rounds: true })
    : plainFrequencies(rotated);
  const rope = (rows: Rows): number[][] => {
    const settings = { heads: 1, headDim: rotated, layout: 'interleaved', magnitude: 1 } as const;
    return truth.rope(rows, { ...settings, inverseFrequencies }, 0);
  };
  const queries = form.compressesQueries
    ? model.linear(
        model.norm(
          model.linear(x, `${block}.attn_q_a`),
          `${block}.attn_q_a_norm`,
          'rms',
          queryLatent,
        ),
        `${block}.attn_q_b`,
      )
    : model.linear(x, `${block}.attn_q`);
  const both = model.linear(x, `${block}.attn_kv_a_mqa`);
  const latents = model.norm(
    both.map((row) => row.slice(0, latent)),
    `${block}.attn_kv_a_norm`,
    'rms',
    latent,
  );
  const sharedKeys = rope(both.map((row) => row.slice(latent)));
  // softmax_scale * mscale^2 of the published code, with mscale_all_dim 0.7
  const sharper = form.stretched ? (1 + 0.1 * 0.7 * Math.log(yarn.factor)) ** 2 : 1;
  const size = plain + rotated;
  const said = expanded(model, latents, block, form).map(({ keys, values }, head) => {
    const own = queries.map((row) => truth.toRows(row, size)[head] ?? []);
    const turned = rope(own.map((row) => row.slice(plain)));
    return truth.attention(
      own.map((row, t) => [...row.slice(0, plain), ...(turned[t] ?? [])]),
      keys.map((row, t) => [...row, ...(sharedKeys[t] ?? [])]),
      values,
      {
        ...{ heads: 1, kvHeads: 1, headDim: size, valueDim, softcap: 0, window: 0 },
        scale: sharper / Math.sqrt(size),
      },
    );
  });
  const joined = x.map((_, t) => said.flatMap((rows) => rows[t] ?? []));
  return model.linear(joined, `${block}.attn_output`);
}

function mixture(model: TinyModel, x: Rows, block: string, { third }: Form): number[][] {
  const scores = model.linear(x, `${block}.ffn_gate_inp`);
  const groups = { groups: 4, groupsUsed: 2 };
  const bias = model.flat(`${block}.exp_probs_b.bias`);
  const routes = truth.route(scores, {
    ...{ ...groups, used, scale: 1.5, normalise: third, groupTop: third ? 2 : 1 },
    gating: third ? 'sigmoid' : 'softmax',
    ...(bias && { bias }),
  });
  return truth.add(model.experts(x, block, routes), model.gated(x, block, '_shexp'));
}

function keysOf({ absorbed, compressesQueries, third, stretched }: Form) {
  const kind = absorbed ? '_mla' : '';
  const keys: Record<string, MetadataValue> = {
    'attention.head_count_kv': u32(absorbed ? 1 : heads),
    'attention.key_length': u32(absorbed ? latent + rotated : plain + rotated),
    'attention.value_length': u32(absorbed ? latent : valueDim),
    [`attention.key_length${kind}`]: u32(plain + rotated),
    [`attention.value_length${kind}`]: u32(valueDim),
    'attention.kv_lora_rank': u32(latent),
    'rope.dimension_count': u32(rotated),
    leading_dense_block_count: u32(1),
    expert_count: u32(experts),
    expert_used_count: u32(used),
    expert_feed_forward_length: u32(expertWidth),
    expert_shared_count: u32(1),
    expert_weights_scale: f32(1.5),
    expert_group_count: u32(4),
    expert_group_used_count: u32(2),
  };
  if (compressesQueries) keys['attention.q_lora_rank'] = u32(queryLatent);
  if (third) {
    keys['expert_gating_func'] = u32(2);
    keys['expert_weights_norm'] = { type: 'bool', value: true };
  }
  if (stretched) {
    keys['rope.scaling.type'] = { type: 'string', value: 'yarn' };
    keys['rope.scaling.factor'] = f32(yarn.factor);
    keys['rope.scaling.original_context_length'] = u32(yarn.originalContext);
    keys['rope.scaling.yarn_log_multiplier'] = f32(0.07);
  }
  return keys;
}

const forms: readonly Form[] = [
  { absorbed: false, compressesQueries: false, third: false, stretched: true },
  { absorbed: true, compressesQueries: false, third: false, stretched: true },
  { absorbed: false, compressesQueries: true, third: true, stretched: false },
  { absorbed: true, compressesQueries: true, third: true, stretched: false },
];

describe('multi-head latent attention', () => {
  it.each(forms)('%o', async (form) => {
    const model = new TinyModel(3, shapesOf(form));
    let x = model.embedded();
    for (let layer = 0; layer < 3; layer++) {
      const block = `blk.${layer}`;
      x = truth.add(x, attention(model, model.norm(x, `${block}.attn_norm`, 'rms'), block, form));
      const again = model.norm(x, `${block}.ffn_norm`, 'rms');
      const fed = layer === 0 ? model.gated(again, block) : mixture(model, again, block, form);
      x = truth.add(x, fed);
    }
    await expectSame(model.file('deepseek2', keysOf(form)), model.logits(x, 'rms'));
  });
});
