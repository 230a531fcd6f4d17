/**
 * Latent attention and gpt-oss on the WASM backend against the reference one, a prompt at once and token
 * by token, where the kernels take other ways; the reference one is held against the papers beside.
 */
import { describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import type { Backend } from '../../src/engine/backend/backend.ts';
import { ReferenceBackend } from '../../src/engine/backend/reference/reference-backend.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import { createWasmBackend } from '../fixtures/wasm-backend.ts';
import type { Shapes } from './published-model.ts';
import {
  TinyModel,
  attentionShapes,
  gatedShapes,
  heads,
  tokens,
  u32,
  width,
  window,
} from './published-model.ts';
import { lastLogits, normalisedError } from './reference-files.ts';

const [plain, rotated, valueDim, latent] = [8, 4, 12, 16];
const [experts, expertWidth] = [4, 16];

function latentModel(absorbed: boolean): Uint8Array<ArrayBuffer> {
  const own: Shapes = absorbed
    ? { attn_k_b: [plain, latent, heads], attn_v_b: [latent, valueDim, heads] }
    : { attn_kv_b: [latent, heads * (plain + valueDim)] };
  const model = new TinyModel(2, {
    ...{ attn_norm: [width], ffn_norm: [width], ...gatedShapes, ...own },
    attn_q: [width, heads * (plain + rotated)],
    attn_kv_a_mqa: [width, latent + rotated],
    attn_kv_a_norm: [latent],
    attn_output: [heads * valueDim, width],
  });
  const kind = absorbed ? '_mla' : '';
  return model.file('deepseek2', {
    [`attention.key_length${kind}`]: u32(plain + rotated),
    [`attention.value_length${kind}`]: u32(valueDim),
    'attention.kv_lora_rank': u32(latent),
    'rope.dimension_count': u32(rotated),
  });
}

function gptOss(): Uint8Array<ArrayBuffer> {
  const shapes: Shapes = {
    ...{ attn_norm: [width], post_attention_norm: [width], attn_sinks: [heads] },
    ...attentionShapes,
    ffn_gate_inp: [width, experts],
    ffn_gate_exps: [width, expertWidth, experts],
    ffn_up_exps: [width, expertWidth, experts],
    ffn_down_exps: [expertWidth, width, experts],
  };
  const biased = Object.keys(shapes).filter((name) => !/norm|sinks/.test(name));
  return new TinyModel(3, shapes, biased).file('gpt-oss', {
    expert_count: u32(experts),
    expert_used_count: u32(2),
    expert_feed_forward_length: u32(expertWidth),
    'attention.sliding_window': u32(window),
  });
}

async function lastRow(
  bytes: Uint8Array<ArrayBuffer>,
  backend: Backend,
  oneByOne: boolean,
): Promise<Float32Array> {
  const source = new BufferByteSource(bytes);
  const file = await readGguf(source);
  const maxTokens = oneByOne ? 1 : tokens.length;
  const options = { source, file, backend, precision: 'auto', kvType: 'f32' } as const;
  const model = await loadModel({ ...options, maxTokens });
  if (!oneByOne) return lastLogits(model, tokens, 1, { precision: 8, kvType: 'f32' });
  const state = model.createState({ capacity: tokens.length, kvType: 'f32' });
  let logits = new Float32Array(0);
  for (const token of tokens) {
    const step = { want: 'all', precision: 8 } as const;
    logits = Float32Array.from(await model.forward(Int32Array.of(token), state, step));
  }
  state.dispose();
  return logits;
}

describe.each([
  ['deepseek2, keys of every head', latentModel(false)],
  ['deepseek2, absorbed', latentModel(true)],
  ['gpt-oss', gptOss()],
] as const)('%s on the WASM backend', (_, bytes) => {
  it.each([false, true])('computes the same, token by token: %o', async (oneByOne) => {
    const expected = await lastRow(bytes, new ReferenceBackend(), false);
    const actual = await lastRow(bytes, await createWasmBackend(), oneByOne);
    expect(normalisedError(actual, expected)).toBeLessThan(1e-9);
  });
});
