/**
 * From the configuration of a model's folder (config.json of Hugging Face's transformers) to GGUF: which
 * architecture it is, its numbers by GGUF's keys, and what happens to its tensors.
 *
 * Only what was checked stands here: a folder of each family with the weights of a file with reference
 * logits gives the same logits (`test/integration/conversion.test.ts`).
 */
import { ModelFileError } from '../../common/errors.ts';
import type { MetadataValue } from '../formats/gguf/metadata.ts';
import type { JsonFile } from './json-file.ts';

export interface FamilyPlan {
  readonly architecture: string;
  /** Without the architecture's name before the key. */
  readonly numbers: readonly (readonly [key: string, value: MetadataValue])[];
  readonly vocabularySize: number;
  /** Whether the output is the embedding: a copy of it in the folder is left out. */
  readonly tied: boolean;
  /** Heads whose rows of a tensor go from split to neighbouring pairs; null for none. */
  readonly pairsOf: (ggufName: string) => number | null;
  /** What is added to a normalisation's weights. */
  readonly normShift: number;
  /** GGUF's name of the layer's part, without `.weight`. */
  readonly part: (hubPart: string) => string | undefined;
}

interface Family {
  readonly architecture: string;
  /** GGUF stores rotated pairs of q and k as neighbours. */
  readonly pairs?: boolean;
  readonly normShift?: number;
  /** Norms around a layer's two blocks, as GGUF calls them, where they are not those of Llama. */
  readonly norms?: Readonly<Record<string, string>>;
  readonly more?: (config: JsonFile) => FamilyPlan['numbers'];
  readonly tiedByDefault?: boolean;
}

export const u32 = (value: number): MetadataValue => ({ type: 'u32', value });
export const f32 = (value: number): MetadataValue => ({ type: 'f32', value });
const text = (value: string): MetadataValue => ({ type: 'string', value });

const llamaNorms = { input_layernorm: 'attn_norm', post_attention_layernorm: 'ffn_norm' };
const outerNorms = {
  post_attention_layernorm: 'post_attention_norm',
  post_feedforward_layernorm: 'post_ffw_norm',
};
const sandwichNorms = {
  ...outerNorms,
  input_layernorm: 'attn_norm',
  pre_feedforward_layernorm: 'ffn_norm',
};

/** By `model_type`. */
const families: ReadonlyMap<string, Family> = new Map<string, Family>([
  ['llama', { architecture: 'llama', pairs: true }],
  ['mistral', { architecture: 'llama', pairs: true, more: refuseWindow }],
  ['qwen2', { architecture: 'qwen2', more: refuseWindow }],
  ['qwen3', { architecture: 'qwen3', more: refuseWindow }],
  ['gemma', { architecture: 'gemma', normShift: 1, tiedByDefault: true }],
  [
    'gemma2',
    {
      architecture: 'gemma2',
      normShift: 1,
      tiedByDefault: true,
      norms: sandwichNorms,
      more: (config) => [
        ['attention.sliding_window', u32(config.count('sliding_window', 4096))],
        ['attn_logit_softcapping', f32(config.number('attn_logit_softcapping', 50))],
        ['final_logit_softcapping', f32(config.number('final_logit_softcapping', 30))],
      ],
    },
  ],
  [
    'gemma3_text',
    {
      architecture: 'gemma3',
      normShift: 1,
      tiedByDefault: true,
      norms: sandwichNorms,
      more: (config) => [['attention.sliding_window', u32(config.count('sliding_window', 4096))]],
    },
  ],
  [
    'phi3',
    {
      architecture: 'phi3',
      more: (config) => [
        [
          'rope.scaling.original_context_length',
          u32(config.count('original_max_position_embeddings', contextOf(config))),
        ],
      ],
    },
  ],
  ['smollm3', { architecture: 'smollm3', pairs: true, tiedByDefault: true }],
  ['olmo2', { architecture: 'olmo2', norms: outerNorms }],
  [
    'granite',
    {
      architecture: 'granite',
      pairs: true,
      more: (config) => [
        ['embedding_scale', f32(config.number('embedding_multiplier', 1))],
        ['attention.scale', f32(config.number('attention_multiplier', 1))],
        ['residual_scale', f32(config.number('residual_multiplier', 1))],
        ['logit_scale', f32(config.number('logits_scaling', 1))],
      ],
    },
  ],
]);

/** Values of `model_type` that can be converted. */
export const convertibleTypes: readonly string[] = [...families.keys()];

const partsOfLayer: Readonly<Record<string, string>> = {
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

/** @throws ModelFileError `model-file/unsupported-architecture`, `model-file/malformed` */
export function planFamily(config: JsonFile): FamilyPlan {
  const type = config.findString('model_type') ?? '';
  const family = families.get(type);
  if (family === undefined) {
    throw unsupported(
      config,
      `Hermit cannot convert models of the type "${type.slice(0, 40)}". It converts: ${convertibleTypes.join(', ')}.`,
      { architecture: type.slice(0, 40), supported: convertibleTypes },
    );
  }
  const heads = config.count('num_attention_heads');
  const kvHeads = config.count('num_key_value_heads', heads);
  const { architecture, normShift = 0, norms = llamaNorms, pairs = false } = family;
  const parts: Readonly<Record<string, string>> = { ...partsOfLayer, ...norms };
  return {
    architecture,
    numbers: [...commonNumbers(config, heads, kvHeads), ...(family.more?.(config) ?? [])],
    vocabularySize: config.count('vocab_size'),
    tied: config.findBoolean('tie_word_embeddings') ?? family.tiedByDefault ?? false,
    normShift,
    pairsOf: (name) => {
      if (!pairs) return null;
      if (/^blk\.\d+\.attn_q\./.test(name)) return heads;
      return /^blk\.\d+\.attn_k\./.test(name) ? kvHeads : null;
    },
    part: (hubPart) => (Object.hasOwn(parts, hubPart) ? parts[hubPart] : undefined),
  };
}

function commonNumbers(config: JsonFile, heads: number, kvHeads: number): FamilyPlan['numbers'] {
  const width = config.count('hidden_size');
  const headDim = config.count('head_dim', width / heads);
  const rotary = rotaryOf(config);
  const share = rotary.number('partial_rotary_factor', config.number('partial_rotary_factor', 1));
  return [
    ['context_length', u32(contextOf(config))],
    ['embedding_length', u32(width)],
    ['block_count', u32(config.count('num_hidden_layers'))],
    ['feed_forward_length', u32(config.count('intermediate_size'))],
    ['attention.head_count', u32(heads)],
    ['attention.head_count_kv', u32(kvHeads)],
    ['attention.key_length', u32(headDim)],
    ['attention.value_length', u32(headDim)],
    ['attention.layer_norm_rms_epsilon', f32(config.number('rms_norm_eps'))],
    ['rope.dimension_count', u32(Math.trunc(headDim * share))],
    ['rope.freq_base', f32(rotary.number('rope_theta', config.number('rope_theta', 10000)))],
    ...scalingNumbers(config, rotary),
  ];
}

function contextOf(config: JsonFile): number {
  return config.count('max_position_embeddings');
}

/** Newer folders have one object for the rotation (of each kind of layer), older ones `rope_scaling`. */
function rotaryOf(config: JsonFile): JsonFile {
  const parameters = config.inside('rope_parameters');
  if (parameters.get('full_attention') !== undefined) return parameters.inside('full_attention');
  return parameters.get('rope_theta') === undefined ? config.inside('rope_scaling') : parameters;
}

function scalingNumbers(config: JsonFile, rotary: JsonFile): FamilyPlan['numbers'] {
  const kind = rotary.findString('rope_type') ?? rotary.findString('type') ?? 'default';
  const factor = (): (readonly [string, MetadataValue])[] => [
    ['rope.scaling.type', text(kind)],
    ['rope.scaling.factor', f32(rotary.number('factor'))],
  ];
  const original = 'original_max_position_embeddings';
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
        ['rope.scaling.original_context_length', u32(rotary.count(original, contextOf(config)))],
      ];
    default:
      throw unsupported(config, `Hermit cannot convert models with the rope scaling "${kind}".`, {
        scaling: kind.slice(0, 40),
      });
  }
}

/** GGUF has no window for these architectures. */
function refuseWindow(config: JsonFile): FamilyPlan['numbers'] {
  const window = config.get('sliding_window');
  const uses = config.findBoolean('use_sliding_window') ?? true;
  if (typeof window !== 'number' || !uses || window >= contextOf(config)) return [];
  throw unsupported(
    config,
    'This model sees a window of its text only, which its GGUF form cannot say.',
    { slidingWindow: window },
  );
}

function unsupported(
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
