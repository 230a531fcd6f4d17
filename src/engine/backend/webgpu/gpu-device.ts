/**
 * Opens a device of an adapter: which optional features are used, which limits hold, what it is.
 *
 * Nothing optional is required. Limits are raised to what the adapter has where that makes bindings
 * larger; everything works within the defaults of the WebGPU specification.
 */
import { AppError } from '../../../common/errors.ts';
import type { SubmitPacer } from './submit-pacer.ts';

/** What kernels may use when the adapter has it; each can be switched off for tests and by the self-test. */
export interface GpuFeatures {
  /** `shader-f16` */
  readonly f16: boolean;
  readonly subgroups: boolean;
  /** The language feature `packed_4x8_integer_dot_product`. */
  readonly packedDot: boolean;
  /** `timestamp-query`, for the profiler. */
  readonly timestamps: boolean;
}

export const noFeatures: GpuFeatures = {
  f16: false,
  subgroups: false,
  packedDot: false,
  timestamps: false,
};

export interface GpuOptions {
  /** Features not to use though the adapter has them. */
  readonly without?: readonly (keyof GpuFeatures)[];
  /** Most bytes of weights in one binding, at most what the adapter has; the specification's default is 128 MiB. */
  readonly bindingBytes?: number;
  /** What is known of the adapter's speed. */
  readonly pacer?: SubmitPacer;
}

export interface GpuAdapterInfo {
  readonly name: string;
  /** Computed by the processor (SwiftShader, llvmpipe, WARP): correct, and slower than the CPU backend. */
  readonly software: boolean;
}

export interface GpuDevice {
  readonly device: GPUDevice;
  readonly features: GpuFeatures;
  readonly adapter: GpuAdapterInfo;
  /** Most bytes of weights in one storage binding. */
  readonly bindingBytes: number;
  /** Most bytes of one buffer. */
  readonly bufferBytes: number;
}

/** Names of adapters that are programs, for browsers that do not set `isFallbackAdapter`. */
const softwareNames = /swiftshader|llvmpipe|lavapipe|basic render|software|warp/i;

/** A name for people, and whether it is a program. */
export function describeAdapter({ info }: GPUAdapter): GpuAdapterInfo {
  const parts = [info.description, info.device, info.architecture, info.vendor];
  const name = parts.find((part) => part !== '') ?? '';
  const all = parts.join(' ');
  return {
    name: name === '' ? 'unnamed adapter' : name,
    software: info.isFallbackAdapter || softwareNames.test(all),
  };
}

/** The adapter the browser prefers for computing, or null where there is none. */
export async function requestAdapter(gpu: GPU | undefined): Promise<GPUAdapter | null> {
  try {
    return (await gpu?.requestAdapter({ powerPreference: 'high-performance' })) ?? null;
  } catch {
    // Some browsers expose the entry and throw where the GPU is blocked: the same as having none.
    return null;
  }
}

/** What is there before a device is opened, null where there is nothing. */
export async function findGpu(gpu: GPU | undefined): Promise<GpuAdapterInfo | null> {
  const adapter = await requestAdapter(gpu);
  return adapter === null ? null : describeAdapter(adapter);
}

function featuresOf(
  adapter: GPUAdapter,
  language: ReadonlySet<string>,
  without: readonly (keyof GpuFeatures)[],
): GpuFeatures {
  const has = {
    f16: adapter.features.has('shader-f16'),
    subgroups: adapter.features.has('subgroups'),
    packedDot: language.has('packed_4x8_integer_dot_product'),
    timestamps: adapter.features.has('timestamp-query'),
  };
  for (const name of without) has[name] = false;
  return has;
}

function featureNames(features: GpuFeatures): GPUFeatureName[] {
  const names: GPUFeatureName[] = [];
  if (features.f16) names.push('shader-f16');
  if (features.subgroups) names.push('subgroups');
  if (features.timestamps) names.push('timestamp-query');
  return names;
}

/** @throws AppError `engine/backend-unavailable` without an adapter or when it gives no device */
export async function openGpu(gpu: GPU | undefined, options: GpuOptions = {}): Promise<GpuDevice> {
  const adapter = await requestAdapter(gpu);
  if (gpu === undefined || adapter === null) {
    throw new AppError(
      'engine/backend-unavailable',
      'This browser offers no graphics card to compute with (WebGPU). The processor can be used instead.',
    );
  }
  const features = featuresOf(adapter, gpu.wgslLanguageFeatures, options.without ?? []);
  const { maxStorageBufferBindingSize, maxBufferSize } = adapter.limits;
  const wantedBytes = Math.min(options.bindingBytes ?? Infinity, maxStorageBufferBindingSize);
  try {
    const device = await adapter.requestDevice({
      requiredFeatures: featureNames(features),
      requiredLimits:
        options.bindingBytes === undefined ? { maxStorageBufferBindingSize, maxBufferSize } : {},
    });
    const bindingBytes = Math.min(wantedBytes, device.limits.maxStorageBufferBindingSize);
    return {
      device,
      features,
      adapter: describeAdapter(adapter),
      // Offsets inside a slab are counted in units of 16 bytes in a u32; beyond 1 GiB nothing is gained.
      bindingBytes: Math.min(bindingBytes, 1024 * 1024 * 1024) & ~255,
      bufferBytes: device.limits.maxBufferSize,
    };
  } catch (cause) {
    throw new AppError(
      'engine/backend-unavailable',
      'The graphics card refused to start. The processor can be used instead.',
      { cause },
    );
  }
}
