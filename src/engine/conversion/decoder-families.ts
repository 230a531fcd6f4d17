/** Decoders of Llama's form and its many variations, by the `model_type` of their configuration. */
import {
  attentionNumbers,
  expertNumbers,
  expertsOf,
  f32,
  headsOf,
  type Numbers,
  requireSetting,
  rotaryNumbers,
  rotaryOf,
  sizeOf,
  u32,
  windowedLayers,
  windowNumbers,
} from './config-numbers.ts';
import {
  type Describe,
  experts,
  type FamilyPlan,
  neighbours,
  type Parts,
  usualExperts,
} from './family.ts';
import type { JsonFile } from './json-file.ts';
import { inLayers, type Rules, type Slice } from './tensor-rules.ts';

const usualTop: Rules = { embed_tokens: 'token_embd', norm: 'output_norm', lm_head: 'output' };
const usualNorms = { input_layernorm: 'attn_norm', post_attention_layernorm: 'ffn_norm' };
const outerNorms = {
  post_attention_layernorm: 'post_attention_norm',
  post_feedforward_layernorm: 'post_ffw_norm',
};
const sandwichNorms = {
  ...outerNorms,
  input_layernorm: 'attn_norm',
  pre_feedforward_layernorm: 'ffn_norm',
};
const usualParts = {
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  'self_attn.qkv_proj': 'attn_qkv',
  'self_attn.q_norm': 'attn_q_norm',
  'self_attn.k_norm': 'attn_k_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.gate_up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

interface Variant extends Pick<FamilyPlan, 'architecture' | 'normShift' | 'tiedByDefault'> {
  /** Whether GGUF has the pairs of q and k as neighbours. */
  readonly pairs?: boolean;
  readonly norm?: 'rms' | 'layer';
  /** Norms around a layer's two blocks, where they are not those of Llama. */
  readonly norms?: Parts;
  /** Of a head that is rotated, where the configuration is silent. */
  readonly rotatedShare?: number;
  readonly top?: Rules;
  readonly parts?: (config: JsonFile) => Parts;
  readonly more?: (config: JsonFile) => Numbers;
}

export function decoder({
  pairs,
  norm,
  norms,
  rotatedShare,
  top,
  parts,
  more,
  ...plan
}: Variant): Describe {
  return (config) => ({
    ...plan,
    numbers: [
      ...attentionNumbers(config, norm ?? 'rms'),
      ...rotaryNumbers(config, rotatedShare),
      ...(more?.(config) ?? []),
    ],
    rules: {
      ...usualTop,
      ...top,
      ...inLayers({
        ...usualParts,
        ...(pairs === true && neighbours(config)),
        ...(norms ?? usualNorms),
        ...parts?.(config),
      }),
    },
  });
}

/** Granite has gate and up of every expert below each other, and all experts in one tensor. */
function graniteExperts(config: JsonFile): Parts {
  const [count, width] = [expertsOf(config), sizeOf(config, 'width')];
  const inner = sizeOf(config, 'feedForward');
  const half = (first: number): readonly Slice[] =>
    Array.from({ length: count }, (_, expert) => [(2 * expert + first) * inner, inner]);
  const shape = [width, inner, count];
  return {
    'block_sparse_moe.router.layer': 'ffn_gate_inp',
    'block_sparse_moe.input_linear': [
      { to: 'ffn_gate_exps', slices: half(0), shape },
      { to: 'ffn_up_exps', slices: half(1), shape },
    ],
    'block_sparse_moe.output_linear': { to: 'ffn_down_exps', shape: [inner, width, count] },
  };
}

function graniteNumbers(config: JsonFile): Numbers {
  return [
    ['embedding_scale', f32(config.number('embedding_multiplier', 1))],
    ['attention.scale', f32(config.number('attention_multiplier', 1))],
    ['residual_scale', f32(config.number('residual_multiplier', 1))],
    ['logit_scale', f32(config.number('logits_scaling', 1))],
  ];
}

/** Gemma 3 rotates with another base where there is a window. */
function gemma3Numbers(config: JsonFile): Numbers {
  const base = config.number('rope_local_base_freq', 10000);
  return [
    ['attention.sliding_window', u32(config.count('sliding_window', 4096))],
    ['rope.freq_base_swa', f32(rotaryOf(config, 'sliding_attention').number('rope_theta', base))],
    ...windowedLayers(config),
  ];
}

/** Two matrices follow the pooling, in folders of their own. */
const gemmaDense: Rules = {
  '2_Dense/linear': 'dense_2',
  '3_Dense/linear': 'dense_3',
  'dense.#': null,
};

const gemma3: Describe = (config) => {
  const encodes = config.findBoolean('use_bidirectional_attention') === true;
  return decoder({
    architecture: encodes ? 'gemma-embedding' : 'gemma3',
    normShift: 1,
    tiedByDefault: true,
    norms: sandwichNorms,
    ...(encodes && { top: gemmaDense }),
    more: gemma3Numbers,
  })(config);
};

/** Weights of the experts as they are, or normalised: which of them GGUF's form means. */
const keepsShares = (config: JsonFile): void => requireSetting(config, 'norm_topk_prob', false);

const moe =
  (check: (config: JsonFile) => void) =>
  (config: JsonFile): Numbers => {
    check(config);
    requireSetting(config, 'decoder_sparse_step', 1);
    requireSetting(config, 'clip_qkv', null);
    return [...windowNumbers(config), ...expertNumbers(config)];
  };

function stablelmHeads(config: JsonFile): Parts {
  const { heads, kvHeads } = headsOf(config);
  return {
    'self_attn.q_layernorm.norms.*': { to: 'attn_q_norm', stackOf: heads },
    'self_attn.k_layernorm.norms.*': { to: 'attn_k_norm', stackOf: kvHeads },
  };
}

function phi3Numbers(config: JsonFile): Numbers {
  const key = 'rope.scaling.original_context_length';
  const context = sizeOf(config, 'context');
  const numbers: Numbers = [
    [key, u32(config.count('original_max_position_embeddings', context))],
    ...windowNumbers(config),
  ];
  const stated = new Set(rotaryNumbers(config).map(([name]) => name));
  return numbers.filter(([name]) => !stated.has(name));
}

function cohereNumbers(config: JsonFile): Numbers {
  return [['logit_scale', f32(config.number('logit_scale', 0.0625))]];
}

export const decoderFamilies: readonly (readonly [modelType: string, describe: Describe])[] = [
  ['llama', decoder({ architecture: 'llama', pairs: true })],
  ['mistral', decoder({ architecture: 'llama', pairs: true, more: windowNumbers })],
  [
    'mixtral',
    decoder({
      architecture: 'llama',
      pairs: true,
      parts: (config) => ({
        'block_sparse_moe.gate': 'ffn_gate_inp',
        ...experts(config, 'block_sparse_moe.experts.*', ['w1', 'w3', 'w2']),
      }),
      more: (config) => [...windowNumbers(config), ...expertNumbers(config)],
    }),
  ],
  ['qwen2', decoder({ architecture: 'qwen2', more: windowNumbers })],
  ['qwen3', decoder({ architecture: 'qwen3', more: windowNumbers })],
  ['qwen2_moe', decoder({ architecture: 'qwen2moe', parts: usualExperts, more: moe(keepsShares) })],
  [
    'qwen3_moe',
    decoder({
      architecture: 'qwen3moe',
      parts: usualExperts,
      more: moe((config) => requireSetting(config, 'norm_topk_prob', true)),
    }),
  ],
  ['olmoe', decoder({ architecture: 'olmoe', parts: usualExperts, more: moe(keepsShares) })],
  ['gemma', decoder({ architecture: 'gemma', normShift: 1, tiedByDefault: true })],
  [
    'gemma2',
    decoder({
      architecture: 'gemma2',
      normShift: 1,
      tiedByDefault: true,
      norms: sandwichNorms,
      more: (config) => [
        ['attention.sliding_window', u32(config.count('sliding_window', 4096))],
        ['attn_logit_softcapping', f32(config.number('attn_logit_softcapping', 50))],
        ['final_logit_softcapping', f32(config.number('final_logit_softcapping', 30))],
      ],
    }),
  ],
  ['gemma3_text', gemma3],
  ['phi3', decoder({ architecture: 'phi3', more: phi3Numbers })],
  [
    'phi',
    decoder({
      architecture: 'phi2',
      norm: 'layer',
      rotatedShare: 0.5,
      top: { final_layernorm: 'output_norm' },
      norms: { input_layernorm: 'attn_norm' },
      parts: () => ({
        'self_attn.dense': 'attn_output',
        'mlp.fc1': 'ffn_up',
        'mlp.fc2': 'ffn_down',
      }),
    }),
  ],
  [
    'smollm3',
    decoder({
      architecture: 'smollm3',
      pairs: true,
      tiedByDefault: true,
      more: (config) => {
        requireSetting(config, 'no_rope_layer_interval', 4);
        return [];
      },
    }),
  ],
  ['olmo2', decoder({ architecture: 'olmo2', norms: outerNorms })],
  [
    'olmo3',
    decoder({
      architecture: 'olmo2',
      norms: outerNorms,
      more: (config) => [...windowNumbers(config), ...windowedLayers(config)],
    }),
  ],
  ['granite', decoder({ architecture: 'granite', pairs: true, more: graniteNumbers })],
  [
    'granitemoe',
    decoder({
      architecture: 'granitemoe',
      pairs: true,
      parts: graniteExperts,
      more: (config) => [...graniteNumbers(config), ...expertNumbers(config)],
    }),
  ],
  [
    'stablelm',
    decoder({ architecture: 'stablelm', norm: 'layer', rotatedShare: 0.25, parts: stablelmHeads }),
  ],
  [
    'starcoder2',
    decoder({
      architecture: 'starcoder2',
      norm: 'layer',
      parts: () => ({ 'mlp.c_fc': 'ffn_up', 'mlp.c_proj': 'ffn_down' }),
      more: windowNumbers,
    }),
  ],
  [
    'cohere',
    decoder({
      architecture: 'command-r',
      norm: 'layer',
      tiedByDefault: true,
      norms: { input_layernorm: 'attn_norm' },
      more: cohereNumbers,
    }),
  ],
  [
    'cohere2',
    decoder({
      architecture: 'cohere2',
      norm: 'layer',
      tiedByDefault: true,
      norms: { input_layernorm: 'attn_norm' },
      more: (config) => [
        ...cohereNumbers(config),
        ...windowNumbers(config),
        ...windowedLayers(config),
      ],
    }),
  ],
  [
    'glm4',
    decoder({
      architecture: 'glm4',
      rotatedShare: 0.5,
      norms: {
        input_layernorm: 'attn_norm',
        post_self_attn_layernorm: 'post_attention_norm',
        post_attention_layernorm: 'ffn_norm',
        post_mlp_layernorm: 'post_ffw_norm',
      },
    }),
  ],
];
