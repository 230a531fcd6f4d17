/** DeepSeek-V2 and V3 (and Moonlight), whose keys and values are made of one short vector a token. */
import {
  epsilon,
  expertNumbers,
  f32,
  flag,
  type Numbers,
  requireSetting,
  rotaryOf,
  scalingNumbers,
  sizeOf,
  u32,
} from './config-numbers.ts';
import { type FamilyPlan, usualExperts } from './family.ts';
import type { JsonFile } from './json-file.ts';
import { inLayers } from './tensor-rules.ts';

/** @throws ModelFileError `model-file/unsupported-architecture`, `model-file/malformed` */
export function latentFamily(config: JsonFile): FamilyPlan {
  const mixes = typeof config.get('n_routed_experts') === 'number';
  return {
    architecture: 'deepseek2',
    numbers: [...attention(config), ...(mixes ? mixture(config) : [])],
    rules: {
      embed_tokens: 'token_embd',
      norm: 'output_norm',
      lm_head: 'output',
      ...inLayers({
        input_layernorm: 'attn_norm',
        post_attention_layernorm: 'ffn_norm',
        'self_attn.q_proj': 'attn_q',
        'self_attn.q_a_proj': 'attn_q_a',
        'self_attn.q_a_layernorm': 'attn_q_a_norm',
        'self_attn.q_b_proj': 'attn_q_b',
        'self_attn.kv_a_proj_with_mqa': 'attn_kv_a_mqa',
        'self_attn.kv_a_layernorm': 'attn_kv_a_norm',
        'self_attn.kv_b_proj': 'attn_kv_b',
        'self_attn.o_proj': 'attn_output',
        'mlp.gate_proj': 'ffn_gate',
        'mlp.up_proj': 'ffn_up',
        'mlp.down_proj': 'ffn_down',
        ...(mixes && usualExperts(config)),
        'mlp.gate.e_score_correction_bias': 'exp_probs_b.bias',
      }),
    },
  };
}

function attention(config: JsonFile): Numbers {
  const rotated = config.count('qk_rope_head_dim');
  const rotary = rotaryOf(config);
  const base = config.number('rope_theta', 10000);
  const queries = config.get('q_lora_rank');
  // two factors that cancel each other in the published models; GGUF knows one of them
  const sharper = rotary.number('mscale_all_dim', 0);
  requireSetting(rotary, 'mscale', rotary.get('mscale') === undefined ? null : sharper);
  return [
    ['context_length', u32(sizeOf(config, 'context'))],
    ['embedding_length', u32(sizeOf(config, 'width'))],
    ['block_count', u32(sizeOf(config, 'layers'))],
    ['feed_forward_length', u32(sizeOf(config, 'feedForward'))],
    ['attention.head_count', u32(sizeOf(config, 'heads'))],
    ['attention.head_count_kv', u32(sizeOf(config, 'heads'))],
    ['attention.key_length', u32(config.count('qk_nope_head_dim') + rotated)],
    ['attention.value_length', u32(config.count('v_head_dim'))],
    ['attention.kv_lora_rank', u32(config.count('kv_lora_rank'))],
    ...(typeof queries === 'number'
      ? ([['attention.q_lora_rank', u32(config.count('q_lora_rank'))]] satisfies Numbers)
      : []),
    ...epsilon(config, 'rms'),
    ['rope.dimension_count', u32(rotated)],
    ['rope.freq_base', f32(rotary.number('rope_theta', base))],
    ...scalingNumbers(config, rotary),
    ['rope.scaling.yarn_log_multiplier', f32(0.1 * sharper)],
  ];
}

/** How experts are chosen: by groups in both, with a bias and a sigmoid in V3. */
function mixture(config: JsonFile): Numbers {
  requireSetting(config, 'moe_layer_freq', 1);
  const grouped = config.findString('topk_method') !== 'greedy';
  const sigmoid = config.findString('scoring_func') === 'sigmoid';
  return [
    ...expertNumbers(config),
    ['leading_dense_block_count', u32(config.number('first_k_dense_replace', 0))],
    ['expert_shared_count', u32(config.number('n_shared_experts', 0))],
    ['expert_weights_scale', f32(config.number('routed_scaling_factor', 1))],
    ['expert_weights_norm', flag(config.findBoolean('norm_topk_prob') ?? false)],
    ['expert_gating_func', u32(sigmoid ? 2 : 1)],
    ...(grouped && typeof config.get('n_group') === 'number'
      ? ([
          ['expert_group_count', u32(config.count('n_group'))],
          ['expert_group_used_count', u32(config.count('topk_group'))],
        ] satisfies Numbers)
      : []),
  ];
}
