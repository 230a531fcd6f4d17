/** Checks of the KV cache and of attention over it. */
import { float16ToNumber, numberToFloat16 } from '../../src/common/float16.ts';
import { Check, Random, type KernelBed } from './kernel-bed.ts';

const kvTypes = ['f32', 'f16', 'q8'] as const;
const elementBytes = [4, 2, 1];

/** Shape of the layers 0 and 1; the kernels are run on layer 1. */
interface CacheShape {
  readonly kvHeads: number;
  readonly headDim: number;
  readonly capacity: number;
  readonly type: number;
}

interface TestCache extends CacheShape {
  readonly address: number;
  /** Of both layers, one behind the other: keys, values, key scales, value scales. */
  readonly parts: readonly number[];
  readonly vectors: number;
}

const layers = 2;

function makeCache(bed: KernelBed, shape: CacheShape): TestCache {
  const { kvHeads, headDim, capacity, type } = shape;
  const own = kvHeads * capacity;
  const vectors = layers * own;
  const ownBytes = own * headDim * (elementBytes[type] as number);
  const parts = [ownBytes, ownBytes, own * 4, own * 4].map((size) => {
    const at = bed.allocate(layers * size);
    bed.u8(at, layers * size).fill(0);
    return at;
  });
  const [keys = 0, values = 0, keyScales = 0, valueScales = 0] = parts;
  const descriptions = bed.allocate(layers * 28);
  for (let layer = 0; layer < layers; layer++) {
    const data = layer * ownBytes;
    const scales = layer * own * 4;
    bed
      .u32(descriptions + layer * 28, 7)
      .set([
        kvHeads,
        ...[headDim, keys + data, keyScales + scales],
        ...[headDim, values + data, valueScales + scales],
      ]);
  }
  const address = bed.allocate(16);
  bed.u32(address, 4).set([capacity, type, descriptions, 0]);
  return { ...shape, address, parts, vectors };
}

/** Cache contents of one part (0 keys, 1 values) as numbers. */
function cacheValues(bed: KernelBed, cache: TestCache, part: 0 | 1): Float64Array {
  const length = cache.vectors * cache.headDim;
  const at = cache.parts[part] as number;
  if (cache.type === 0) return Float64Array.from(bed.f32(at, length));
  if (cache.type === 1) return Float64Array.from(bed.u16(at, length), float16ToNumber);
  const scales = bed.f32(cache.parts[part + 2] as number, cache.vectors);
  return Float64Array.from(
    bed.i8(at, length),
    (q, i) => q * (scales[Math.floor(i / cache.headDim)] as number),
  );
}

/** Written vectors equal the twin's to the bit and the input within the type's step. */
export function checkCacheWrite(bed: KernelBed): Check {
  const check = new Check('cache_write_vectors');
  const random = new Random(9);
  for (const [type, name] of kvTypes.entries()) {
    for (const headDim of [8, 20, 64]) {
      bed.reset();
      const shape = { kvHeads: 3, headDim, capacity: 7, type };
      const fast = makeCache(bed, shape);
      const slow = makeCache(bed, shape);
      const tokens = 4;
      const k = random.floats(tokens * 3 * headDim, 3);
      const v = random.floats(tokens * 3 * headDim, 0.1);
      k.fill(0, 0, headDim);
      k.set([1e6, 3e-6, -5e-8, 1e-7], headDim);
      const kAt = bed.putFloats(k);
      const vAt = bed.putFloats(v);
      bed.call('cache_write_vectors', fast.address, 1, kAt, vAt, 3, 0, tokens);
      bed.call('cache_write_scalar', slow.address, 1, kAt, vAt, 3, 0, tokens);
      for (let part = 0; part < 4; part++) {
        const bytes =
          part < 2 ? fast.vectors * headDim * (elementBytes[type] as number) : fast.vectors * 4;
        const from = (cache: TestCache): Uint8Array => bed.u8(cache.parts[part] as number, bytes);
        check.same(`${name} ${headDim} part ${part}`, from(fast), from(slow));
      }
      checkWritten(bed, check, fast, [k, v], tokens);
    }
  }
  return check;
}

function checkWritten(
  bed: KernelBed,
  check: Check,
  cache: TestCache,
  input: readonly Float32Array[],
  tokens: number,
): void {
  const { headDim, kvHeads, capacity, type } = cache;
  for (const part of [0, 1] as const) {
    const stored = cacheValues(bed, cache, part);
    const given = input[part] as Float32Array;
    for (let t = 0; t < tokens; t++) {
      for (let h = 0; h < kvHeads; h++) {
        const from = (t * kvHeads + h) * headDim;
        const x = given.subarray(from, from + headDim);
        const at = ((kvHeads + h) * capacity + 3 + t) * headDim;
        const label = `${kvTypes[type]} ${headDim} stored part ${part} token ${t} head ${h}`;
        const y = stored.subarray(at, at + headDim);
        const largest = Math.max(...Array.from(x, Math.abs));
        if (type === 0) check.same(label, y, x);
        if (type === 1)
          check.same(
            label,
            y,
            Array.from(x, (value) => float16ToNumber(numberToFloat16(Math.min(value, 65504)))),
          );
        if (type === 2) check.near(label, y, x, () => (largest / 127) * 0.5001);
      }
    }
    const untouched = stored.subarray(0, kvHeads * capacity * headDim);
    check.that(
      untouched.every((value) => value === 0),
      () => `layer 0 of part ${part} was written`,
    );
  }
}

interface AttentionCase {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly position: number;
  readonly tokens: number;
  readonly window: number;
  readonly softcap: number;
  readonly bidirectional?: true;
  readonly sinks?: true;
}

const attentionCases: readonly AttentionCase[] = [
  { heads: 1, kvHeads: 1, headDim: 8, position: 0, tokens: 1, window: 0, softcap: 0 },
  { heads: 4, kvHeads: 2, headDim: 16, position: 0, tokens: 33, window: 0, softcap: 0 },
  { heads: 8, kvHeads: 2, headDim: 64, position: 95, tokens: 1, window: 0, softcap: 0 },
  { heads: 6, kvHeads: 3, headDim: 20, position: 31, tokens: 9, window: 0, softcap: 20 },
  { heads: 4, kvHeads: 4, headDim: 32, position: 70, tokens: 17, window: 5, softcap: 0 },
  { heads: 2, kvHeads: 1, headDim: 80, position: 130, tokens: 7, window: 40, softcap: 50 },
  { heads: 2, kvHeads: 2, headDim: 128, position: 64, tokens: 2, window: 1, softcap: 0 },
  { heads: 6, kvHeads: 2, headDim: 16, position: 380, tokens: 9, window: 0, softcap: 0 },
  { heads: 2, kvHeads: 1, headDim: 16, position: 500, tokens: 20, window: 300, softcap: 0 },
  {
    ...{ heads: 4, kvHeads: 2, headDim: 16, position: 40, tokens: 9, window: 0, softcap: 0 },
    sinks: true,
  },
  ...[0, 1, 9, 64].map((window) => ({
    ...{ heads: 4, kvHeads: 2, headDim: 16, position: 0, tokens: 77, window, softcap: 0 },
    bidirectional: true as const,
  })),
];

/** Attention against its twin and against exact softmax; a prompt in pieces gives the same bits. */
export function checkAttention(bed: KernelBed): Check {
  const check = new Check('attention_cache_tile32');
  const random = new Random(10);
  for (const [type, name] of kvTypes.entries()) {
    for (const shape of attentionCases) {
      bed.reset();
      const { heads, kvHeads, headDim, position, tokens } = shape;
      const cache = makeCache(bed, {
        kvHeads,
        headDim,
        capacity: position + tokens + 3,
        type,
      });
      const all = position + tokens;
      const k = bed.putFloats(random.floats(all * kvHeads * headDim));
      const v = bed.putFloats(random.floats(all * kvHeads * headDim));
      bed.call('cache_write_vectors', cache.address, 1, k, v, 0, 0, all);
      const q = bed.putFloats(random.floats(tokens * heads * headDim, 2));
      const out = bed.allocate(tokens * heads * headDim * 4);
      const again = bed.allocate(tokens * heads * headDim * 4);
      const slow = bed.allocate(tokens * heads * headDim * 4);
      const scratch = bed.allocate(
        bed.call('scratch_attention_bytes', heads, kvHeads, headDim, headDim),
      );
      const weights = bed.allocate(all * 4);
      const sinks = shape.sinks ? random.floats(heads, 3) : null;
      const sinksAt = sinks === null ? 0 : bed.putFloats(sinks);
      const units = (n: number): number => kvHeads * Math.ceil(n / 8);
      const run = (
        kernel: string,
        from: number,
        to: number,
        first: number,
        n: number,
        rest: number[],
      ): void => {
        const width = heads * headDim * 4;
        const argument = bed.allocate(48);
        bed.u32(argument, 12).set([shape.bidirectional ? 1 : 0, headDim, sinksAt], 9);
        bed
          .u32(argument, 9)
          .set([
            from + first * width,
            to + first * width,
            1,
            heads,
            kvHeads,
            headDim,
            shape.window,
          ]);
        bed.f32(argument, 9).set([1 / Math.sqrt(headDim), shape.softcap], 7);
        bed.call(kernel, argument, cache.address, n, position + first, ...rest);
      };
      run('attention_cache_tile32', q, out, 0, tokens, [scratch, 0, units(tokens)]);
      // a query that sees later positions needs the whole text in one step
      for (let t = 0; t < tokens && shape.bidirectional !== true; t++)
        run('attention_cache_tile32', q, again, t, 1, [scratch, 0, units(1)]);
      run('attention_cache_scalar', q, slow, 0, tokens, [weights]);
      const length = tokens * heads * headDim;
      const label = `${name} ${JSON.stringify(shape)}`;
      if (shape.bidirectional !== true && shape.sinks !== true) {
        const fused = attendEach(bed, shape, cache, [q, k, v]);
        check.same(`fused ${label}`, bed.f32(fused, length), bed.f32(out, length));
      }
      if (shape.bidirectional !== true)
        check.same(`one by one ${label}`, bed.f32(again, length), bed.f32(out, length));
      check.near(`twin ${label}`, bed.f32(out, length), bed.f32(slow, length), () => 1e-5);
      const exact = exactAttention(
        shape,
        Float64Array.from(bed.f32(q, length)),
        cacheValues(bed, cache, 0),
        cacheValues(bed, cache, 1),
        cache.capacity,
        sinks,
      );
      check.near(`exact ${label}`, bed.f32(out, length), exact, () => 1e-5);
    }
  }
  return check;
}

/** Every token by the kernel of decode, its units in two halves, the later one first. */
function attendEach(
  bed: KernelBed,
  { heads, kvHeads, headDim, position, tokens, window, softcap }: AttentionCase,
  cache: TestCache,
  [q, k, v]: readonly [number, number, number],
): number {
  const out = bed.allocate(tokens * heads * headDim * 4);
  const scratch = bed.allocate(bed.call('scratch_attend_bytes', heads, kvHeads, headDim));
  const parts = bed.allocate(bed.call('attend_parts_bytes', heads, headDim, cache.capacity));
  bed.u32(parts, 256).fill(0);
  const argument = bed.allocate(56);
  bed.u32(argument, 14).fill(0);
  for (let t = 0; t < tokens; t++) {
    const at = position + t;
    const query = t * heads * headDim * 4;
    const key = at * kvHeads * headDim * 4;
    bed
      .u32(argument, 9)
      .set([q + query, k + key, v + key, out + query, 1, heads, kvHeads, headDim, window]);
    bed.f32(argument, 11).set([1 / Math.sqrt(headDim), softcap], 9);
    const units = bed.call('attend_units', argument, at);
    const half = units >> 1;
    for (const [begin, end] of [
      [half, units],
      [0, half],
    ] as const) {
      bed.call('attend_token_chunk128', argument, cache.address, at, parts, scratch, begin, end);
    }
  }
  return out;
}

function seenFrom(
  { position, tokens, window, bidirectional }: AttentionCase,
  at: number,
): readonly [number, number] {
  const end = position + tokens - 1;
  if (bidirectional !== true) return [window > 0 ? Math.max(0, at - window + 1) : 0, at];
  if (window === 0) return [0, end];
  const half = Math.floor(window / 2);
  return [Math.max(0, at - half), Math.min(end, at + half)];
}

function exactAttention(
  shape: AttentionCase,
  q: Float64Array,
  k: Float64Array,
  v: Float64Array,
  capacity: number,
  sinks: Float32Array | null,
): Float64Array {
  const { heads, kvHeads, headDim, position, tokens, softcap } = shape;
  const out = new Float64Array(tokens * heads * headDim);
  for (let t = 0; t < tokens; t++) {
    for (let h = 0; h < heads; h++) {
      const [first, last] = seenFrom(shape, position + t);
      const kvHead = Math.floor(h / (heads / kvHeads));
      const at = (p: number): number => ((kvHeads + kvHead) * capacity + p) * headDim;
      const scores = Array.from({ length: last - first + 1 }, (_, i) => {
        let dot = 0;
        for (let d = 0; d < headDim; d++) {
          dot += (q[(t * heads + h) * headDim + d] as number) * (k[at(first + i) + d] as number);
        }
        const score = dot / Math.sqrt(headDim);
        return softcap > 0 ? softcap * Math.tanh(score / softcap) : score;
      });
      const sink = sinks?.[h] ?? -Infinity;
      const largest = Math.max(...scores, sink);
      const weights = scores.map((score) => Math.exp(score - largest));
      const sum = weights.reduce((a, b) => a + b, Math.exp(sink - largest));
      for (let d = 0; d < headDim; d++) {
        let total = 0;
        weights.forEach((weight, i) => (total += weight * (v[at(first + i) + d] as number)));
        out[(t * heads + h) * headDim + d] = total / sum;
      }
    }
  }
  return out;
}
