/** Seeded mutations of valid headers: a file is read or refused with `ModelFileError`, nothing else. */
import { describe, expect, it } from 'vitest';
import { BufferByteSource, type ByteSource } from '../../../common/byte-source.ts';
import { ModelFileError } from '../../../common/errors.ts';
import type { MetadataValue } from './metadata.ts';
import { readGguf } from './reader.ts';
import { writeGguf } from './writer.ts';

const casesPerSeed = 1000;

/** mulberry32: 32 bits of state are plenty for picking mutations. */
function randomNumbers(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

function baseFile(): Uint8Array<ArrayBuffer> {
  const metadata: readonly (readonly [string, MetadataValue])[] = [
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['general.alignment', { type: 'u32', value: 32 }],
    ['llama.block_count', { type: 'u32', value: 2 }],
    ['llama.rope.freq_base', { type: 'f32', value: 10_000 }],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: true }],
    ['tokenizer.ggml.tokens', { type: 'array', of: 'string', value: ['<s>', 'a', '▁the', 'ß'] }],
    ['tokenizer.ggml.scores', { type: 'array', of: 'f32', value: new Float32Array(4) }],
    ['tokenizer.ggml.token_type', { type: 'array', of: 'i32', value: new Int32Array(4) }],
    ['flags', { type: 'array', of: 'bool', value: [true, false] }],
    ['size', { type: 'u64', value: 2n ** 40n }],
  ];
  const tensor = { type: 'F32', shape: [8, 2], data: new Uint8Array(64) } as const;
  return writeGguf({
    metadata,
    tensors: [
      { ...tensor, name: 'token_embd.weight' },
      { name: 'blk.0.attn_q.weight', type: 'Q4_0', shape: [32, 2, 1], data: new Uint8Array(36) },
      { ...tensor, name: 'output_norm.weight' },
    ],
  });
}

const interesting: readonly bigint[] = [
  0n,
  1n,
  2n,
  3n,
  4n,
  5n,
  7n,
  8n,
  9n,
  12n,
  13n,
  31n,
  32n,
  64n,
  65n,
  255n,
  65_535n,
  65_536n,
  65_537n,
  2n ** 20n,
  2n ** 21n + 1n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n - 1n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
  2n ** 62n,
  2n ** 63n - 1n,
  2n ** 63n,
  2n ** 64n - 32n,
  2n ** 64n - 1n,
];

/** One to three changes: a byte, a number of 4 or 8 bytes, a cut, a part removed, repeated or swapped. */
function mutate(original: Uint8Array, random: (below: number) => number): Uint8Array {
  let bytes = original.slice();
  for (let changes = 1 + random(3); changes > 0; changes--) {
    const at = random(Math.max(1, bytes.length));
    const length = 1 + random(40);
    const number = interesting[random(interesting.length)] ?? 0n;
    switch (random(7)) {
      case 0:
        if (at < bytes.length) bytes[at] = random(256);
        break;
      case 1:
        if (at + 8 <= bytes.length) new DataView(bytes.buffer).setBigUint64(at, number, true);
        break;
      case 2:
        if (at + 4 <= bytes.length) {
          new DataView(bytes.buffer).setUint32(at, Number(number & 0xffffffffn), true);
        }
        break;
      case 3:
        bytes = bytes.slice(0, at);
        break;
      case 4:
        bytes = joined(bytes.subarray(0, at), bytes.subarray(at + length));
        break;
      case 5:
        bytes = joined(bytes.subarray(0, at + length), bytes.subarray(at));
        break;
      default: {
        const from = random(Math.max(1, bytes.length));
        bytes.copyWithin(at, from, from + length);
      }
    }
  }
  return bytes;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

/** A source that fails the reader when it asks for more bytes than there are: no byte twice. */
function boundedSource(bytes: Uint8Array): ByteSource {
  const source = new BufferByteSource(bytes);
  let left = bytes.length;
  return {
    size: source.size,
    read(offset, length) {
      left -= length;
      if (left < 0) throw new Error('the reader asked for more bytes than the file has');
      return source.read(offset, length);
    },
  };
}

describe('mutated headers', () => {
  const base = baseFile();

  it.each([1, 2, 3, 4])('seed %i', async (seed) => {
    const random = randomNumbers(seed);
    const outcomes = new Map<string, number>();
    for (let i = 0; i < casesPerSeed; i++) {
      const bytes = mutate(base, random);
      let outcome = 'read';
      try {
        const gguf = await readGguf(boundedSource(bytes));
        for (const tensor of gguf.tensors.values()) {
          expect(tensor.offsetBytes + tensor.sizeBytes).toBeLessThanOrEqual(bytes.length);
        }
      } catch (error) {
        if (!(error instanceof ModelFileError)) {
          throw new Error(`seed ${seed}, case ${i}: ${String(error)}`, { cause: error });
        }
        expect(error.offsetBytes).toBeLessThanOrEqual(bytes.length);
        outcome = error.code;
      }
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    }
    // The mutations reach every kind of answer; if they stop doing so, they no longer test much.
    for (const outcome of [
      'read',
      'model-file/not-gguf',
      'model-file/truncated',
      'model-file/malformed',
      'model-file/limit',
      'model-file/unsupported-version',
      'model-file/unsupported-tensor-type',
    ]) {
      expect(outcomes.get(outcome), outcome).toBeGreaterThan(0);
    }
  });
});
