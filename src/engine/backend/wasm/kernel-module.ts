/**
 * Instantiates the compiled kernels, checks that they are the ones this code was written for, and
 * gives their exports types.
 */
import { AppError } from '../../../common/errors.ts';
import { LARGEST_MEMORY_BYTES, WasmHeap } from './wasm-heap.ts';

/** Equals HERMIT_ABI of wasm/include/command.h: layouts and exports this code expects. */
export const KERNEL_ABI = 11;

const PAGE_BYTES = 65536;
/** Room for the module's data and stack; the module itself declares less. */
const INITIAL_PAGES = 16;

/** Exported functions by name. Addresses and sizes are numbers. */
export interface Kernels {
  readonly module: WebAssembly.Module;
  readonly memory: WebAssembly.Memory;
  readonly heap: WasmHeap;
  /** Bytes of one quantised activation in this build: 1 relaxed, 2 plain. */
  readonly activationBytes: number;
  readonly call: (name: string, ...values: readonly number[]) => number;
}

function toError(cause: unknown, message: string): AppError {
  return new AppError('engine/backend-unavailable', message, { cause });
}

function readHeapBase(exported: unknown): number {
  const value = (exported as { readonly value?: unknown } | undefined)?.value;
  return typeof value === 'number' ? value : -1;
}

/** @throws AppError `engine/backend-unavailable` when this engine cannot compile the module */
export async function compileKernels(
  source: Uint8Array<ArrayBuffer> | WebAssembly.Module,
): Promise<WebAssembly.Module> {
  if (source instanceof WebAssembly.Module) return source;
  try {
    return await WebAssembly.compile(source);
  } catch (cause) {
    throw toError(cause, 'This browser cannot run the WebAssembly kernels. Update the browser.');
  }
}

function createMemory(maximumBytes: number, shared: boolean): WebAssembly.Memory {
  const maximum = Math.max(INITIAL_PAGES, Math.floor(maximumBytes / PAGE_BYTES));
  try {
    return new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum, shared });
  } catch (cause) {
    throw new AppError(
      'engine/out-of-memory',
      'This browser tab has no memory left for the model. Close other tabs and try again.',
      { details: { requestedBytes: INITIAL_PAGES * PAGE_BYTES, maximumBytes }, cause },
    );
  }
}

/**
 * @param shared whether the module was built for a memory that threads share
 * @throws AppError `engine/asset-mismatch` when the module is of another version,
 * `engine/out-of-memory`, `engine/backend-unavailable`
 */
export function instantiateKernels(
  module: WebAssembly.Module,
  maximumBytes: number = LARGEST_MEMORY_BYTES,
  shared = false,
): Kernels {
  const memory = createMemory(Math.min(maximumBytes, LARGEST_MEMORY_BYTES), shared);
  let exports: Record<string, unknown>;
  try {
    exports = new WebAssembly.Instance(module, { env: { memory } }).exports;
  } catch (cause) {
    throw toError(cause, 'The WebAssembly kernels could not be started. Reload the page.');
  }
  const call = (name: string, ...values: readonly number[]): number => {
    const kernel = exports[name];
    if (typeof kernel !== 'function') throw mismatch(name);
    return Number((kernel as (...values: readonly number[]) => unknown)(...values));
  };
  const abi = typeof exports['hermit_abi'] === 'function' ? call('hermit_abi') : -1;
  const base = readHeapBase(exports['__heap_base']);
  if (abi !== KERNEL_ABI || base < 0) throw mismatch(`version ${abi}`);
  const heap = new WasmHeap(memory, base, maximumBytes);
  return { module, memory, heap, activationBytes: call('hermit_activation_bytes'), call };
}

function mismatch(found: string): AppError {
  return new AppError(
    'engine/asset-mismatch',
    'The app was updated only in part. Reload the page to finish the update.',
    { details: { expectedAbi: KERNEL_ABI, found } },
  );
}
