/**
 * What this browser can do, found by trying and never by its name.
 */
import { browserEngine, deviceClass } from './device-class.ts';
import { canShareMemory } from './kernel-threads.ts';
import { memoryHints } from './memory-budget.ts';

export interface Capabilities {
  readonly crossOriginIsolated: boolean;
  /** Whether threads can share memory, and so compute together. */
  readonly sharedMemory: boolean;
  /** Logical cores the browser admits to. */
  readonly cores: number;
  readonly simd: 'relaxed' | 'plain' | 'none';
  /** Whether a WebGPU adapter was given. */
  readonly webgpu: boolean;
  /** What that adapter says of itself; null where there is none. */
  readonly gpu: GpuCapabilities | null;
  /** Coarse and stable (`device-class.ts`): the same for all devices of which the same is to be expected. */
  readonly deviceClass: string;
}

export interface GpuCapabilities {
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** Computed by the processor; the browser's own word, which not every one gives. */
  readonly fallback: boolean;
  readonly features: readonly string[];
}

// Smallest modules that use one instruction each: i8x16.popcnt, and i8x16.relaxed_swizzle.
const simdModule = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 10, 1, 8, 0, 65, 0, 253, 15,
  253, 98, 11,
];
const relaxedSimdModule = [
  0, 97, 115, 109, 1, 0, 0, 0, 1, 5, 1, 96, 0, 1, 123, 3, 2, 1, 0, 10, 15, 1, 13, 0, 65, 1, 253, 15,
  65, 2, 253, 15, 253, 128, 2, 11,
];

interface GpuAdapterLike {
  readonly features: Iterable<string>;
  readonly info: {
    readonly vendor: string;
    readonly architecture: string;
    readonly description: string;
    readonly isFallbackAdapter?: boolean;
  };
}

interface GpuNavigator {
  readonly gpu?: { requestAdapter(): Promise<GpuAdapterLike | null> };
}

export async function probeCapabilities(): Promise<Capabilities> {
  const gpu = await probeWebGpu();
  const simd = probeSimd();
  const { hardwareConcurrency: cores } = navigator;
  return {
    crossOriginIsolated: globalThis.crossOriginIsolated,
    sharedMemory: canShareMemory(),
    cores,
    simd,
    webgpu: gpu !== null,
    gpu,
    deviceClass: deviceClass({ ...memoryHints(), engine: browserEngine(), cores, simd, gpu }),
  };
}

function probeSimd(): Capabilities['simd'] {
  if (WebAssembly.validate(new Uint8Array(relaxedSimdModule))) return 'relaxed';
  return WebAssembly.validate(new Uint8Array(simdModule)) ? 'plain' : 'none';
}

async function probeWebGpu(): Promise<GpuCapabilities | null> {
  try {
    const adapter = await (navigator as GpuNavigator).gpu?.requestAdapter();
    if (adapter === undefined || adapter === null) return null;
    const { vendor, architecture, description, isFallbackAdapter: fallback = false } = adapter.info;
    const features = [...adapter.features].sort();
    return { vendor, architecture, description, fallback, features };
  } catch {
    // Some browsers expose the entry and throw where the GPU is blocked: the same as having none.
    return null;
  }
}
