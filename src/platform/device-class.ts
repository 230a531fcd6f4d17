/**
 * The class a device belongs to: coarse and stable, so that what was measured on one device says
 * something about others of its class, and a report that names it gives nobody away.
 */

export interface DeviceTraits {
  readonly cores: number;
  readonly simd: 'relaxed' | 'plain' | 'none';
  readonly gpu: GpuTraits | null;
  /** GiB as the browser admits; undefined where it does not. */
  readonly deviceMemory: number | undefined;
  readonly mobile: boolean;
  readonly engine: BrowserEngine;
}

export interface GpuTraits {
  readonly vendor: string;
  readonly architecture: string;
  /** Computed by the processor. */
  readonly fallback: boolean;
}

/** What renders the page: it is also what compiles WebAssembly, and they differ in how well. */
export type BrowserEngine = 'blink' | 'gecko' | 'webkit' | 'unknown';

/** The features that tell engines apart, by what they can do and not by their names. */
export interface EngineFeatures {
  supports(property: string, value: string): boolean;
}

const coreSteps = [1, 2, 4, 6, 8, 12, 16, 24, 32] as const;
const memorySteps = [1, 2, 4, 8, 16, 32] as const;

/** By style properties that one engine alone knows. */
export function browserEngine(css: EngineFeatures = CSS): BrowserEngine {
  if (css.supports('-moz-appearance', 'none')) return 'gecko';
  if (css.supports('-webkit-nbsp-mode', 'space')) return 'webkit';
  if (css.supports('app-region', 'drag')) return 'blink';
  return 'unknown';
}

/** For example `desktop/blink/cores-8/memory-8/relaxed/intel-gen-12lp`. */
export function deviceClass(traits: DeviceTraits): string {
  const { cores, simd, gpu, deviceMemory, mobile, engine } = traits;
  const memory = deviceMemory === undefined ? 'unknown' : stepBelow(memorySteps, deviceMemory);
  return [
    mobile ? 'mobile' : 'desktop',
    engine,
    `cores-${stepBelow(coreSteps, cores)}`,
    `memory-${memory}`,
    simd,
    gpuFamily(gpu),
  ].join('/');
}

/** A program that pretends to be a graphics card is none. */
function gpuFamily(gpu: GpuTraits | null): string {
  if (gpu === null) return 'no-gpu';
  if (gpu.fallback) return 'software-gpu';
  const family = [gpu.vendor, gpu.architecture].filter((part) => part !== '').join('-');
  const plain = family.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-');
  return plain === '' ? 'gpu' : plain;
}

/** The largest of the steps that is reached; the first one for what is less. */
function stepBelow(steps: readonly [number, ...number[]], value: number): number {
  return steps.findLast((step) => step <= value) ?? steps[0];
}
