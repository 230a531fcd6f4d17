/** Dispatches of attention and of what fills its cache. */
import type { AttendOp } from '../../graph/decode-fusion.ts';
import type { AttentionOp, CacheWriteOp } from '../../graph/ops.ts';
import type { KvType } from '../backend.ts';
import { inconsistent } from '../../graph/inconsistent.ts';
import { kvElementBytes } from '../kv-data.ts';
import { floatWord } from '../operator-words.ts';
import type { Cost } from './cost.ts';
import {
  flatGrid,
  MOST_SPLITS,
  moved,
  SPLIT_TOKENS,
  type Grid,
  type StepNumbers,
} from './dispatch.ts';
import type { CacheLayer, GpuCache } from './gpu-cache.ts';
import type { Slice } from './gpu-memory.ts';
import type { StepList, View } from './step-list.ts';

const WORD = 4;
export const kvTypes = ['f32', 'f16', 'q8'] as const satisfies readonly KvType[];

export function addCacheWrite(list: StepList, op: CacheWriteOp): void {
  const { layer } = op;
  const [keyWidth, valueWidth] = [op.k, op.v].map((id) => list.activation(id).columns) as [
    number,
    number,
  ];
  // How many heads there are is known from attention alone, which may stand later in the graph.
  const heads = list.memory.needs.layers.get(layer)?.kvHeads ?? 1;
  const widest = Math.max(keyWidth, valueWidth);
  const [k, v] = [list.read(op.k), list.read(op.v)];
  const grids: Readonly<Record<KvType, (tokens: number) => Grid | null>> = {
    f32: (tokens) => flatGrid(Math.ceil((tokens * widest) / 256), 2),
    f16: (tokens) => flatGrid(Math.ceil((tokens * widest) / 512), 2),
    q8: (tokens) => [heads, tokens, 2],
  };
  for (const type of kvTypes) {
    const elements = ({ tokens }: StepNumbers): number => tokens * (keyWidth + valueWidth);
    const written = (step: StepNumbers): number => elements(step) * kvElementBytes[type];
    list.add({
      label: 'cache-write',
      kernel: `cache_write_${type}`,
      only: type,
      parameters: [heads, keyWidth / heads, valueWidth / heads],
      places: [cacheInfo, k, v, ...cachePlaces(layer, type)],
      grid: ({ tokens }) => grids[type](tokens),
      cost: (step) => ({ ...moved(elements(step), 0), bytesWritten: written(step) }),
      leastBytes: written,
    });
  }
}

/** Rotation of queries and keys and the cache write of a layer in one, then its attention. */
export function addAttend(list: StepList, { attention, write, rope }: AttendOp): void {
  const { layer, heads, kvHeads, headDim } = attention;
  const inputs = [attention.q, write.k, write.v].map((id) => list.read(id));
  const query = list.write(list.temporary(list.activation(attention.q)));
  const width = kvHeads * headDim;
  const elements = ({ tokens }: StepNumbers): number => tokens * (heads + 2 * kvHeads) * headDim;
  for (const type of kvTypes) {
    const written = ({ tokens }: StepNumbers): number => 2 * tokens * width * kvElementBytes[type];
    list.add({
      label: 'rotate and cache',
      kernel: `rotate_write_${type}`,
      only: type,
      parameters: [
        heads,
        kvHeads,
        headDim,
        rope?.inverseFrequencies.length ?? 0,
        rope?.layout === 'interleaved' ? 1 : 0,
      ],
      places: [
        cacheInfo,
        ...inputs,
        rope === null ? list.memory.nothing : list.memory.ropeTable(rope),
        query,
        ...cachePlaces(layer, type),
      ],
      grid: ({ tokens }) => [heads + 2 * kvHeads, tokens, 1],
      cost: (step) => ({
        ...moved(elements(step), step.tokens * heads * headDim),
        bytesWritten: step.tokens * heads * headDim * WORD + written(step),
      }),
      leastBytes: written,
    });
  }
  addAttentionOf(list, attention, query);
}

export function addAttention(list: StepList, op: AttentionOp): void {
  addAttentionOf(list, op, list.read(op.q));
}

function addAttentionOf(list: StepList, op: AttentionOp, q: View): void {
  const { heads, kvHeads, headDim, valueDim, layer, window, causal } = op;
  const out = list.write(op.out);
  const splitTokens = Math.min(SPLIT_TOKENS, list.counts.tokens);
  const parts = list.buffer(splitTokens * MOST_SPLITS * heads * (valueDim + 4) * WORD);
  const seen = ({ position, tokens }: StepNumbers): number => {
    const all = position + tokens;
    return tokens * (window > 0 ? Math.min(window, all) : causal ? position + tokens / 2 : all);
  };
  const numbers = [floatWord(op.scale), floatWord(op.softcap)];
  const hasSinks = op.sinks === null ? 0 : 1;
  const sinks = list.memory.vector(op.sinks);
  for (const type of kvTypes) {
    const memoryBytes = (step: StepNumbers): number =>
      (seen(step) / step.tokens) * kvHeads * (headDim + valueDim) * kvElementBytes[type];
    const cost = (step: StepNumbers): Cost => {
      const rows = step.tokens * heads;
      return {
        bytesRead: memoryBytes(step) + rows * headDim * WORD,
        bytesWritten: rows * valueDim * step.splits * WORD,
        multiplyAdds: seen(step) * heads * (headDim + valueDim),
      };
    };
    for (const split of [false, true]) {
      const [keys, values, ...scales] = cachePlaces(layer, type);
      list.add({
        label: 'attention',
        kernel: `attention_cache_${type}`,
        only: type,
        parameters: [
          heads,
          kvHeads,
          headDim,
          valueDim,
          window,
          causal ? 1 : 0,
          ...numbers,
          hasSinks,
        ],
        places: [cacheInfo, q, keys, values, split ? parts : out, sinks, ...scales],
        grid: ({ tokens, splits }) => (splits > 1 === split ? [heads, tokens, splits] : null),
        cost,
        leastBytes: memoryBytes,
      });
    }
  }
  list.add({
    label: 'attention reduce',
    kernel: 'attention_reduce_f32',
    parameters: [heads, valueDim, hasSinks],
    places: [parts, out, sinks],
    grid: ({ tokens, splits }) => (splits > 1 ? [heads, tokens, 1] : null),
    cost: ({ tokens, splits }) => {
      const elements = tokens * heads * valueDim;
      return moved(splits * elements, elements);
    },
  });
}

type CachePlace = (cache: GpuCache) => Slice;

const cacheInfo: CachePlace = ({ info }) => info;

/** Keys, values and, where the type has them, scales of a layer. */
function cachePlaces(layer: number, type: KvType): [CachePlace, CachePlace, ...CachePlace[]] {
  const at = (cache: GpuCache): CacheLayer => {
    const found = cache.layers[layer];
    if (found === undefined) throw inconsistent('the conversation memory lacks a layer');
    return found;
  };
  return [
    (cache) => at(cache).keys,
    (cache) => at(cache).values,
    ...(type === 'q8' ? [(cache: GpuCache) => scalesOf(at(cache).scales)] : []),
  ];
}

function scalesOf(scales: Slice | null): Slice {
  if (scales === null) throw inconsistent('the conversation memory lacks its scales');
  return scales;
}
