/** Families whose folders have names and forms of their own, by the `model_type` of their configuration. */
import type { MetadataValue } from '../formats/gguf/metadata.ts';
import {
  attentionNumbers,
  epsilon,
  expertNumbers,
  f32,
  flag,
  headsOf,
  type Numbers,
  requireSetting,
  rotaryNumbers,
  sizeOf,
  u32,
} from './config-numbers.ts';
import { decoder } from './decoder-families.ts';
import { type Describe, neighbours, type Parts, usualExperts } from './family.ts';
import type { JsonFile } from './json-file.ts';
import { latentFamily } from './latent-family.ts';
import { inLayers, type Slice } from './tensor-rules.ts';

/** Its matrices are stored the other way round (`Conv1D`). */
const gpt2: Describe = (config) => ({
  architecture: 'gpt2',
  tiedByDefault: true,
  numbers: attentionNumbers(config, 'layer'),
  rules: {
    wte: 'token_embd',
    wpe: 'position_embd',
    ln_f: 'output_norm',
    lm_head: 'output',
    ...inLayers(
      {
        ln_1: 'attn_norm',
        ln_2: 'ffn_norm',
        'attn.c_attn': { to: 'attn_qkv', change: 'transposed' },
        'attn.c_proj': { to: 'attn_output', change: 'transposed' },
        'mlp.c_fc': { to: 'ffn_up', change: 'transposed' },
        'mlp.c_proj': { to: 'ffn_down', change: 'transposed' },
      },
      'h.#',
    ),
  },
});

/** q, k and v of each head below each other become all q, all k, all v. */
function headsApart(heads: number, headDim: number): readonly Slice[] {
  return Array.from({ length: 3 * heads }, (_, row): Slice => {
    const [part, head] = [Math.floor(row / heads), row % heads];
    return [(3 * head + part) * headDim, headDim];
  });
}

const gptneox: Describe = (config) => {
  const { heads, headDim } = headsOf(config);
  return {
    architecture: 'gptneox',
    numbers: [
      ...attentionNumbers(config, 'layer'),
      ...rotaryNumbers(config, 0.25),
      ['use_parallel_residual', flag(config.findBoolean('use_parallel_residual') ?? true)],
    ],
    rules: {
      embed_in: 'token_embd',
      embed_out: 'output',
      final_layer_norm: 'output_norm',
      ...inLayers({
        input_layernorm: 'attn_norm',
        post_attention_layernorm: 'ffn_norm',
        'attention.query_key_value': { to: 'attn_qkv', slices: headsApart(heads, headDim) },
        'attention.dense': 'attn_output',
        'mlp.dense_h_to_4h': 'ffn_up',
        'mlp.dense_4h_to_h': 'ffn_down',
      }),
    },
  };
};

/** Every group of heads has its queries, its key and its value below each other. */
function internlm2Heads(config: JsonFile): Parts {
  const { heads, kvHeads, headDim } = headsOf(config);
  const queries = heads / kvHeads;
  const of = (first: number, count: number): readonly Slice[] =>
    Array.from({ length: kvHeads }, (_, group) => [
      (group * (queries + 2) + first) * headDim,
      count * headDim,
    ]);
  return {
    'attention.wqkv': [
      { to: 'attn_q', slices: of(0, queries), pairsOf: heads },
      { to: 'attn_k', slices: of(queries, 1), pairsOf: kvHeads },
      { to: 'attn_v', slices: of(queries + 1, 1) },
    ],
  };
}

const internlm2 = decoder({
  architecture: 'internlm2',
  top: { tok_embeddings: 'token_embd', output: 'output' },
  norms: { attention_norm: 'attn_norm', ffn_norm: 'ffn_norm' },
  parts: (config) => ({
    ...internlm2Heads(config),
    'attention.wo': 'attn_output',
    'feed_forward.w1': 'ffn_gate',
    'feed_forward.w3': 'ffn_up',
    'feed_forward.w2': 'ffn_down',
  }),
});

/** Layers of LFM2 that convolve have no heads. */
const lfm2: Describe = (config) => {
  const { kvHeads } = headsOf(config);
  const types = config.list('layer_types');
  const value = Int32Array.from(types, (type) => (type === 'full_attention' ? kvHeads : 0));
  const heads: MetadataValue = { type: 'array', of: 'i32', value };
  const others = attentionNumbers(config, 'rms').filter(
    ([key]) => key !== 'attention.head_count_kv' && key !== 'feed_forward_length',
  );
  return {
    architecture: 'lfm2',
    tiedByDefault: true,
    numbers: [
      ...others,
      ...rotaryNumbers(config),
      ['attention.head_count_kv', heads],
      ['feed_forward_length', u32(lfm2Width(config))],
      ['shortconv.l_cache', u32(config.count('conv_L_cache'))],
    ],
    rules: {
      embed_tokens: 'token_embd',
      embedding_norm: 'token_embd_norm',
      lm_head: 'output',
      ...inLayers({
        operator_norm: 'attn_norm',
        ffn_norm: 'ffn_norm',
        'conv.conv': 'shortconv.conv',
        'conv.in_proj': 'shortconv.in_proj',
        'conv.out_proj': 'shortconv.out_proj',
        'self_attn.q_proj': 'attn_q',
        'self_attn.k_proj': 'attn_k',
        'self_attn.v_proj': 'attn_v',
        'self_attn.out_proj': 'attn_output',
        'self_attn.q_layernorm': 'attn_q_norm',
        'self_attn.k_layernorm': 'attn_k_norm',
        'feed_forward.w1': 'ffn_gate',
        'feed_forward.w3': 'ffn_up',
        'feed_forward.w2': 'ffn_down',
      }),
    },
  };
};

/** What is stated is two thirds too much where it says so: a gated block has three matrices, not two. */
function lfm2Width(config: JsonFile): number {
  const stated = config.get('block_ff_dim');
  const width = typeof stated === 'number' ? stated : sizeOf(config, 'feedForward');
  if (config.findBoolean('block_auto_adjust_ff_dim') !== true) return width;
  const multiplier = config.number('block_ffn_dim_multiplier', 1);
  const multiple = config.count('block_multiple_of', 256);
  return multiple * Math.ceil(Math.floor(Math.floor((2 * width) / 3) * multiplier) / multiple);
}

function mambaOf(normalises: boolean): Describe {
  return (config) => {
    const width = sizeOf(config, 'width');
    const inner = config.count('intermediate_size', 2 * width);
    const taps = config.count('conv_kernel');
    const rank = config.get('time_step_rank');
    const numbers: Numbers = [
      // it has no positions: any length does
      ['context_length', u32(2 ** 20)],
      ['embedding_length', u32(width)],
      ['feed_forward_length', u32(0)],
      ['attention.head_count', u32(0)],
      ['block_count', u32(sizeOf(config, 'layers'))],
      ['ssm.conv_kernel', u32(taps)],
      ['ssm.inner_size', u32(inner)],
      ['ssm.state_size', u32(config.count('state_size'))],
      ['ssm.time_step_rank', u32(typeof rank === 'number' ? rank : Math.ceil(width / 16))],
      ...epsilon(config, 'rms'),
      ['ssm.dt_b_c_rms', flag(normalises)],
    ];
    requireSetting(config, 'use_bias', false);
    return {
      architecture: 'mamba',
      tiedByDefault: true,
      numbers,
      rules: {
        embeddings: 'token_embd',
        norm_f: 'output_norm',
        lm_head: 'output',
        ...inLayers({
          norm: 'attn_norm',
          'mixer.A_log': { to: 'ssm_a', change: 'negative-exponential' },
          'mixer.D': 'ssm_d',
          'mixer.conv1d': 'ssm_conv1d',
          'mixer.in_proj': 'ssm_in',
          'mixer.x_proj': 'ssm_x',
          'mixer.dt_proj': 'ssm_dt',
          'mixer.out_proj': 'ssm_out',
        }),
      },
    };
  };
}

const bert: Describe = (config) => {
  requireSetting(config, 'position_embedding_type', 'absolute');
  return {
    architecture: 'bert',
    encodes: true,
    numbers: [...attentionNumbers(config, 'layer'), ['attention.causal', flag(false)]],
    rules: {
      'embeddings.word_embeddings': 'token_embd',
      'embeddings.position_embeddings': 'position_embd',
      'embeddings.token_type_embeddings': 'token_types',
      'embeddings.LayerNorm': 'token_embd_norm',
      'embeddings.position_ids': null,
      'pooler.dense': null,
      ...inLayers(
        {
          'attention.self.query': 'attn_q',
          'attention.self.key': 'attn_k',
          'attention.self.value': 'attn_v',
          'attention.output.dense': 'attn_output',
          'attention.output.LayerNorm': 'attn_output_norm',
          'intermediate.dense': 'ffn_up',
          'output.dense': 'ffn_down',
          'output.LayerNorm': 'layer_output_norm',
        },
        'encoder.layer.#',
      ),
    },
  };
};

const nomicBert: Describe = (config) => ({
  architecture: 'nomic-bert',
  encodes: true,
  numbers: [
    ...attentionNumbers(config, 'layer'),
    ...rotaryNumbers(config),
    ['attention.causal', flag(false)],
  ],
  rules: {
    'embeddings.word_embeddings': 'token_embd',
    'embeddings.token_type_embeddings': 'token_types',
    emb_ln: 'token_embd_norm',
    ...inLayers(
      {
        'attn.Wqkv': 'attn_qkv',
        'attn.out_proj': 'attn_output',
        norm1: 'attn_output_norm',
        norm2: 'layer_output_norm',
        'mlp.fc11': 'ffn_up',
        'mlp.fc12': 'ffn_gate',
        'mlp.fc2': 'ffn_down',
      },
      'encoder.layers.#',
    ),
  },
});

/** Layers before the first mixture, and experts that all tokens share. */
function deepseekNumbers(config: JsonFile): Numbers {
  if (typeof config.get('n_routed_experts') !== 'number') return [];
  requireSetting(config, 'moe_layer_freq', 1);
  const shared = config.get('n_shared_experts');
  return [
    ...expertNumbers(config),
    ['leading_dense_block_count', u32(config.number('first_k_dense_replace', 0))],
    ['expert_shared_count', u32(typeof shared === 'number' ? shared : 0)],
    ['expert_weights_scale', f32(config.number('routed_scaling_factor', 1))],
  ];
}

const deepseekExperts = (config: JsonFile): Parts =>
  typeof config.get('n_routed_experts') === 'number' ? usualExperts(config) : {};

const deepseek = decoder({
  architecture: 'deepseek',
  pairs: true,
  parts: (config) => ({ ...neighbours(config), ...deepseekExperts(config) }),
  more: (config) => {
    requireSetting(config, 'norm_topk_prob', false);
    return deepseekNumbers(config);
  },
});

export const otherFamilies: readonly (readonly [modelType: string, describe: Describe])[] = [
  ['gpt2', gpt2],
  ['gpt_neox', gptneox],
  ['internlm2', internlm2],
  ['lfm2', lfm2],
  ['mamba', mambaOf(false)],
  ['falcon_mamba', mambaOf(true)],
  ['bert', bert],
  ['nomic_bert', nomicBert],
  ['deepseek', deepseek],
  ['deepseek_v2', latentFamily],
  ['deepseek_v3', latentFamily],
];
