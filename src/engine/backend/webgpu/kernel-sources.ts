/** The kernels' texts, and how a module is put together for a device's features. */
import activate_f32 from './wgsl/activate_f32.wgsl?raw';
import add_f32 from './wgsl/add_f32.wgsl?raw';
import attention_cache from './wgsl/attention_cache.wgsl?raw';
import attention_reduce_f32 from './wgsl/attention_reduce_f32.wgsl?raw';
import cache from './wgsl/cache.wgsl?raw';
import cache_read_f16 from './wgsl/cache_read_f16.wgsl?raw';
import cache_read_f32 from './wgsl/cache_read_f32.wgsl?raw';
import cache_read_q8 from './wgsl/cache_read_q8.wgsl?raw';
import cache_store_f16 from './wgsl/cache_store_f16.wgsl?raw';
import cache_store_f32 from './wgsl/cache_store_f32.wgsl?raw';
import cache_store_q8 from './wgsl/cache_store_q8.wgsl?raw';
import cache_write_f16 from './wgsl/cache_write_f16.wgsl?raw';
import cache_write_f32 from './wgsl/cache_write_f32.wgsl?raw';
import cache_write_q8 from './wgsl/cache_write_q8.wgsl?raw';
import causal_convolution_f32 from './wgsl/causal_convolution_f32.wgsl?raw';
import choose_f32 from './wgsl/choose_f32.wgsl?raw';
import chunk_i8 from './wgsl/chunk_i8.wgsl?raw';
import common from './wgsl/common.wgsl?raw';
import embed_f32 from './wgsl/embed_f32.wgsl?raw';
import embed_planes from './wgsl/embed_planes.wgsl?raw';
import expert_sum_f32 from './wgsl/expert_sum_f32.wgsl?raw';
import gate_f32 from './wgsl/gate_f32.wgsl?raw';
import gated_planes_i8 from './wgsl/gated_planes_i8.wgsl?raw';
import join_heads_f32 from './wgsl/join_heads_f32.wgsl?raw';
import lane_sums_shared from './wgsl/lane_sums_shared.wgsl?raw';
import lane_sums_subgroup from './wgsl/lane_sums_subgroup.wgsl?raw';
import matmat_dense_f32 from './wgsl/matmat_dense_f32.wgsl?raw';
import matmat_planes_float from './wgsl/matmat_planes_float.wgsl?raw';
import matmat_planes_i8 from './wgsl/matmat_planes_i8.wgsl?raw';
import matrix from './wgsl/matrix.wgsl?raw';
import matvec_dense_f32 from './wgsl/matvec_dense_f32.wgsl?raw';
import matvec_planes_f32 from './wgsl/matvec_planes_f32.wgsl?raw';
import matvec_planes_i8 from './wgsl/matvec_planes_i8.wgsl?raw';
import norm_f32 from './wgsl/norm_f32.wgsl?raw';
import norm_quantize_i8 from './wgsl/norm_quantize_i8.wgsl?raw';
import products_i8 from './wgsl/products_i8.wgsl?raw';
import project_planes_i8 from './wgsl/project_planes_i8.wgsl?raw';
import quantize_i8 from './wgsl/quantize_i8.wgsl?raw';
import rope_f32 from './wgsl/rope_f32.wgsl?raw';
import rotate_write from './wgsl/rotate_write.wgsl?raw';
import round_i8 from './wgsl/round_i8.wgsl?raw';
import route_f32 from './wgsl/route_f32.wgsl?raw';
import row_place from './wgsl/row_place.wgsl?raw';
import selective_scan_f32 from './wgsl/selective_scan_f32.wgsl?raw';
import scale_f32 from './wgsl/scale_f32.wgsl?raw';
import take_outputs_f32 from './wgsl/take_outputs_f32.wgsl?raw';
import top_f32 from './wgsl/top_f32.wgsl?raw';
import type { GpuFeatures } from './gpu-device.ts';

/** Tokens of a tile of `matmat_planes_f32`: with 64 the tiles would not fit into 16 KiB. */
export const FLOAT32_TILE_TOKENS = 32;
export const TILE_TOKENS = 64;

const float32 = `alias real = f32;\nconst TILE_TOKENS = ${FLOAT32_TILE_TOKENS}u;`;
const float16 = `alias real = f16;\nconst TILE_TOKENS = ${TILE_TOKENS}u;`;

/** `products_i8` for matrices in the bindings of these names. */
const products = (...bindings: readonly string[]): string =>
  bindings.map((name) => products_i8.replaceAll('WEIGHTS', name)).join('\n');

/** The texts of each kernel besides `common.wgsl`, in order; `lane-sums` depends on the features. */
const parts = {
  activate_f32: [activate_f32],
  add_f32: [add_f32],
  attention_reduce_f32: [attention_reduce_f32],
  attention_cache_f16: [cache, attention_cache, cache_read_f16],
  attention_cache_f32: [cache, attention_cache, cache_read_f32],
  attention_cache_q8: [cache, attention_cache, cache_read_q8],
  cache_write_f16: [cache, cache_write_f16],
  cache_write_f32: [cache, cache_write_f32],
  cache_write_q8: [cache, cache_write_q8],
  causal_convolution_f32: [causal_convolution_f32],
  choose_f32: [choose_f32],
  embed_f32: [embed_f32],
  embed_planes: [matrix, embed_planes],
  expert_sum_f32: [expert_sum_f32],
  gate_f32: [gate_f32],
  gated_planes_i8: [
    matrix,
    'lane-sums',
    round_i8,
    chunk_i8,
    products('weights', 'weights_2'),
    gated_planes_i8,
  ],
  join_heads_f32: [join_heads_f32],
  matmat_dense_f32: [matmat_dense_f32],
  matmat_planes_f16: [float16, matrix, matmat_planes_float],
  matmat_planes_f32: [float32, matrix, matmat_planes_float],
  matmat_planes_i8: [matrix, matmat_planes_i8],
  matvec_dense_f32: [row_place, matvec_dense_f32],
  matvec_planes_f32: [matrix, row_place, 'lane-sums', matvec_planes_f32],
  matvec_planes_i8: [
    matrix,
    row_place,
    'lane-sums',
    chunk_i8,
    products('weights'),
    matvec_planes_i8,
  ],
  norm_f32: [norm_f32],
  norm_quantize_i8: [round_i8, norm_quantize_i8],
  project_planes_i8: [
    matrix,
    'lane-sums',
    chunk_i8,
    products('weights', 'weights_2', 'weights_3'),
    project_planes_i8,
  ],
  quantize_i8: [quantize_i8],
  rope_f32: [rope_f32],
  rotate_write_f16: [cache, cache_store_f16, rotate_write],
  rotate_write_f32: [cache, cache_store_f32, rotate_write],
  rotate_write_q8: [cache, round_i8, cache_store_q8, rotate_write],
  route_f32: [route_f32],
  scale_f32: [scale_f32],
  selective_scan_f32: [selective_scan_f32],
  take_outputs_f32: [take_outputs_f32],
  top_f32: [top_f32],
} as const satisfies Readonly<Record<string, readonly string[]>>;

export type KernelName = keyof typeof parts;

export const kernelNames = Object.keys(parts) as KernelName[];

/** The whole text of a kernel's module. */
export function kernelText(name: KernelName, features: GpuFeatures): string {
  const texts: readonly string[] = parts[name];
  const usesSubgroups = features.subgroups && texts.includes('lane-sums');
  const enabled = [
    ...(name.endsWith('_f16') && name.startsWith('matmat') ? ['enable f16;'] : []),
    // The subgroup's size is the same for a whole workgroup; not every browser's analysis knows.
    ...(usesSubgroups ? ['enable subgroups;', 'diagnostic(off, subgroup_uniformity);'] : []),
  ];
  const laneSums = usesSubgroups ? lane_sums_subgroup : lane_sums_shared;
  return [...enabled, common, ...texts.map((text) => (text === 'lane-sums' ? laneSums : text))]
    .join('\n')
    .replaceAll(' SUBGROUP_INPUT', usesSubgroups ? ', @builtin(subgroup_size) subgroup: u32' : '')
    .replaceAll('SUBGROUP_SIZE', usesSubgroups ? 'subgroup' : '1u');
}

export type BindingKind = 'uniform' | 'read-only-storage' | 'storage';

/** What each `@binding` of a kernel is, by its number; numbers that are not used are null. */
export function bindingsOf(text: string): readonly (BindingKind | null)[] {
  const kinds: (BindingKind | null)[] = [];
  const declaration = /@binding\((\d+)\)\s*var<(uniform|storage,\s*read_write|storage,\s*read)>/g;
  for (const [, number, space] of text.matchAll(declaration)) {
    const index = Number(number);
    while (kinds.length <= index) kinds.push(null);
    if (space === 'uniform') kinds[index] = 'uniform';
    else kinds[index] = space?.endsWith('write') === true ? 'storage' : 'read-only-storage';
  }
  return kinds;
}
