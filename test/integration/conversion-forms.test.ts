/**
 * Folders of families of which there is no file with reference logits: tiny models of random weights as
 * GGUF and, named and arranged as their publishers do, as safetensors. Both must compute the same.
 */
import { expect, it } from 'vitest';
import { BufferByteSource, type ByteSource } from '../../src/common/byte-source.ts';
import { ReferenceBackend } from '../../src/engine/backend/reference/reference-backend.ts';
import { convertFolder } from '../../src/engine/conversion/converted-model.ts';
import type { MetadataValue } from '../../src/engine/formats/gguf/metadata.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import { hubTensors, type HubTensor } from '../fixtures/hub-tensors.ts';
import { safetensorsFile } from '../fixtures/safetensors-folder.ts';
import {
  attentionShapes,
  epsilon,
  f32,
  gatedShapes,
  headDim,
  heads,
  hidden,
  kvHeads,
  type Shapes,
  TinyModel,
  tokens,
  u32,
  vocabulary,
  width,
  window,
} from './published-model.ts';
import { lastLogits, normalisedError } from './reference-files.ts';

const [experts, used, expertWidth] = [6, 3, 16];
const norms: Shapes = { attn_norm: [width], ffn_norm: [width] };
const expertShapes = (size: number): Shapes => ({
  ffn_gate_inp: [width, experts],
  ffn_gate_exps: [width, size, experts],
  ffn_up_exps: [width, size, experts],
  ffn_down_exps: [size, width, experts],
});
const sharedShapes: Shapes = {
  ffn_gate_shexp: [width, 2 * expertWidth],
  ffn_up_shexp: [width, 2 * expertWidth],
  ffn_down_shexp: [2 * expertWidth, width],
};
const mixtureKeys = { expert_count: u32(experts), expert_used_count: u32(used) };

interface Form {
  readonly architecture: string;
  readonly model: TinyModel;
  readonly keys: Readonly<Record<string, MetadataValue>>;
  /** What its config.json says beside the sizes. */
  readonly config: object;
  readonly fuse?: (tensors: readonly HubTensor[]) => readonly HubTensor[];
}

const dense = { ...attentionShapes, ...gatedShapes };
const forms: readonly (readonly [modelType: string, form: Form])[] = [
  [
    'starcoder2',
    {
      architecture: 'starcoder2',
      model: new TinyModel(
        2,
        { ...norms, ...attentionShapes, ffn_up: [width, hidden], ffn_down: [hidden, width] },
        ['attn_q', 'attn_output', 'ffn_up', 'ffn_down', 'attn_norm', 'ffn_norm', 'output_norm'],
      ),
      keys: { 'attention.sliding_window': u32(window) },
      config: { norm_epsilon: epsilon, sliding_window: window },
    },
  ],
  [
    'cohere',
    {
      architecture: 'command-r',
      model: new TinyModel(2, {
        ...{ attn_norm: [width], attn_q_norm: [headDim, heads], attn_k_norm: [headDim, kvHeads] },
        ...dense,
      }),
      keys: { logit_scale: f32(0.25) },
      config: { layer_norm_eps: epsilon, logit_scale: 0.25, use_qk_norm: true },
    },
  ],
  [
    'cohere2',
    {
      architecture: 'cohere2',
      model: new TinyModel(4, { attn_norm: [width], ...dense }),
      keys: { logit_scale: f32(0.25), 'attention.sliding_window': u32(window) },
      config: {
        ...{ layer_norm_eps: epsilon, logit_scale: 0.25, sliding_window: window },
        layer_types: [...new Array<string>(3).fill('sliding_attention'), 'full_attention'],
      },
    },
  ],
  [
    'glm4',
    {
      architecture: 'glm4',
      model: new TinyModel(
        2,
        { ...norms, post_attention_norm: [width], post_ffw_norm: [width], ...dense },
        ['attn_q', 'attn_k', 'attn_v'],
      ),
      keys: { 'rope.dimension_count': u32(headDim / 2) },
      config: { rms_norm_eps: epsilon, partial_rotary_factor: 0.5, tie_word_embeddings: true },
    },
  ],
  [
    'internlm2',
    {
      architecture: 'internlm2',
      model: new TinyModel(2, { ...norms, ...dense }),
      keys: {},
      config: { rms_norm_eps: epsilon, tie_word_embeddings: true },
      fuse: withFusedHeads,
    },
  ],
  [
    'granitemoe',
    {
      architecture: 'granitemoe',
      model: new TinyModel(2, { ...norms, ...attentionShapes, ...expertShapes(hidden) }),
      keys: {
        ...mixtureKeys,
        embedding_scale: f32(1.5),
        'attention.scale': f32(0.25),
        residual_scale: f32(0.5),
        logit_scale: f32(2),
      },
      config: {
        ...{ rms_norm_eps: epsilon, num_local_experts: experts, num_experts_per_tok: used },
        ...{ embedding_multiplier: 1.5, attention_multiplier: 0.25, residual_multiplier: 0.5 },
        ...{ logits_scaling: 2, tie_word_embeddings: true },
      },
      fuse: withFusedExperts,
    },
  ],
  [
    'deepseek',
    {
      architecture: 'deepseek',
      model: new TinyModel(3, (layer) => ({
        ...{ ...norms, ...attentionShapes },
        ...(layer === 0 ? gatedShapes : { ...expertShapes(expertWidth), ...sharedShapes }),
      })),
      keys: {
        ...mixtureKeys,
        expert_shared_count: u32(2),
        expert_feed_forward_length: u32(expertWidth),
        leading_dense_block_count: u32(1),
      },
      config: {
        ...{ rms_norm_eps: epsilon, n_routed_experts: experts, num_experts_per_tok: used },
        ...{ n_shared_experts: 2, moe_intermediate_size: expertWidth, first_k_dense_replace: 1 },
        ...{ norm_topk_prob: false, tie_word_embeddings: true },
      },
    },
  ],
  [
    'deepseek_v3',
    {
      architecture: 'deepseek2',
      model: new TinyModel(2, (layer) => ({
        ...norms,
        attn_q_a: [width, 20],
        attn_q_a_norm: [20],
        attn_q_b: [20, heads * 12],
        attn_kv_a_mqa: [width, 20],
        attn_kv_a_norm: [16],
        attn_kv_b: [16, heads * 20],
        attn_output: [heads * 12, width],
        ...(layer === 0
          ? gatedShapes
          : {
              ...expertShapes(expertWidth),
              ...sharedShapes,
              'exp_probs_b.bias': [experts],
            }),
      })),
      keys: {
        ...mixtureKeys,
        ...{ 'attention.key_length': u32(12), 'attention.value_length': u32(12) },
        ...{ 'attention.kv_lora_rank': u32(16), 'attention.q_lora_rank': u32(20) },
        ...{ 'rope.dimension_count': u32(4), 'rope.scaling.factor': f32(16) },
        'rope.scaling.type': { type: 'string', value: 'yarn' },
        'rope.scaling.original_context_length': u32(512),
        'rope.scaling.yarn_log_multiplier': f32(0.07),
        ...{ expert_shared_count: u32(2), expert_feed_forward_length: u32(expertWidth) },
        ...{ leading_dense_block_count: u32(1), expert_gating_func: u32(2) },
        expert_weights_norm: { type: 'bool', value: true },
        ...{ expert_group_count: u32(2), expert_group_used_count: u32(1) },
        expert_weights_scale: f32(2.5),
      },
      config: {
        ...{ rms_norm_eps: epsilon, n_routed_experts: experts, num_experts_per_tok: used },
        ...{ n_shared_experts: 2, moe_intermediate_size: expertWidth, first_k_dense_replace: 1 },
        ...{ q_lora_rank: 20, kv_lora_rank: 16, qk_nope_head_dim: 8, qk_rope_head_dim: 4 },
        ...{ v_head_dim: 12, scoring_func: 'sigmoid', topk_method: 'noaux_tc', n_group: 2 },
        ...{ topk_group: 1, norm_topk_prob: true, routed_scaling_factor: 2.5 },
        rope_scaling: {
          ...{ type: 'yarn', factor: 16, original_max_position_embeddings: 512 },
          ...{ beta_fast: 32, beta_slow: 1, mscale: 0.7, mscale_all_dim: 0.7 },
        },
        tie_word_embeddings: true,
      },
    },
  ],
];

/** Queries, key and value of every group of heads below each other. */
function withFusedHeads(tensors: readonly HubTensor[]): readonly HubTensor[] {
  const row = width * 4;
  return tensors.flatMap((tensor) => {
    const match = /^(.*)self_attn\.([qkv])_proj\.weight$/.exec(tensor.name);
    if (match === null) return [tensor];
    const [, folder = '', part] = match;
    if (part !== 'q') return [];
    const find = (name: string): Uint8Array =>
      tensors.find((other) => other.name === `${folder}self_attn.${name}_proj.weight`)?.data ??
      new Uint8Array(0);
    const group = heads / kvHeads;
    const data = new Uint8Array((heads + 2 * kvHeads) * headDim * row);
    let end = 0;
    for (let index = 0; index < kvHeads; index++) {
      for (const [name, count] of [
        ['q', group],
        ['k', 1],
        ['v', 1],
      ] as const) {
        const size = count * headDim * row;
        data.set(find(name).subarray(index * size, (index + 1) * size), end);
        end += size;
      }
    }
    const shape = [(heads + 2 * kvHeads) * headDim, width];
    return [{ name: `${folder}attention.wqkv.weight`, shape, data }];
  });
}

/** Gate and up of every expert below each other, all experts in one tensor. */
function withFusedExperts(tensors: readonly HubTensor[]): readonly HubTensor[] {
  const size = hidden * width * 4;
  const pattern = /^(.*)mlp\.experts\.(\d+)\.(gate|up)_proj\.weight$/;
  const fused = new Map<string, Uint8Array>();
  const others = tensors.filter(({ name, data }) => {
    const [, folder, expert, part] = pattern.exec(name) ?? [];
    if (folder === undefined) return true;
    const whole = fused.get(folder) ?? new Uint8Array(2 * experts * size);
    fused.set(folder, whole);
    whole.set(data, (2 * Number(expert) + (part === 'up' ? 1 : 0)) * size);
    return false;
  });
  const inputs = [...fused].map(([folder, data]) => ({
    name: `${folder}block_sparse_moe.input_linear.weight`,
    shape: [experts, 2 * hidden, width],
    data,
  }));
  return [...others, ...inputs];
}

const sizes = {
  hidden_size: width,
  num_hidden_layers: 2,
  num_attention_heads: heads,
  num_key_value_heads: kvHeads,
  intermediate_size: hidden,
  max_position_embeddings: 64,
  vocab_size: vocabulary,
};
const vocab = Object.fromEntries(Array.from({ length: vocabulary }, (_, id) => [`t${id}`, id]));
const tokenizer = JSON.stringify({
  model: { type: 'BPE', byte_fallback: true, vocab, merges: [] },
});

async function logitsOf(source: ByteSource): Promise<Float32Array> {
  const file = await readGguf(source);
  const backend = new ReferenceBackend();
  const options = { source, file, backend, precision: 'auto', kvType: 'f32' } as const;
  const model = await loadModel({ ...options, contextLength: 64 });
  return lastLogits(model, tokens, tokens.length, { precision: 8, kvType: 'f32' });
}

it.each(forms)('converts %s', async (type, { architecture, model, keys, config, fuse }) => {
  const bytes = model.file(architecture, keys);
  const whole = { model_type: type, ...sizes, ...config, num_hidden_layers: model.layers };
  const tensors = hubTensors(await readGguf(new BufferByteSource(bytes)), { bytes, config: whole });
  const converted = await convertFolder({
    ...{ name: type, config: JSON.stringify(whole), tokenizer },
    ...{ tokenizerConfig: null, chatTemplate: null },
    weights: [new BufferByteSource(safetensorsFile(fuse?.(tensors) ?? tensors))],
  });
  expect((await readGguf(converted)).metadata.getString('general.architecture')).toBe(architecture);
  const [actual, expected] = [
    await logitsOf(converted),
    await logitsOf(new BufferByteSource(bytes)),
  ];
  expect(normalisedError(actual, expected)).toBeLessThan(1e-10);
});
