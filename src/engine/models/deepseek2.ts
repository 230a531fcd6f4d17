/**
 * DeepSeek-V2 and V3 (DeepSeek-AI 2024, arXiv:2405.04434 and 2412.19437) and models of their form
 * (Moonlight, Kimi K2): multi-head latent attention, then a mixture of experts as in the first
 * generation, whose choice V2 limits to groups and V3 corrects by a bias.
 *
 * Section 2.1 of the V2 paper: keys and values of all heads are made of one short vector a token (the
 * latent), beside one rotated key that all heads share. Older files hold the matrix that makes them
 * (`attn_kv_b`), and the cache has keys and values of every head. Newer files hold it in two, the keys'
 * part transposed: then queries are taken to the latent instead (appendix C of the paper: the matrices
 * are absorbed), the cache has the latent alone, and all heads share it.
 */
import type { GraphBuilder } from '../graph/graph-builder.ts';
import type { ActivationId } from '../graph/ops.ts';
import type { Architecture, TensorRequirement } from './architecture.ts';
import { headMatrices, matrix, vector } from './architecture.ts';
import type { Keep } from './blocks/decoder.ts';
import { decoderLayers, decoderTensors, outputLogits } from './blocks/decoder.ts';
import { choiceBiasTensor, expertFeedForward, expertTensors } from './blocks/experts.ts';
import { gatedFeedForward, gatedFeedForwardTensors } from './blocks/feed-forward.ts';
import { linear } from './blocks/linear.ts';
import type { RotarySettings } from './blocks/rotary-frequencies.ts';
import { readRotarySettings, rotaryTensors, rotation } from './blocks/rotary-frequencies.ts';
import type { DeepseekExperts } from './deepseek.ts';
import { readDeepseekMixture, readExpertScale } from './deepseek.ts';
import type { HyperParameterReader, HyperParameters } from './hyper-parameters.ts';

interface LatentAttention {
  readonly heads: number;
  /** Components of a query or key that are not rotated, and that are. */
  readonly plainDim: number;
  readonly rotatedDim: number;
  readonly valueDim: number;
  /** Columns of the vector that keys and values are made of. */
  readonly latent: number;
  /** Columns of that which queries are made of, 0 where they are made of the state itself. */
  readonly queryLatent: number;
  /** Whether queries meet the latent itself. */
  readonly absorbed: boolean;
  readonly scale: number;
  readonly rotary: RotarySettings;
}

interface Deepseek2Parameters extends HyperParameters, DeepseekExperts, LatentAttention {
  readonly feedForwardWidth: number;
  readonly epsilon: number;
}

type Rotation = ReturnType<typeof rotation>;

export const deepseek2: Architecture<Deepseek2Parameters> = {
  names: ['deepseek2'],

  hyperParameters(file) {
    const feedForwardWidth = file.count('feed_forward_length');
    const attention = readLatentAttention(file);
    const { absorbed, heads, plainDim, rotatedDim, latent } = attention;
    return {
      ...attention,
      ...readDeepseekMixture(file, feedForwardWidth),
      routing: readRouting(file),
      layers: file.count('block_count'),
      width: file.count('embedding_length'),
      vocabularySize: file.vocabularySize(),
      trainedContext: file.count('context_length'),
      kvHeads: absorbed ? 1 : heads,
      headDim: rotatedDim + (absorbed ? latent : plainDim),
      feedForwardWidth,
      epsilon: file.positive('attention.layer_norm_rms_epsilon'),
    };
  },

  state: ({ layers, kvHeads, headDim, absorbed, latent, valueDim }) => ({
    layers: Array.from({ length: layers }, () => ({
      ...{ kvHeads, headDim },
      valueDim: absorbed ? latent : valueDim,
    })),
  }),

  tensors: (h) => [
    ...rotaryTensors(h.rotary),
    ...decoderTensors(h, (block, layer) => [
      vector(`${block}.attn_norm.weight`, h.width),
      ...attentionTensors(block, h),
      vector(`${block}.ffn_norm.weight`, h.width),
      ...(h.mixture === undefined || layer < h.denseLayers
        ? gatedFeedForwardTensors(block, h.width, h.feedForwardWidth)
        : [
            ...expertTensors(block, h.width, h.mixture),
            choiceBiasTensor(block, h.mixture.experts),
          ]),
    ]),
    vector('output_norm.weight', h.width),
  ],

  forward(g, h, constants, contextLength) {
    const rotary = rotation('interleaved', h.rotary, constants, contextLength);
    const embedded = g.embed('token_embd.weight');
    const x = decoderLayers(g, h.layers, embedded, (input, block, layer, keep) => {
      const normed = g.rmsNorm(input, `${block}.attn_norm.weight`, h.epsilon);
      const attended = latentAttention(g, normed, block, layer, { ...h, rotary }, keep);
      const middle = g.add(keep(input), attended);
      const again = g.rmsNorm(middle, `${block}.ffn_norm.weight`, h.epsilon);
      const fed =
        h.mixture === undefined || layer < h.denseLayers
          ? gatedFeedForward(g, again, block, 'silu')
          : expertFeedForward(g, again, block, h.mixture, h.routing);
      return g.add(middle, fed);
    });
    return outputLogits(g, g.rmsNorm(x, 'output_norm.weight', h.epsilon));
  },
};

function readLatentAttention(file: HyperParameterReader): LatentAttention {
  const absorbed = file.has('attention.key_length_mla');
  const suffix = absorbed ? '_mla' : '';
  const headDim = file.count(`attention.key_length${suffix}`);
  const { scaling, ...rotary } = readRotarySettings(file, headDim);
  if (rotary.dimensions === headDim) {
    throw file.malformed('rope.dimension_count', 'leaves nothing of a head that is not rotated');
  }
  // Stretching sharpens the scores here, and leaves the length of the rotated vectors alone.
  const stretch = scaling.kind === 'yarn' ? scaling.factor : 1;
  const sharper = 1 + file.notNegative('rope.scaling.yarn_log_multiplier') * Math.log(stretch);
  const plainYarn = 1 / (1 + 0.1 * Math.log(stretch));
  return {
    heads: file.count('attention.head_count'),
    plainDim: headDim - rotary.dimensions,
    rotatedDim: rotary.dimensions,
    valueDim: file.count(`attention.value_length${suffix}`),
    latent: file.count('attention.kv_lora_rank'),
    queryLatent: file.countOrZero('attention.q_lora_rank'),
    absorbed,
    scale: sharper ** 2 / Math.sqrt(headDim),
    rotary: {
      ...rotary,
      scaling: scaling.kind === 'yarn' ? { ...scaling, attentionFactor: plainYarn } : scaling,
    },
  };
}

/** `expert_gating_func`: 1 for softmax, which V2's files do not say, 2 for sigmoid. */
function readRouting(file: HyperParameterReader): DeepseekExperts['routing'] {
  const gating = file.countOrZero('expert_gating_func');
  if (gating > 2) throw file.unsupported('expert_gating_func', 'another way to weigh its experts');
  const groups = file.count('expert_group_count', 1);
  const groupsUsed = file.count('expert_group_used_count', groups);
  const experts = file.countOrZero('expert_count');
  if (groupsUsed > groups) {
    throw file.malformed('expert_group_used_count', `is above the ${groups} groups`);
  }
  if (experts % groups !== 0 || (experts > 0 && groups > experts)) {
    throw file.malformed('expert_group_count', `does not divide the ${experts} experts`);
  }
  const used = file.countOrZero('expert_used_count');
  if (used * groups > groupsUsed * experts) {
    throw file.malformed('expert_group_used_count', `leaves fewer than ${used} experts`);
  }
  const sigmoid = gating === 2;
  return {
    gating: sigmoid ? 'sigmoid' : 'softmax',
    normalise: file.boolean('expert_weights_norm', false),
    scale: readExpertScale(file),
    // the rank of a group: V2 its best expert, V3 the sum of its two best
    ...{ groups, groupsUsed, groupTop: sigmoid ? Math.min(2, Math.max(1, experts / groups)) : 1 },
  };
}

function attentionTensors(
  block: string,
  h: LatentAttention & HyperParameters,
): readonly TensorRequirement[] {
  const { width, heads, plainDim, rotatedDim, valueDim, latent, queryLatent } = h;
  const queries = heads * (plainDim + rotatedDim);
  const half = (name: string, rows: number, firstRow: number): TensorRequirement => ({
    ...matrix(`${block}.attn_kv_a_${name}.weight`, width, rows),
    rowsOf: { tensor: `${block}.attn_kv_a_mqa.weight`, firstRow, rows: latent + rotatedDim },
  });
  return [
    ...(queryLatent === 0
      ? [matrix(`${block}.attn_q.weight`, width, queries)]
      : [
          matrix(`${block}.attn_q_a.weight`, width, queryLatent),
          vector(`${block}.attn_q_a_norm.weight`, queryLatent),
          matrix(`${block}.attn_q_b.weight`, queryLatent, queries),
        ]),
    half('latent', latent, 0),
    half('rotated', rotatedDim, latent),
    vector(`${block}.attn_kv_a_norm.weight`, latent),
    ...(h.absorbed
      ? [
          headMatrices(`${block}.attn_k_b.weight`, plainDim, latent, heads),
          headMatrices(`${block}.attn_v_b.weight`, latent, valueDim, heads),
        ]
      : [matrix(`${block}.attn_kv_b.weight`, latent, heads * (plainDim + valueDim))]),
    matrix(`${block}.attn_output.weight`, heads * valueDim, width),
  ];
}

interface LatentSettings extends Omit<LatentAttention, 'rotary'> {
  readonly rotary: Rotation;
  readonly epsilon: number;
}

/** Equations 9 to 19 of V2. Rotated components, which files have last, come first in a head here. */
function latentAttention(
  g: GraphBuilder,
  x: ActivationId,
  block: string,
  layer: number,
  h: LatentSettings,
  keep: Keep,
): ActivationId {
  const { heads, plainDim, rotatedDim, valueDim, latent, absorbed, rotary, epsilon } = h;
  const of = (name: string, y: ActivationId): ActivationId =>
    g.matmul(y, `${block}.${name}.weight`);
  const norm = (name: string, y: ActivationId): ActivationId =>
    g.rmsNorm(y, `${block}.${name}.weight`, epsilon);
  const queries =
    h.queryLatent === 0
      ? of('attn_q', x)
      : of('attn_q_b', norm('attn_q_a_norm', of('attn_q_a', x)));
  const rotatedQueries = { x: queries, from: plainDim, count: rotatedDim };
  const plainQueries = { x: queries, from: 0, count: plainDim };
  const compressed = norm('attn_kv_a_norm', of('attn_kv_a_latent', x));
  const turned = g.rope(of('attn_kv_a_rotated', x), { heads: 1, headDim: rotatedDim, ...rotary });
  const sharedKey = { x: turned, from: 0, count: rotatedDim, shared: true };
  const numbers = { layer, heads, scale: h.scale, softcap: 0, window: 0 };
  if (absorbed) {
    const headDim = rotatedDim + latent;
    const taken = everyHead(g, g.joinHeads(heads, plainQueries), `${block}.attn_k_b.weight`, heads);
    const q = g.joinHeads(heads, rotatedQueries, { x: taken, from: 0, count: latent });
    const k = g.joinHeads(1, sharedKey, { x: compressed, from: 0, count: latent });
    g.cacheWrite(layer, k, compressed);
    const shape = { kvHeads: 1, headDim, valueDim: latent };
    const seen = g.attention(g.rope(q, { heads, headDim, ...rotary }), { ...numbers, ...shape });
    return linear(
      g,
      everyHead(g, keep(seen), `${block}.attn_v_b.weight`, heads),
      `${block}.attn_output`,
    );
  }
  const headDim = rotatedDim + plainDim;
  const both = of('attn_kv_b', compressed);
  const k = g.joinHeads(heads, sharedKey, { x: both, from: 0, count: plainDim });
  g.cacheWrite(layer, k, g.joinHeads(heads, { x: both, from: plainDim, count: valueDim }));
  const q = g.rope(g.joinHeads(heads, rotatedQueries, plainQueries), { heads, headDim, ...rotary });
  const seen = g.attention(q, { ...numbers, kvHeads: heads, headDim, valueDim });
  return linear(g, keep(seen), `${block}.attn_output`);
}

/** Part k of a row times matrix k: experts that are all chosen, in order, because all score alike. */
function everyHead(g: GraphBuilder, x: ActivationId, weight: string, heads: number): ActivationId {
  const equal = g.scale(g.joinHeads(heads, { x, from: 0, count: 1 }), 0);
  const routes = g.route(equal, { gating: 'softmax', used: heads, normalise: false });
  return g.expertMatmul(x, routes, weight, { experts: heads, used: heads });
}
