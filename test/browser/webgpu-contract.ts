/** Runs in a worker of a browser: the contract of backends on WebGPU, see `webgpu.test.ts`. */
import { createWebGpuBackend } from '../../src/engine/backend/webgpu/create-webgpu-backend.ts';
import type { GpuOptions } from '../../src/engine/backend/webgpu/gpu-device.ts';
import { webGpuTolerances } from '../contract/backend/webgpu-tolerances.ts';
import { describeBackend } from '../contract/backend/conformance.ts';
import { runAll, type TestResult } from './contract-runner.ts';

/** What one run is asked for. */
export interface ContractRequest {
  readonly kernels: Uint8Array<ArrayBuffer>;
  readonly options: GpuOptions;
  /** Regular expression for the tests' full names; empty: all. */
  readonly only: string;
}

export async function runContract(request: ContractRequest): Promise<TestResult[]> {
  const create = () =>
    createWebGpuBackend(navigator.gpu, () => Promise.resolve(request.kernels), request.options);
  describeBackend('WebGPU', create, webGpuTolerances, { oneForAll: true });
  return runAll(request.only === '' ? undefined : new RegExp(request.only));
}
