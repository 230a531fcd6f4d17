import { beforeEach, describe, expect, it } from 'vitest';
import { delay } from '../../common/abort.ts';
import type { ByteSource } from '../../common/byte-source.ts';
import { BufferByteSource } from '../../common/byte-source.ts';
import { MEBIBYTE } from '../../common/bytes.ts';
import { AppError } from '../../common/errors.ts';
import { tinyLlama } from '../../../test/fixtures/tiny-llama.ts';
import type { WeightSpec, WeightWriter } from '../backend/backend.ts';
import { ReferenceBackend } from '../backend/reference/reference-backend.ts';
import { readGguf } from '../formats/gguf/reader.ts';
import type { LanguageModel } from '../models/language-model.ts';
import type { LoadOptions } from './weight-loader.ts';
import { loadModel, planModel } from './weight-loader.ts';

/** Counts reads in flight and fails or stalls on demand. */
class WatchedSource implements ByteSource {
  readonly #inner: BufferByteSource;
  readonly size: number;
  inFlight = 0;
  largestRead = 0;
  reads = 0;
  failAt = Infinity;

  constructor(bytes: Uint8Array) {
    this.#inner = new BufferByteSource(bytes);
    this.size = bytes.byteLength;
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    this.reads++;
    if (this.reads > this.failAt) throw new AppError('store/damaged', 'A block is damaged.');
    this.inFlight++;
    this.largestRead = Math.max(this.largestRead, length);
    // a real source answers in a later task
    await delay(0);
    this.inFlight--;
    return this.#inner.read(offset, length);
  }
}

/** Wants rows in groups and remembers whether it got them so. */
class GroupingBackend extends ReferenceBackend {
  readonly sizes = new Map<string, number[]>();
  abandoned = 0;
  reader: WatchedSource | null = null;
  readsInFlightWhileWriting = 0;

  override beginWeight(spec: WeightSpec): WeightWriter {
    const writer = super.beginWeight(spec);
    const sizes: number[] = [];
    this.sizes.set(spec.name, sizes);
    return {
      rowsPerPiece: 24,
      write: (rows) => {
        sizes.push(rows.byteLength);
        this.readsInFlightWhileWriting = Math.max(
          this.readsInFlightWhileWriting,
          this.reader?.inFlight ?? 0,
        );
        writer.write(rows);
      },
      finish: () => writer.finish(),
      abandon: () => {
        this.abandoned++;
        writer.abandon();
      },
    };
  }
}

/** Embedding of 6 MiB, so that a tensor takes more than one read. */
const large = {
  metadata: { 'llama.vocab_size': { type: 'u32', value: 24_581 } },
  tensors: { 'token_embd.weight': [64, 24_581] },
} as const;

describe('loadModel', () => {
  let backend: GroupingBackend;
  beforeEach(() => {
    backend = new GroupingBackend();
  });

  async function load(
    source: WatchedSource,
    options: Partial<LoadOptions> = {},
  ): Promise<LanguageModel> {
    const file = await readGguf(source);
    source.reads = 0;
    backend.reader = source;
    return loadModel({ source, file, backend, precision: 'auto', kvType: 'f16', ...options });
  }

  it('streams tensors in groups of rows, reading ahead', async () => {
    const source = new WatchedSource(tinyLlama(large));
    const progress: [number, number][] = [];
    await load(source, { onProgress: (done, total) => progress.push([done, total]) });
    const groups = backend.sizes.get('token_embd.weight') ?? [];
    expect(groups).toHaveLength(Math.ceil(24_581 / 24));
    expect(groups.slice(0, -1).every((size) => size === 24 * 64 * 4)).toBe(true);
    expect(groups.at(-1)).toBe((24_581 % 24) * 64 * 4);
    expect(source.largestRead).toBe(4 * MEBIBYTE);
    expect(backend.readsInFlightWhileWriting).toBe(1);
    const [first = [-1, 0]] = progress;
    const last = progress.at(-1) ?? [0, -1];
    expect(first[0]).toBe(0);
    expect(last[0]).toBe(last[1]);
    expect(progress.every(([done], i) => i === 0 || done > (progress[i - 1]?.[0] ?? 0))).toBe(true);
  });

  it('reads every weight as the file has it', async () => {
    const model = await load(new WatchedSource(tinyLlama({ type: 'Q8_0' })));
    const whole = new ReferenceBackend();
    const source = new BufferByteSource(tinyLlama({ type: 'Q8_0' }));
    const file = await readGguf(source);
    const other = await loadModel({
      source,
      file,
      backend: whole,
      precision: 8,
      kvType: 'f32',
    });
    const step = async (m: LanguageModel): Promise<number[]> => {
      const state = m.createState({ capacity: 4, kvType: 'f32' });
      const tokens = Int32Array.of(1, 2, 3);
      return Array.from(await m.forward(tokens, state, { want: 'last', precision: 8 }));
    };
    expect(await step(model)).toEqual(await step(other));
  });

  it.each([0, 1, 2, 7, 19])('gives everything back when read %d fails', async (failAt) => {
    const source = new WatchedSource(tinyLlama());
    const file = await readGguf(source);
    source.failAt = source.reads + failAt;
    const loading = loadModel({ source, file, backend, precision: 'auto', kvType: 'f16' });
    await expect(loading).rejects.toMatchObject({ code: 'store/damaged' });
    expect(backend.memory().totalBytes).toBe(0);
  });

  it('stops in the middle of a tensor and gives everything back', async () => {
    const controller = new AbortController();
    const loading = load(new WatchedSource(tinyLlama(large)), {
      signal: controller.signal,
      onProgress: (done) => {
        if (done > 0) controller.abort();
      },
    });
    await expect(loading).rejects.toMatchObject({ code: 'aborted' });
    expect(backend.memory().totalBytes).toBe(0);
    expect(backend.abandoned).toBe(1);
  });

  it.each([0, 5, 19])('gives everything back when weight %d finds no memory', async (count) => {
    let begun = 0;
    const begin = backend.beginWeight.bind(backend);
    backend.beginWeight = (spec) => {
      if (begun++ === count) throw new AppError('engine/out-of-memory', 'No memory is left.');
      return begin(spec);
    };
    const loading = load(new WatchedSource(tinyLlama()));
    await expect(loading).rejects.toMatchObject({ code: 'engine/out-of-memory' });
    expect(backend.memory().totalBytes).toBe(0);
  });

  it('gives everything back when the graph finds no memory', async () => {
    backend.compile = () => {
      throw new AppError('engine/out-of-memory', 'No memory is left.');
    };
    const loading = load(new WatchedSource(tinyLlama()));
    await expect(loading).rejects.toMatchObject({ code: 'engine/out-of-memory' });
    expect(backend.memory().totalBytes).toBe(0);
  });

  it('says where numbers are not finite', async () => {
    const bytes = tinyLlama();
    const file = await readGguf(new BufferByteSource(bytes));
    const tensor = file.tensors.get('blk.1.ffn_down.weight');
    new DataView(bytes.buffer).setFloat32((tensor?.offsetBytes ?? 0) + 40, NaN, true);
    await expect(load(new WatchedSource(bytes))).rejects.toMatchObject({
      code: 'model-file/invalid-numbers',
      field: 'blk.1.ffn_down.weight',
      offsetBytes: tensor?.offsetBytes,
    });
    expect(backend.memory().totalBytes).toBe(0);
  });

  it('refuses what does not fit before it reads a weight', async () => {
    const source = new WatchedSource(tinyLlama());
    await expect(load(source, { budgetBytes: 1024 })).rejects.toMatchObject({
      code: 'engine/out-of-memory',
    });
    expect(source.reads).toBe(0);
  });
});

describe('planModel', () => {
  it('counts the weights of the header and at most the trained context', async () => {
    const file = await readGguf(new BufferByteSource(tinyLlama({ type: 'Q8_0' })));
    const options = { precision: 'auto', kvType: 'f16' } as const;
    const plan = planModel(file, { ...options, contextLength: 1_000_000 });
    const packed = 48 * 64 + 2 * (64 * 64 * 2 + 64 * 32 * 2 + 3 * 64 * 96);
    expect(plan.weightBytes).toBe((packed / 32) * 34 + 5 * 64 * 4);
    expect(plan.cacheBytes).toBe(128 * 2 * 2 * 2 * 2 * 16);
    expect(planModel(file, options)).toEqual(plan);
  });
});
