/**
 * Which kernels this device gets: the fastest of those that are right on it. Found by trying when the
 * app runs here for the first time, and remembered for this build of the kernels.
 */
import { AppError } from '../../../common/errors.ts';
import type { KernelReport } from '../backend.ts';
import { chooseDotMethods, dotMethodNames, type DotChoice, type DotMethods } from './dot-method.ts';
import { compileKernels, instantiateKernels } from './kernel-module.ts';
import { testKernels, type SelfTest } from './self-test.ts';

export type KernelVariant = 'relaxed' | 'plain';

export interface KernelChoice {
  readonly variant: KernelVariant;
  readonly dotMethods: DotMethods;
  readonly report: KernelReport;
}

/** Where a choice is remembered for one build of the kernels; losing it costs a new trial. */
export interface ChoiceStore {
  read(): Promise<unknown>;
  write(choice: KernelChoice): Promise<void>;
}

const TEST_MEMORY_BYTES = 8 * 1024 * 1024;

async function tryVariant(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<{ readonly test: SelfTest; readonly dot: DotChoice } | null> {
  try {
    if (!WebAssembly.validate(bytes)) return null;
    const kernels = instantiateKernels(await compileKernels(bytes), TEST_MEMORY_BYTES);
    const test = testKernels(kernels);
    return { test, dot: chooseDotMethods(kernels, test.dotMethods) };
  } catch {
    return null; // an engine that fails here has no usable build of this kind, whatever the reason
  }
}

/**
 * Tries the builds, the faster one first. One of which a kernel is wrong is never used.
 * @throws AppError `engine/backend-unavailable` where none is right
 */
async function chooseByTrying(
  fetchKernels: (variant: KernelVariant) => Promise<Uint8Array<ArrayBuffer>>,
): Promise<KernelChoice> {
  const startedAt = performance.now();
  const failures: string[] = [];
  for (const variant of ['relaxed', 'plain'] as const) {
    const tried = await tryVariant(await fetchKernels(variant));
    const wrong = tried?.test.checks.filter(({ right }) => !right) ?? [];
    if (tried !== null && wrong.length === 0) {
      const milliseconds = Math.round(performance.now() - startedAt);
      const { checks } = tried.test;
      const kernels = checks.map(({ kernel }) => kernel);
      const { decode, prefill, speeds } = tried.dot;
      const nameOf = (method: number): string => dotMethodNames[method] ?? String(method);
      const [method, prefillMethod] = [nameOf(decode), nameOf(prefill)];
      const found = { method, prefillMethod, speeds, kernels, failures };
      return {
        variant,
        dotMethods: { decode, prefill },
        report: { variant, ...found, milliseconds, remembered: false },
      };
    }
    failures.push(
      ...(tried === null ? [`${variant}: does not run here`] : []),
      ...wrong.map(({ kernel }) => `${variant}: ${kernel} is wrong here`),
    );
  }
  throw new AppError(
    'engine/backend-unavailable',
    'This browser has no WebAssembly SIMD that computes right, which Hermit needs to run models. Update the browser.',
    { details: { failures } },
  );
}

function isChoice(value: unknown): value is KernelChoice {
  const { variant, dotMethods, report } = (value ?? {}) as Partial<KernelChoice>;
  return (
    (variant === 'relaxed' || variant === 'plain') &&
    Number.isInteger(dotMethods?.decode) &&
    Number.isInteger(dotMethods?.prefill) &&
    Array.isArray(report?.speeds) &&
    Array.isArray(report.kernels) &&
    Array.isArray(report.failures)
  );
}

/** @throws AppError `engine/backend-unavailable`, and what `fetchKernels` throws */
export async function chooseKernels(
  fetchKernels: (variant: KernelVariant) => Promise<Uint8Array<ArrayBuffer>>,
  store?: ChoiceStore,
): Promise<KernelChoice> {
  // A store that fails only costs the time of a trial.
  const known = await store?.read().catch(() => undefined);
  if (isChoice(known)) return { ...known, report: { ...known.report, remembered: true } };
  const choice = await chooseByTrying(fetchKernels);
  await store?.write(choice).catch(() => undefined);
  return choice;
}
