/** Numbers of a folder's config.json under GGUF's keys: what most architectures share. */
import { ModelFileError } from '../../common/errors.ts';
import type { MetadataValue } from '../formats/gguf/metadata.ts';
import type { JsonFile } from './json-file.ts';

/** Without the architecture's name before the key. */
export type Numbers = readonly (readonly [key: string, value: MetadataValue])[];

export const u32 = (value: number): MetadataValue => ({ type: 'u32', value });
export const f32 = (value: number): MetadataValue => ({ type: 'f32', value });
export const flag = (value: boolean): MetadataValue => ({ type: 'bool', value });
const text = (value: string): MetadataValue => ({ type: 'string', value });

/** Names that one number has in the configurations of different families, the first that is there. */
const spellings = {
  width: ['hidden_size', 'n_embd'],
  layers: ['num_hidden_layers', 'n_layer'],
  heads: ['num_attention_heads', 'n_head'],
  feedForward: ['intermediate_size', 'n_inner'],
  context: ['max_position_embeddings', 'n_positions'],
  rms: ['rms_norm_eps', 'norm_eps', 'layer_norm_epsilon'],
  layer: ['layer_norm_eps', 'norm_epsilon', 'layer_norm_epsilon'],
} as const;

const epsilonKeys = {
  rms: 'attention.layer_norm_rms_epsilon',
  layer: 'attention.layer_norm_epsilon',
} as const;

function spelled(config: JsonFile, what: keyof typeof spellings): string {
  const [first, ...others] = spellings[what];
  const known = [first, ...others].find((key) => typeof config.get(key) === 'number');
  return known ?? first;
}

export function sizeOf(
  config: JsonFile,
  what: Exclude<keyof typeof spellings, 'rms' | 'layer'>,
  fallback?: number,
): number {
  return config.count(spelled(config, what), fallback);
}

/** Heads and experts: lists are made of so many. The largest models have 128 and 512. */
const mostParts = 4096;

/** Heads of queries and of keys, and the size of one. */
export function headsOf(config: JsonFile): { heads: number; kvHeads: number; headDim: number } {
  const heads = config.count(spelled(config, 'heads'), undefined, mostParts);
  const kvHeads = config.count('num_key_value_heads', heads, mostParts);
  return { heads, kvHeads, headDim: config.count('head_dim', sizeOf(config, 'width') / heads) };
}

export function epsilon(config: JsonFile, norm: 'rms' | 'layer'): Numbers {
  return [[epsilonKeys[norm], f32(config.number(spelled(config, norm)))]];
}

/** What every model with attention states. */
export function attentionNumbers(config: JsonFile, norm: 'rms' | 'layer'): Numbers {
  const { heads, kvHeads, headDim } = headsOf(config);
  const width = sizeOf(config, 'width');
  return [
    ['context_length', u32(sizeOf(config, 'context'))],
    ['embedding_length', u32(width)],
    ['block_count', u32(sizeOf(config, 'layers'))],
    ['feed_forward_length', u32(sizeOf(config, 'feedForward', 4 * width))],
    ['attention.head_count', u32(heads)],
    ['attention.head_count_kv', u32(kvHeads)],
    ['attention.key_length', u32(headDim)],
    ['attention.value_length', u32(headDim)],
    ...epsilon(config, norm),
  ];
}

/** How the heads are rotated. @param usualShare of a head, where the configuration is silent */
export function rotaryNumbers(config: JsonFile, usualShare = 1): Numbers {
  const { headDim } = headsOf(config);
  const rotary = rotaryOf(config);
  const stated = config.number('partial_rotary_factor', config.number('rotary_pct', usualShare));
  const share = rotary.number('partial_rotary_factor', stated);
  const base = config.number('rope_theta', config.number('rotary_emb_base', 10000));
  return [
    ['rope.dimension_count', u32(Math.trunc(headDim * share))],
    ['rope.freq_base', f32(rotary.number('rope_theta', base))],
    ...scalingNumbers(config, rotary),
  ];
}

/** Newer folders have one object for the rotation (of each kind of layer), older ones `rope_scaling`. */
export function rotaryOf(config: JsonFile, kind = 'full_attention'): JsonFile {
  const parameters = config.inside('rope_parameters');
  if (parameters.get(kind) !== undefined) return parameters.inside(kind);
  return parameters.get('rope_theta') === undefined ? config.inside('rope_scaling') : parameters;
}

const original = 'original_max_position_embeddings';

/** How a rotation is stretched: its kind, or `longrope` by the name it had first. */
function scalingKind(rotary: JsonFile): string {
  const kind = rotary.findString('rope_type') ?? rotary.findString('type') ?? 'default';
  return kind === 'su' ? 'longrope' : kind;
}

export function scalingNumbers(config: JsonFile, rotary: JsonFile): Numbers {
  const kind = scalingKind(rotary);
  const factor = (): Numbers => [
    ['rope.scaling.type', text(kind)],
    ['rope.scaling.factor', f32(rotary.number('factor'))],
  ];
  switch (kind) {
    case 'default':
      return [];
    case 'linear':
      return factor();
    case 'llama3':
      return [
        ...factor(),
        ['rope.scaling.original_context_length', u32(rotary.count(original))],
        ['rope.scaling.low_freq_factor', f32(rotary.number('low_freq_factor'))],
        ['rope.scaling.high_freq_factor', f32(rotary.number('high_freq_factor'))],
      ];
    case 'yarn':
      return [
        ...factor(),
        [
          'rope.scaling.original_context_length',
          u32(rotary.count(original, sizeOf(config, 'context'))),
        ],
        ['rope.scaling.yarn_beta_fast', f32(rotary.number('beta_fast', 32))],
        ['rope.scaling.yarn_beta_slow', f32(rotary.number('beta_slow', 1))],
      ];
    case 'longrope':
      return [
        ['rope.scaling.type', text(kind)],
        ['rope.scaling.original_context_length', u32(originalContext(config, rotary))],
        ['rope.scaling.attn_factor', f32(longRopeMagnitude(config, rotary))],
      ];
    default:
      throw unsupported(config, `Hermit cannot convert models with the rope scaling "${kind}".`, {
        scaling: kind.slice(0, 40),
      });
  }
}

function originalContext(config: JsonFile, rotary: JsonFile): number {
  return rotary.count(original, config.count(original, sizeOf(config, 'context')));
}

/** LongRoPE (Ding et al. 2024, arXiv:2402.13753), as Phi-3's code has it. */
function longRopeMagnitude(config: JsonFile, rotary: JsonFile): number {
  const first = originalContext(config, rotary);
  const stretch = sizeOf(config, 'context') / first;
  const computed = stretch > 1 ? Math.sqrt(1 + Math.log(stretch) / Math.log(first)) : 1;
  return rotary.number('attention_factor', computed);
}

/** Divisors of the frequencies that the configuration lists, as tensors by GGUF's names. */
export function rotaryDivisors(config: JsonFile): ReadonlyMap<string, Float32Array> {
  const rotary = rotaryOf(config);
  if (scalingKind(rotary) !== 'longrope') return new Map();
  return new Map([
    ['rope_factors_long.weight', rotary.numbers('long_factor')],
    ['rope_factors_short.weight', rotary.numbers('short_factor')],
  ]);
}

/** Of which layers see a window only: a list with an entry a layer, where the configuration has one. */
export function windowedLayers(config: JsonFile): Numbers {
  const types = config.list('layer_types');
  if (types.length === 0) return [];
  const value = types.map((type) => type === 'sliding_attention');
  return [['attention.sliding_window_pattern', { type: 'array', of: 'bool', value }]];
}

/** A window that all layers have. */
export function windowNumbers(config: JsonFile): Numbers {
  const window = config.get('sliding_window');
  if (typeof window !== 'number' || config.findBoolean('use_sliding_window') === false) return [];
  // of Qwen: the layers before this one see everything, which its GGUF form cannot say
  const first = config.number('max_window_layers', 0);
  if (first >= sizeOf(config, 'layers')) return [];
  if (first === 0) return [['attention.sliding_window', u32(config.count('sliding_window'))]];
  throw unsupported(
    config,
    'This model sees a window of its text only in some layers, which its GGUF form cannot say.',
    { slidingWindow: window },
  );
}

export function expertNumbers(config: JsonFile): Numbers {
  const width = config.get('moe_intermediate_size');
  const shared = config.get('shared_expert_intermediate_size');
  return [
    ['expert_count', u32(expertsOf(config))],
    ['expert_used_count', u32(config.count('num_experts_per_tok'))],
    ...(typeof width === 'number'
      ? ([
          ['expert_feed_forward_length', u32(config.count('moe_intermediate_size'))],
        ] satisfies Numbers)
      : []),
    ...(typeof shared === 'number'
      ? ([
          [
            'expert_shared_feed_forward_length',
            u32(config.count('shared_expert_intermediate_size')),
          ],
        ] satisfies Numbers)
      : []),
  ];
}

export function expertsOf(config: JsonFile): number {
  const keys = ['num_experts', 'num_local_experts', 'n_routed_experts'];
  const key = keys.find((name) => typeof config.get(name) === 'number') ?? 'num_experts';
  return config.count(key, undefined, mostParts);
}

/** Refuses what GGUF's form of an architecture takes for granted. */
export function requireSetting(
  config: JsonFile,
  key: string,
  expected: boolean | number | string | null,
): void {
  const stated = config.get(key) ?? expected;
  if (stated === expected) return;
  throw unsupported(
    config,
    `This model has "${key}" set to ${JSON.stringify(stated).slice(0, 20)}, which its GGUF form cannot say.`,
    { setting: key },
  );
}

/** The error for what cannot be converted. */
export function unsupported(
  { name }: JsonFile,
  message: string,
  details: Readonly<Record<string, string | number | readonly string[]>>,
): ModelFileError {
  return new ModelFileError(
    'model-file/unsupported-architecture',
    message,
    { field: name, offsetBytes: 0 },
    { details },
  );
}
