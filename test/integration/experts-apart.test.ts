/** Mixtral as its first files had it, with a tensor for every expert, against the file of today. */
import { describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import { ReferenceBackend } from '../../src/engine/backend/reference/reference-backend.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { writeGguf, type GgufTensorData } from '../../src/engine/formats/gguf/writer.ts';
import { defineModel } from '../../src/engine/models/registry.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import { TinyModel, attentionShapes, tokens, u32, width } from './published-model.ts';
import { lastLogits } from './reference-files.ts';

const [experts, expertWidth] = [4, 16];

const model = new TinyModel(2, {
  ...{ attn_norm: [width], ffn_norm: [width], ...attentionShapes },
  ffn_gate_inp: [width, experts],
  ffn_gate_exps: [width, expertWidth, experts],
  ffn_up_exps: [width, expertWidth, experts],
  ffn_down_exps: [expertWidth, width, experts],
});
const together = model.file('llama', {
  expert_count: u32(experts),
  expert_used_count: u32(2),
  feed_forward_length: u32(expertWidth),
});

/** The same file with every expert a tensor of its own, changed by `change`, the last ones first. */
async function takenApart(
  change: (tensor: GgufTensorData) => readonly GgufTensorData[] = (tensor) => [tensor],
): Promise<Uint8Array<ArrayBuffer>> {
  const file = await readGguf(new BufferByteSource(together));
  const tensors = [...file.tensors.values()].flatMap((tensor): GgufTensorData[] => {
    const { name, type, shape, offsetBytes, sizeBytes } = tensor;
    const data = together.subarray(offsetBytes, offsetBytes + sizeBytes);
    if (!name.includes('_exps')) return [{ name, type, shape, data }];
    const size = sizeBytes / experts;
    return Array.from({ length: experts }, (_, expert) => ({
      name: name.replace('_exps.', `.${expert}.`),
      ...{ type, shape: shape.slice(0, 2) },
      data: data.subarray(expert * size, (expert + 1) * size),
    })).reverse();
  });
  return writeGguf({
    metadata: [...file.metadata.entries].map(([key, { value }]) => [key, value] as const),
    tensors: tensors.flatMap(change),
  });
}

async function logits(bytes: Uint8Array<ArrayBuffer>): Promise<Float32Array> {
  const source = new BufferByteSource(bytes);
  const backend = new ReferenceBackend();
  const file = await readGguf(source);
  const loaded = await loadModel({ source, file, backend, precision: 'auto', kvType: 'f32' });
  return lastLogits(loaded, tokens, tokens.length, { precision: 8, kvType: 'f32' });
}

describe('experts with tensors of their own', () => {
  it('give the same logits as one tensor of all', async () => {
    const apart = await takenApart();
    expect(await logits(apart)).toEqual(await logits(together));
    const file = await readGguf(new BufferByteSource(apart));
    const whole = await readGguf(new BufferByteSource(together));
    expect(defineModel(file).info).toEqual(defineModel(whole).info);
  });

  it('are refused where one is missing or has another shape', async () => {
    const name = 'blk.1.ffn_up.2.weight';
    const without = await takenApart((tensor) => (tensor.name === name ? [] : [tensor]));
    const bent = await takenApart((tensor) =>
      tensor.name === name ? [{ ...tensor, shape: [expertWidth, width] }] : [tensor],
    );
    for (const bytes of [without, bent]) {
      const file = await readGguf(new BufferByteSource(bytes));
      expect(() => defineModel(file)).toThrow(
        expect.objectContaining({ code: 'model-file/malformed', field: name }) as Error,
      );
    }
  });
});
