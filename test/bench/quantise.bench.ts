/**
 * Memory and speed of the quantiser on a file of 2 GB that exists nowhere: its header is written, its
 * weights are cut out of a pool of random numbers when they are read, and what comes out is thrown away.
 * So all memory that grows is the quantiser's own.
 */
import { readFile } from 'node:fs/promises';
import type { ByteSource } from '../../src/common/byte-source.ts';
import type { MetadataValue } from '../../src/engine/formats/gguf/metadata.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { encodeGgufHeader, type GgufTensorPlan } from '../../src/engine/formats/gguf/writer.ts';
import { quantizer } from '../../src/engine/formats/quants/registry.ts';
import { runQuantiseJob } from '../../src/engine/quantise/quantise-job.ts';
import type { RecipeName } from '../../src/engine/quantise/recipe.ts';
import { WasmRowCodec } from '../../src/engine/quantise/wasm-row-codec.ts';
import { randomValues } from '../fixtures/random-values.ts';

export interface QuantiseBenchRow {
  readonly recipe: RecipeName;
  readonly sourceBytes: number;
  readonly resultBytes: number;
  readonly seconds: number;
  /** Resident memory of the process above what it had before, at most. */
  readonly growthBytes: number;
}

const [width, feedForward, vocabulary] = [2048, 8192, 32_768];
const poolValues = 2 ** 20;

/** A Llama in F16 of true shape. */
function source(layers: number): ByteSource {
  const matrix = (name: string, columns: number, rows: number): GgufTensorPlan => ({
    name: `${name}.weight`,
    type: 'F16',
    shape: [columns, rows],
  });
  const norm = (name: string): GgufTensorPlan => ({
    name: `${name}.weight`,
    type: 'F32',
    shape: [width],
  });
  const tensors = [
    matrix('token_embd', width, vocabulary),
    ...Array.from({ length: layers }, (_, layer) => {
      const block = `blk.${layer}`;
      return [
        norm(`${block}.attn_norm`),
        ...['attn_q', 'attn_k', 'attn_v', 'attn_output'].map((part) =>
          matrix(`${block}.${part}`, width, width),
        ),
        norm(`${block}.ffn_norm`),
        matrix(`${block}.ffn_gate`, width, feedForward),
        matrix(`${block}.ffn_up`, width, feedForward),
        matrix(`${block}.ffn_down`, feedForward, width),
      ];
    }).flat(),
    norm('output_norm'),
  ];
  const numbers = { context_length: 2048, embedding_length: width, block_count: layers };
  const heads = { feed_forward_length: feedForward, 'attention.head_count': 16 };
  const metadata: (readonly [string, MetadataValue])[] = [
    ['general.architecture', { type: 'string', value: 'llama' }],
    ['llama.attention.layer_norm_rms_epsilon', { type: 'f32', value: 1e-5 }],
    ...Object.entries({ ...numbers, ...heads, vocab_size: vocabulary }).map(
      ([key, value]) => [`llama.${key}`, { type: 'u32', value }] as const,
    ),
  ];
  const { header, sizeBytes } = encodeGgufHeader({ metadata, tensors });
  const pool = new Uint8Array(2 * poolValues);
  quantizer('F16')(randomValues(poolValues, 1), pool);
  return {
    size: sizeBytes,
    read: (offset, length) => {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; at += pool.length) {
        bytes.set(pool.subarray(0, Math.min(pool.length, length - at)), at);
      }
      if (offset < header.length) bytes.set(header.subarray(offset, offset + length));
      return Promise.resolve(bytes);
    },
  };
}

/** @param kernels path of the plain kernels */
export async function runQuantiseBench(
  kernels: string,
  layers: number,
  recipes: readonly RecipeName[],
): Promise<readonly QuantiseBenchRow[]> {
  const rows: QuantiseBenchRow[] = [];
  const codec = await WasmRowCodec.create(new Uint8Array(await readFile(kernels)));
  const model = source(layers);
  const file = await readGguf(model);
  const before = process.memoryUsage.rss();
  for (const recipe of recipes) {
    const start = performance.now();
    let [peak, resultBytes] = [before, 0];
    await runQuantiseJob({
      ...{ source: model, file, recipe, codec, calibration: null },
      createBackend: () => Promise.reject(new Error('Nothing is calibrated here')),
      signal: new AbortController().signal,
      emit: () => undefined,
      write: (bytes) => {
        resultBytes += bytes.length;
        peak = Math.max(peak, process.memoryUsage.rss());
        return Promise.resolve();
      },
    });
    rows.push({
      ...{ recipe, sourceBytes: model.size, resultBytes },
      seconds: (performance.now() - start) / 1000,
      growthBytes: peak - before,
    });
  }
  return rows;
}
