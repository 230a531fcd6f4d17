/** What a kernel takes of a compute unit, read from its text: threads, workgroup memory, buffers. */
import type { GpuFeatures } from '../src/engine/backend/webgpu/gpu-device.ts';
import {
  bindingsOf,
  kernelText,
  type KernelName,
} from '../src/engine/backend/webgpu/kernel-sources.ts';

export interface Footprint {
  /** Threads of a workgroup. */
  readonly threads: number;
  /** Bytes of workgroup memory. */
  readonly workgroupBytes: number;
  readonly storageBuffers: number;
}

const scalarBytes: Readonly<Record<string, number>> = { f32: 4, u32: 4, i32: 4, f16: 2 };

export function footprintOf(kernel: KernelName, features: GpuFeatures): Footprint {
  const text = kernelText(kernel, features).replace(/\/\/.*$/gm, '');
  const constants = new Map<string, string>();
  for (const [, name = '', value = ''] of text.matchAll(/^(?:const|alias) (\w+) = ([^;]+);/gm)) {
    constants.set(name, value);
  }
  const known = (word: string): string => constants.get(word) ?? word;
  const count = (expression: string): number =>
    expression
      .split('*')
      .map((factor) => Number.parseInt(known(factor.trim()), 10))
      .reduce((product, factor) => product * factor);
  const bytesOf = (type: string): number => {
    const array = /^array<(.+),\s*([^,>]+)>$/.exec(type);
    if (array !== null) return bytesOf(array[1] ?? '') * count(array[2] ?? '');
    const vector = /^vec([24])<(\w+)>$/.exec(type);
    if (vector !== null) return Number(vector[1]) * bytesOf(vector[2] ?? '');
    return scalarBytes[known(type)] ?? NaN;
  };
  let workgroupBytes = 0;
  for (const [, type = ''] of text.matchAll(/var<workgroup> \w+: ([^;]+);/g)) {
    workgroupBytes += bytesOf(type.trim());
  }
  return {
    threads: Number(/@workgroup_size\((\d+)\)/.exec(text)?.[1]),
    workgroupBytes,
    storageBuffers: bindingsOf(text).filter((kind) => kind?.endsWith('storage') === true).length,
  };
}
