/**
 * What this browser can do, found by trying and never by its name.
 */

export interface Capabilities {
  readonly crossOriginIsolated: boolean;
  /** Logical cores the browser admits to. */
  readonly cores: number;
  readonly simd: 'relaxed' | 'plain' | 'none';
  /** Whether a WebGPU adapter was given. */
  readonly webgpu: boolean;
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

interface GpuNavigator {
  readonly gpu?: { requestAdapter(): Promise<unknown> };
}

export async function probeCapabilities(): Promise<Capabilities> {
  return {
    crossOriginIsolated: globalThis.crossOriginIsolated,
    cores: navigator.hardwareConcurrency,
    simd: probeSimd(),
    webgpu: await probeWebGpu(),
  };
}

function probeSimd(): Capabilities['simd'] {
  if (WebAssembly.validate(new Uint8Array(relaxedSimdModule))) return 'relaxed';
  return WebAssembly.validate(new Uint8Array(simdModule)) ? 'plain' : 'none';
}

async function probeWebGpu(): Promise<boolean> {
  try {
    const adapter = await (navigator as GpuNavigator).gpu?.requestAdapter();
    return adapter !== undefined && adapter !== null;
  } catch {
    // Some browsers expose the entry and throw where the GPU is blocked: the same as having none.
    return false;
  }
}
