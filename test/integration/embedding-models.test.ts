/** Encoders against independent float32 implementations, on the reference and the WASM backend. */
import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import type { Backend } from '../../src/engine/backend/backend.ts';
import { ReferenceBackend } from '../../src/engine/backend/reference/reference-backend.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { writeGguf } from '../../src/engine/formats/gguf/writer.ts';
import type { EmbeddingModel } from '../../src/engine/models/embedding-model.ts';
import type { PrecisionChoice } from '../../src/engine/weights/storage-policy.ts';
import { loadEmbeddingModel, loadModel } from '../../src/engine/weights/weight-loader.ts';
import { sharedModelPath, sharedModels } from '../fixtures/shared-models.ts';
import { createWasmBackend } from '../fixtures/wasm-backend.ts';
import { lastLogits, modelFixtures, normalisedError, readJson } from './reference-files.ts';

interface EmbeddingReference {
  readonly output: { readonly file: string };
  readonly cases: readonly {
    readonly name: string;
    readonly tokens: readonly number[];
    readonly embedding: { readonly offset: number; readonly size: number };
  }[];
}

const fixtures = (await modelFixtures())
  .filter(({ kind, refusal }) => kind === 'embedding' && refusal === null)
  .map(({ name }) => name);

const backends: Readonly<Record<string, () => Promise<Backend>>> = {
  reference: () => Promise.resolve(new ReferenceBackend()),
  WASM: createWasmBackend,
};

/** Of float32 sums; of 8-bit activations and weights; of the high plane alone. */
const limits = { auto: 1e-6, 8: 2e-3, 4: 1 } as const;

async function load(
  backend: Backend,
  bytes: Uint8Array<ArrayBuffer>,
  precision: PrecisionChoice,
): Promise<EmbeddingModel> {
  const source = new BufferByteSource(bytes);
  return loadEmbeddingModel({ source, file: await readGguf(source), backend, precision });
}

function fixture(name: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(readFileSync(sharedModelPath('fixtures', 'models', name)));
}

describe.skipIf(sharedModels === null)('embedding models', () => {
  const table: string[] = [];
  afterAll(() => {
    console.info(['', 'encoder           backend   mode     NMSE', ...table].join('\n'));
  });

  describe.skipIf(fixtures.length === 0).each(Object.keys(backends))('%s', (kind) => {
    const modes = kind === 'WASM' ? (['auto', 8, 4] as const) : (['auto'] as const);
    describe.each(modes)('precision %s', (mode) => {
      it.each(fixtures)('%s', async (name) => {
        const reference = readJson<EmbeddingReference>(
          'fixtures',
          'models',
          `${name}.reference.json`,
        );
        const values = fixture(reference.output.file);
        const backend = (await backends[kind]?.()) ?? new ReferenceBackend();
        const model = await load(backend, fixture(`${name}.gguf`), mode);
        const precision = mode === 'auto' ? 8 : mode;
        let worst = 0;
        for (const { tokens, embedding } of reference.cases) {
          const ids = Int32Array.from(tokens);
          const vector = await model.embed(ids, { precision, normalize: false });
          const { offset, size } = embedding;
          const expected = new Float32Array(values.slice(offset, offset + 4 * size).buffer);
          worst = Math.max(worst, normalisedError(vector, expected));
        }
        table.push(
          `${name.padEnd(17)} ${kind.padEnd(9)} ${String(mode).padEnd(5)} ${worst.toExponential(1)}`,
        );
        expect(worst).toBeLessThan(limits[mode]);
        model.dispose();
        expect(backend.memory()).toMatchObject({ weightBytes: 0, cacheBytes: 0 });
        backend.dispose();
      });
    });
  });

  it('EmbeddingGemma computes what Gemma 3 computes, where both see the same', async () => {
    const backend = new ReferenceBackend();
    const bytes = fixture('gemma3.F32.gguf');
    const source = new BufferByteSource(bytes);
    const file = await readGguf(source);
    const gemma = await loadModel({
      ...{ source, file, backend, precision: 'auto', kvType: 'f32' },
    });
    const encoder = await load(backend, asEmbeddingGemma(bytes, file), 'auto');
    const table = new Float32Array(
      bytes.slice(...rangeOf(file.tensors.get('token_embd.weight'))).buffer,
    );
    const run = { precision: 8, kvType: 'f32' } as const;
    // a token alone sees itself either way; its logits are its vector times the embedding matrix
    const alone = await encoder.embed(Int32Array.of(17), { precision: 8, normalize: false });
    const logits = await lastLogits(gemma, [17], 1, run);
    const products = logits.map((_, token) =>
      alone.reduce((sum, x, d) => sum + x * (table[token * alone.length + d] ?? NaN), 0),
    );
    expect(normalisedError(products, logits)).toBeLessThan(1e-10);
    // with others it sees those behind it too
    const pair = await encoder.embed(Int32Array.of(17, 5), { precision: 8 });
    const turned = await encoder.embed(Int32Array.of(17, 6), { precision: 8 });
    expect(Math.hypot(...pair)).toBeCloseTo(1, 6);
    expect(normalisedError(pair, turned)).toBeGreaterThan(1e-3);
    backend.dispose();
  });
});

type Gguf = Awaited<ReturnType<typeof readGguf>>;

function rangeOf(tensor: { offsetBytes: number; sizeBytes: number } | undefined): [number, number] {
  const { offsetBytes, sizeBytes } = tensor ?? { offsetBytes: 0, sizeBytes: 0 };
  return [offsetBytes, offsetBytes + sizeBytes];
}

/** The same weights under the other name, pooled at the first token. */
function asEmbeddingGemma(bytes: Uint8Array<ArrayBuffer>, file: Gguf): Uint8Array<ArrayBuffer> {
  const renamed = [...file.metadata.entries].map(
    ([key, { value }]) => [key.replace(/^gemma3\./, 'gemma-embedding.'), value] as const,
  );
  return writeGguf({
    metadata: [
      ...renamed.filter(([key]) => key !== 'general.architecture'),
      ['general.architecture', { type: 'string', value: 'gemma-embedding' }],
      ['gemma-embedding.pooling_type', { type: 'u32', value: 2 }],
    ],
    tensors: [...file.tensors.values()].map((tensor) => ({
      ...{ name: tensor.name, type: tensor.type, shape: tensor.shape },
      data: bytes.subarray(...rangeOf(tensor)),
    })),
  });
}
