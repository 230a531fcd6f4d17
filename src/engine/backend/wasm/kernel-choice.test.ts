import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { kernelBuildTimeoutMs } from '../../../../test/fixtures/wasm-backend.ts';
import { buildWasm, builtFile } from '../../../../wasm/build.mjs';
import { chooseKernels, type KernelChoice } from './kernel-choice.ts';
import { compileKernels, instantiateKernels, type Kernels } from './kernel-module.ts';
import { testKernels } from './self-test.ts';

let bytes: Uint8Array<ArrayBuffer>;
beforeAll(async () => {
  await buildWasm();
  bytes = new Uint8Array(await readFile(builtFile('hermit-simd.wasm')));
}, kernelBuildTimeoutMs);

const garbage = new Uint8Array([1, 2, 3]);
const onlyPlain = (variant: string): Promise<Uint8Array<ArrayBuffer>> =>
  Promise.resolve(variant === 'plain' ? bytes : garbage);

/** The kernels with one that leaves the last byte it should write wrong. */
async function withWrong(kernel: string, outArgument: number, outBytes: number): Promise<Kernels> {
  const kernels = instantiateKernels(await compileKernels(bytes));
  const call: Kernels['call'] = (name, ...values) => {
    const result = kernels.call(name, ...values);
    if (name === kernel) {
      const view = kernels.heap.bytes();
      const at = (values[outArgument] as number) + outBytes - 1;
      view[at] = (view[at] as number) ^ 1;
    }
    return result;
  };
  return { ...kernels, call };
}

const wrongOnes = (kernels: Kernels): string[] =>
  testKernels(kernels)
    .checks.filter(({ right }) => !right)
    .map(({ kernel }) => kernel);

describe('testKernels', () => {
  it('finds all kernels right where they are, and gives all memory back', async () => {
    const kernels = instantiateKernels(await compileKernels(bytes));
    expect(wrongOnes(kernels)).toEqual([]);
    expect(kernels.heap.usedBytes).toBe(0);
  });

  it.each([
    ['gate_f32_x4', 3, 61 * 4, 'gate_f32_x4'],
    ['norm_f32_x4', 7, 67 * 2 * 4, 'norm_f32_x4'],
    ['rope_f32_x4', 0, 48 * 4, 'rope_f32_x4'],
    ['quantize_f32_i8x32', 5, 96, 'quantize_f32_i8x32'],
    ['matvec_planes_8x32', 5, 40 * 4, 'matmat_planes_8x4, matvec_planes_8x32'],
  ])('finds one wrong bit of %s', async (kernel, outArgument, outBytes, name) => {
    expect(wrongOnes(await withWrong(kernel, outArgument, outBytes))).toContain(name);
  });
});

describe('chooseKernels', () => {
  it('takes the plain build where the relaxed one does not run, and says so', async () => {
    const { variant, report } = await chooseKernels(onlyPlain);
    expect(variant).toBe('plain');
    expect(report.failures).toEqual(['relaxed: does not run here']);
    expect(report.kernels).toHaveLength(6);
    expect(report.speeds).toEqual([]); // the plain build has one way only
  });

  it('refuses where no build is right', async () => {
    await expect(chooseKernels(() => Promise.resolve(garbage))).rejects.toMatchObject({
      code: 'engine/backend-unavailable',
    });
  });

  it('tries once, remembers, and tries again what cannot be read', async () => {
    let stored: unknown;
    let trials = 0;
    const store = {
      read: () => Promise.resolve(stored),
      write: (choice: KernelChoice) => {
        stored = structuredClone(choice);
        trials++;
        return Promise.resolve();
      },
    };
    const first = await chooseKernels(onlyPlain, store);
    const second = await chooseKernels(() => Promise.reject(new Error('not needed')), store);
    expect(second).toEqual({ ...first, report: { ...first.report, remembered: true } });
    stored = { variant: 'other' };
    expect((await chooseKernels(onlyPlain, store)).report.remembered).toBe(false);
    expect(trials).toBe(2);
    const broken = { ...store, read: () => Promise.reject(new Error('no storage')) };
    expect((await chooseKernels(onlyPlain, broken)).variant).toBe('plain');
  });
});
