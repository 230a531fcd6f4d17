/**
 * Folders of safetensors with mistakes in every file, planned as the sandbox plans them. Whatever a file
 * says, the answer is a typed error, or a plan that a GGUF reader and every read of it can live with.
 */
import { describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import { AppError, ModelFileError } from '../../src/common/errors.ts';
import { type ModelFolder, planConversion } from '../../src/engine/conversion/conversion-plan.ts';
import { ConvertedModel } from '../../src/engine/conversion/converted-model.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { defineModel } from '../../src/engine/models/registry.ts';
import { type Random, randomNumbers } from '../fixtures/mutations.ts';
import { safetensorsFile } from '../fixtures/safetensors-folder.ts';

const cases = Number(process.env['HERMIT_FOLDER_CASES'] ?? 400);
const [width, heads, feedForward, vocabulary] = [8, 2, 12, 16];

const sizes = {
  ...{ hidden_size: width, num_hidden_layers: 1, num_attention_heads: heads },
  ...{ intermediate_size: feedForward, max_position_embeddings: 32, vocab_size: vocabulary },
};
const tensor = (name: string, ...shape: number[]) => ({
  ...{ name, shape },
  data: new Uint8Array(4 * shape.reduce((product, size) => product * size, 1)).fill(1),
});
const experts = Array.from({ length: 2 }, (_, expert) =>
  (['w1', 'w3', 'w2'] as const).map((part) =>
    tensor(
      `model.layers.0.block_sparse_moe.experts.${expert}.${part}.weight`,
      ...(part === 'w2' ? [width, feedForward] : [feedForward, width]),
    ),
  ),
).flat();
const square = ['q', 'k', 'v', 'o'].map((part) =>
  tensor(`model.layers.0.self_attn.${part}_proj.weight`, width, width),
);

/** Experts that become one tensor, heads that are cut apart, matrices that are turned. */
const folders = [
  {
    config: {
      ...{ model_type: 'mixtral', ...sizes, rms_norm_eps: 1e-5 },
      ...{ num_local_experts: 2, num_experts_per_tok: 1, sliding_window: 8 },
      rope_scaling: { type: 'linear', factor: 2 },
    },
    tensors: [
      tensor('model.embed_tokens.weight', vocabulary, width),
      tensor('model.norm.weight', width),
      tensor('lm_head.weight', vocabulary, width),
      tensor('model.layers.0.input_layernorm.weight', width),
      tensor('model.layers.0.post_attention_layernorm.weight', width),
      tensor('model.layers.0.block_sparse_moe.gate.weight', 2, width),
      ...square,
      ...experts,
    ],
  },
  {
    config: {
      ...{ model_type: 'gpt_neox', ...sizes, layer_norm_eps: 1e-5 },
      ...{ tie_word_embeddings: false, rotary_pct: 0.5 },
    },
    tensors: [
      tensor('gpt_neox.embed_in.weight', vocabulary, width),
      tensor('embed_out.weight', vocabulary, width),
      ...['final_layer_norm', 'layers.0.input_layernorm', 'layers.0.post_attention_layernorm'].map(
        (name) => tensor(`gpt_neox.${name}.weight`, width),
      ),
      tensor('gpt_neox.layers.0.attention.query_key_value.weight', 3 * width, width),
      tensor('gpt_neox.layers.0.attention.dense.weight', width, width),
      tensor('gpt_neox.layers.0.mlp.dense_h_to_4h.weight', feedForward, width),
      tensor('gpt_neox.layers.0.mlp.dense_4h_to_h.weight', width, feedForward),
    ],
  },
  {
    config: { model_type: 'gpt2', ...sizes, layer_norm_epsilon: 1e-5 },
    tensors: [
      tensor('wte.weight', vocabulary, width),
      tensor('wpe.weight', 32, width),
      ...['ln_f', 'h.0.ln_1', 'h.0.ln_2'].map((name) => tensor(`${name}.weight`, width)),
      tensor('h.0.attn.c_attn.weight', width, 3 * width),
      tensor('h.0.attn.c_attn.bias', 3 * width),
      tensor('h.0.attn.c_proj.weight', width, width),
      tensor('h.0.mlp.c_fc.weight', width, feedForward),
      tensor('h.0.mlp.c_proj.weight', feedForward, width),
    ],
  },
] as const;
const vocab = Object.fromEntries(Array.from({ length: vocabulary }, (_, id) => [`t${id}`, id]));
const tokenizer = {
  ...{ added_tokens: [{ id: 1, content: 't1', special: true }], normalizer: null },
  model: { type: 'BPE', byte_fallback: true, unk_token: 't0', vocab, merges: [['t1', 't2']] },
};

/** Bytes that JSON is made of, and numbers at their limits. */
const pieces = ['0', '-', '9', '{', '}', '[', ']', '"', ',', ':', '.', 'e', 'null', 'true'];
const numbers = ['-1', '0', '1e99', '4294967296', '9007199254740993', '0.5', '"8"'];

function changed(text: string, random: Random): string {
  if (random(2) === 0) {
    const found = [...text.matchAll(/\d+(?:\.\d+)?/g)];
    const match = found[random(found.length)];
    const number = numbers[random(numbers.length)] ?? '';
    if (match !== undefined) {
      return text.slice(0, match.index) + number + text.slice(match.index + match[0].length);
    }
  }
  const at = random(text.length);
  return text.slice(0, at) + (pieces[random(pieces.length)] ?? '') + text.slice(at + random(3));
}

function changedWeights(bytes: Uint8Array<ArrayBuffer>, random: Random): Uint8Array<ArrayBuffer> {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = changed(new TextDecoder().decode(bytes.subarray(8, 8 + length)), random);
  const text = new TextEncoder().encode(header);
  const out = new Uint8Array(8 + text.length + bytes.length - 8 - length);
  new DataView(out.buffer).setBigUint64(
    0,
    BigInt(random(20) === 0 ? random(1e9) : text.length),
    true,
  );
  out.set(text, 8);
  out.set(bytes.subarray(8 + length), 8 + text.length);
  return out;
}

async function outcomeOf(folder: ModelFolder): Promise<string> {
  try {
    const plan = await planConversion(folder);
    const model = new ConvertedModel(plan, folder.weights);
    defineModel(await readGguf(model));
    await model.read(0, model.size);
    return 'converted';
  } catch (error) {
    if (error instanceof ModelFileError) return error.code;
    if (error instanceof AppError && error.code === 'invalid-argument') return error.code;
    throw error;
  }
}

describe.each(folders)('$config.model_type', ({ config, tensors }) => {
  const texts = { config: JSON.stringify(config), tokenizer: JSON.stringify(tokenizer) };
  const weights = safetensorsFile(tensors);
  const folder = (change: Partial<ModelFolder>): ModelFolder => ({
    ...{ name: 'x', ...texts, tokenizerConfig: '{"eos_token":"t1"}', chatTemplate: null },
    weights: [new BufferByteSource(weights)],
    ...change,
  });

  it('is converted as it is', async () => {
    expect(await outcomeOf(folder({}))).toBe('converted');
  });

  it('with mistakes is converted or refused', async () => {
    const random = randomNumbers(7);
    const outcomes = new Map<string, number>();
    for (let index = 0; index < cases; index++) {
      const file = (['config', 'tokenizer', 'weights'] as const)[index % 3] ?? 'config';
      const mutated = folder(
        file === 'weights'
          ? { weights: [new BufferByteSource(changedWeights(weights, random))] }
          : { [file]: changed(texts[file], random) },
      );
      let outcome: string;
      try {
        outcome = await outcomeOf(mutated);
      } catch (error) {
        const said = file === 'weights' ? '' : mutated[file];
        throw new Error(`case ${index}, ${file}: ${said}`, { cause: error });
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    for (const outcome of ['converted', 'model-file/malformed', 'model-file/truncated']) {
      expect(outcomes.get(outcome) ?? 0, outcome).toBeGreaterThan(0);
    }
  });
});
