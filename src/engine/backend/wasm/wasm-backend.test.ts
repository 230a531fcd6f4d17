import { equalLayers } from '../backend.ts';
import { readFile } from 'node:fs/promises';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { buildWasm, builtFile } from '../../../../wasm/build.mjs';
import { hasCode } from '../../../common/errors.ts';
import { GraphBuilder } from '../../graph/graph-builder.ts';
import type { Executable, KvCacheHandle, Precision, WeightHandle, WeightSpec } from '../backend.ts';
import { WasmBackend } from './wasm-backend.ts';

const HIDDEN = 64;
const VOCABULARY = 50;
const LAYERS = 2;
const MAX_TOKENS = 8;
const CAPACITY = 40;

function makeSpecs(): WeightSpec[] {
  const matrix = (name: string, rows: number, columns: number): WeightSpec => ({
    name,
    type: 'Q8_0',
    rows,
    columns,
    storage: 'planes',
  });
  const norm = (name: string): WeightSpec => ({
    name,
    type: 'F32',
    rows: 1,
    columns: HIDDEN,
    storage: 'dense',
  });
  const specs = [
    matrix('embed', VOCABULARY, HIDDEN),
    norm('norm'),
    matrix('output', VOCABULARY, HIDDEN),
  ];
  for (let layer = 0; layer < LAYERS; layer++) {
    specs.push(
      norm(`${layer}.norm`),
      matrix(`${layer}.q`, HIDDEN, HIDDEN),
      matrix(`${layer}.k`, HIDDEN / 2, HIDDEN),
      matrix(`${layer}.v`, HIDDEN / 2, HIDDEN),
      matrix(`${layer}.o`, HIDDEN, HIDDEN),
      matrix(`${layer}.gate`, 96, HIDDEN),
      matrix(`${layer}.up`, 96, HIDDEN),
      matrix(`${layer}.down`, HIDDEN, 96),
    );
  }
  return specs;
}

function fileBytes(spec: WeightSpec): Uint8Array {
  if (spec.type === 'F32') {
    return new Uint8Array(
      Float32Array.from({ length: spec.columns }, (_, i) => 1 + Math.sin(i) / 4).buffer,
    );
  }
  const blocks = (spec.rows * spec.columns) / 32;
  const bytes = Uint8Array.from(
    { length: blocks * 34 },
    (_, i) => Math.imul(i + spec.rows, 2654435761) >>> 24,
  );
  for (let b = 0; b < blocks; b++) bytes.set([b & 255, 0x14], b * 34);
  return bytes;
}

interface Loaded {
  readonly executable: Executable;
  readonly cache: KvCacheHandle;
  readonly weights: ReadonlyMap<string, WeightHandle>;
}

function load(backend: WasmBackend): Loaded {
  const specs = makeSpecs();
  const weights = new Map<string, WeightHandle>();
  for (const spec of specs) {
    const writer = backend.beginWeight(spec);
    writer.write(fileBytes(spec));
    weights.set(spec.name, writer.finish());
  }
  const graph = makeGraph(specs);
  const executable = backend.compile(graph, {
    weights,
    maxTokens: MAX_TOKENS,
    maxOutputs: MAX_TOKENS,
  });
  const cache = backend.createCache({
    layers: equalLayers(LAYERS, 2, 16),
    capacity: CAPACITY,
    type: 'f16',
  });
  return { executable, cache, weights };
}

function makeGraph(specs: readonly WeightSpec[]): ReturnType<GraphBuilder['finish']> {
  const builder = new GraphBuilder(new Map(specs.map((spec) => [spec.name, spec])));
  const rope = {
    headDim: 16,
    layout: 'interleaved',
    inverseFrequencies: Float64Array.from({ length: 8 }, (_, i) => 10000 ** (-i / 8)),
    magnitude: 1,
  } as const;
  let x = builder.embed('embed');
  for (let layer = 0; layer < LAYERS; layer++) {
    const h = builder.rmsNorm(x, `${layer}.norm`, 1e-5);
    const q = builder.rope(builder.matmul(h, `${layer}.q`), { heads: 4, ...rope });
    const k = builder.rope(builder.matmul(h, `${layer}.k`), { heads: 2, ...rope });
    builder.cacheWrite(layer, k, builder.matmul(h, `${layer}.v`));
    const attended = builder.attention(q, {
      layer,
      heads: 4,
      kvHeads: 2,
      headDim: 16,
      scale: 0.25,
      softcap: 0,
      window: 0,
    });
    x = builder.add(x, builder.matmul(attended, `${layer}.o`));
    const g = builder.gate(
      'silu',
      builder.matmul(x, `${layer}.gate`),
      builder.matmul(x, `${layer}.up`),
    );
    x = builder.add(x, builder.matmul(g, `${layer}.down`));
  }
  return builder.finish(
    builder.matmul(builder.takeOutputs(builder.rmsNorm(x, 'norm', 1e-5)), 'output'),
  );
}

async function logits(
  backend: WasmBackend,
  { executable, cache }: Loaded,
  tokens: readonly number[],
  position = 0,
  precision: Precision = 8,
  outputs = 1,
): Promise<number[]> {
  const input = { tokens: Int32Array.from(tokens), position, outputs, precision, cache };
  return Array.from(await backend.run(executable, input));
}

describe('WasmBackend', () => {
  let bytes: Uint8Array<ArrayBuffer>;
  let relaxedBytes: Uint8Array<ArrayBuffer>;

  beforeAll(async () => {
    await buildWasm();
    bytes = new Uint8Array(await readFile(builtFile('hermit-simd.wasm')));
    relaxedBytes = new Uint8Array(await readFile(builtFile('hermit-relaxed.wasm')));
  }, 120_000);

  afterEach(() => {
    vi.restoreAllMocks();
  });

  const create = (maximumBytes?: number): Promise<WasmBackend> =>
    WasmBackend.create(bytes, {
      relaxed: false,
      ...(maximumBytes === undefined ? {} : { maximumBytes }),
    });

  it('gives the same bits whether a prompt comes at once, in pieces or token by token', async () => {
    const tokens = [3, 14, 15, 9, 2, 6];
    for (const precision of [8, 4] as const) {
      const backend = await create();
      const model = load(backend);
      const whole = await logits(backend, model, tokens, 0, precision, 6);
      expect(whole.every(Number.isFinite)).toBe(true);
      const pieces = [
        ...(await logits(backend, model, tokens.slice(0, 2), 0, precision, 2)),
        ...(await logits(backend, model, tokens.slice(2), 2, precision, 4)),
      ];
      expect(pieces).toEqual(whole);
      const single: number[] = [];
      for (const [i, token] of tokens.entries())
        single.push(...(await logits(backend, model, [token], i, precision)));
      expect(single).toEqual(whole);
    }
  });

  it('reads only the high planes in 4-bit mode: other numbers, near the 8-bit ones', async () => {
    const backend = await create();
    const model = load(backend);
    const eight = await logits(backend, model, [1, 2, 3], 0, 8);
    const four = await logits(backend, model, [1, 2, 3], 0, 4);
    expect(four).not.toEqual(eight);
    const dot = (a: readonly number[], b: readonly number[]): number =>
      a.reduce((sum, x, i) => sum + x * (b[i] as number), 0);
    expect(dot(eight, four) / Math.sqrt(dot(eight, eight) * dot(four, four))).toBeGreaterThan(0.95);
  });

  it('keeps computing right when the memory grows between and under steps', async () => {
    const backend = await create();
    const model = load(backend);
    const before = await logits(backend, model, [7, 8]);
    const pages = backend.memory().totalBytes;
    backend.createCache({ layers: equalLayers(1, 1, 64), capacity: 65536, type: 'f32' });
    expect(backend.memory().totalBytes).toBeGreaterThan(pages);
    expect(await logits(backend, model, [7, 8])).toEqual(before);
    const late = load(backend);
    expect(await logits(backend, late, [7, 8])).toEqual(before);
  });

  it('reuses released memory', async () => {
    const backend = await create();
    const first = load(backend);
    const loaded = backend.memory();
    expect(loaded.weightBytes).toBe(
      [...first.weights.values()].reduce((sum, { bytes: size }) => sum + size, 0),
    );
    for (const weight of first.weights.values()) backend.releaseWeight(weight);
    backend.releaseCache(first.cache);
    backend.releaseCache(first.cache);
    expect(backend.memory()).toMatchObject({ weightBytes: 0, cacheBytes: 0, activationBytes: 0 });
    await expect(logits(backend, first, [1])).rejects.toMatchObject({ code: 'engine/not-loaded' });
    const again = load(backend);
    expect(backend.memory()).toEqual(loaded);
    expect((await logits(backend, again, [1])).every(Number.isFinite)).toBe(true);
  });

  it('ends in success or engine/out-of-memory, whichever growth fails, and works afterwards', async () => {
    // eslint-disable-next-line typescript/unbound-method -- called with its own `this` below
    const original = WebAssembly.Memory.prototype.grow;
    let failures = 0;
    for (let failing = 1; failing <= 4; failing++) {
      const backend = await create();
      let count = 0;
      vi.spyOn(WebAssembly.Memory.prototype, 'grow').mockImplementation(function (
        this: WebAssembly.Memory,
        pages,
      ) {
        count++;
        if (count === failing) throw new RangeError('stubbed');
        return original.call(this, pages);
      });
      const held: KvCacheHandle[] = [];
      try {
        for (let i = 0; i < 3; i++) {
          held.push(
            backend.createCache({
              layers: equalLayers(2, 2, 16),
              capacity: 16384,
              type: 'q8',
            }),
          );
        }
      } catch (error) {
        failures++;
        expect(hasCode(error, 'engine/out-of-memory')).toBe(true);
      }
      vi.restoreAllMocks();
      expect(backend.memory().cacheBytes).toBe(held.reduce((sum, cache) => sum + cache.bytes, 0));
      expect((await logits(backend, load(backend), [1])).every(Number.isFinite)).toBe(true);
    }
    expect(failures).toBe(4);
  });

  it('refuses more memory than it may take, with numbers', async () => {
    const backend = await create(4 * 1024 * 1024);
    const spec: WeightSpec = {
      name: 'big',
      type: 'Q8_0',
      rows: 4096,
      columns: 4096,
      storage: 'planes',
    };
    expect(() => backend.beginWeight(spec)).toThrow(/needs 9 MiB more/);
    expect((await logits(backend, load(backend), [1])).length).toBe(VOCABULARY);
  });

  it('refuses steps that would reach outside their memory', async () => {
    const backend = await create();
    const model = load(backend);
    const refused = (tokens: readonly number[], position: number, outputs = 1): Promise<unknown> =>
      expect(logits(backend, model, tokens, position, 8, outputs)).rejects.toMatchObject({
        code: expect.stringMatching(/invalid-argument|context-overflow/) as string,
      });
    await refused([VOCABULARY], 0);
    await refused([-1], 0);
    await refused([], 0);
    await refused(
      Array.from({ length: MAX_TOKENS + 1 }, () => 1),
      0,
    );
    await refused([1], CAPACITY);
    await refused([1, 2], CAPACITY - 1);
    await refused([1], -1);
    await refused([1], 0.5);
    await refused([1], 0, 2);
    expect(await logits(backend, model, [1], 0, 8, 0)).toEqual([]);
    expect((await logits(backend, model, [1, VOCABULARY - 1], CAPACITY - 2)).length).toBe(
      VOCABULARY,
    );
    const other = await create();
    await expect(logits(other, model, [1])).rejects.toMatchObject({ code: 'invalid-argument' });
  });

  it('frees a weight that was given up or whose rows are missing', async () => {
    const backend = await create();
    const spec: WeightSpec = { name: 'w', type: 'Q8_0', rows: 16, columns: 32, storage: 'planes' };
    const short = backend.beginWeight(spec);
    short.write(new Uint8Array(8 * 34));
    expect(() => short.finish()).toThrow(/before the end/);
    backend.beginWeight(spec).abandon();
    expect(backend.memory().weightBytes).toBe(0);
    const writer = backend.beginWeight(spec);
    writer.write(new Uint8Array(7 * 34));
    expect(() => {
      writer.write(new Uint8Array(34));
    }).toThrow(/wrong pieces/);
  });

  it('keeps the values of a matrix whose later scales are too large for the usual gain', async () => {
    const backend = await create();
    const spec: WeightSpec = {
      name: 'table',
      type: 'Q8_0',
      rows: 16,
      columns: 32,
      storage: 'planes',
    };
    const rows = new Uint8Array(16 * 34);
    for (let row = 0; row < 16; row++) {
      const half = row < 8 ? 0x0001 : 0x5640; // 2^-24 and 100
      new DataView(rows.buffer).setUint16(row * 34, half, true);
      rows.fill(row + 1, row * 34 + 2, row * 34 + 34);
    }
    const writer = backend.beginWeight(spec);
    writer.write(rows.subarray(0, 8 * 34));
    writer.write(rows.subarray(8 * 34));
    const weights = new Map([['table', writer.finish()]]);
    const builder = new GraphBuilder(new Map([['table', spec]]));
    const graph = builder.finish(builder.takeOutputs(builder.embed('table')));
    const executable = backend.compile(graph, { weights, maxTokens: 2, maxOutputs: 2 });
    const cache = backend.createCache({
      layers: equalLayers(1, 1, 4),
      capacity: 4,
      type: 'f32',
    });
    const values = await logits(backend, { executable, cache, weights }, [2, 9], 0, 8, 2);
    expect(values.slice(0, 32)).toEqual(new Array(32).fill(3 * 2 ** -24));
    expect(values.slice(32)).toEqual(new Array(32).fill(1000));
  });

  it('refuses relaxed kernels where the engine lacks or miscomputes them', async () => {
    // Either the engine lacks the instructions, or what it computes decides.
    if (WebAssembly.validate(relaxedBytes)) return;
    await expect(WasmBackend.create(relaxedBytes, { relaxed: true })).rejects.toMatchObject({
      code: 'engine/backend-unavailable',
    });
  });

  it('refuses a module of another version', async () => {
    const empty = new Uint8Array([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    await expect(WasmBackend.create(empty, { relaxed: false })).rejects.toMatchObject({
      code: 'engine/asset-mismatch',
    });
  });
});
