/**
 * What a browser has of that which Hermit uses, asked of the running page. `features.json` keeps the
 * answers of the browsers that the tests were last run in, for the table in the README:
 * `HERMIT_RECORD_ENGINES=1 npx vitest run --project browser test/browser/engines`.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export interface EngineFeatures {
  readonly browser: string;
  readonly simd: string;
  /** Threads of the model's backend, as it names itself. */
  readonly backend: string;
  readonly sharedMemory: boolean;
  readonly webgpu: boolean;
  readonly battery: boolean;
  readonly pressure: boolean;
  readonly deviceMemory: boolean;
  readonly serviceWorker: boolean;
  readonly originPrivateFiles: boolean;
  /** What the browser says a site may store, in bytes. */
  readonly quotaBytes: number | null;
}

/** Runs in the page, after a model was loaded. */
export async function featuresInPage(name: string): Promise<EngineFeatures> {
  const report = await globalThis.hermit.device.report();
  const estimate = await navigator.storage.estimate().catch(() => null);
  const files = await navigator.storage.getDirectory().then(
    () => true,
    () => false,
  );
  return {
    browser: name,
    simd: report.model?.kernels?.variant ?? report.simd,
    backend: report.model?.backend ?? '',
    sharedMemory: report.sharedMemory,
    webgpu: report.webgpu,
    battery: 'getBattery' in navigator,
    pressure: 'PressureObserver' in globalThis,
    deviceMemory: 'deviceMemory' in navigator,
    serviceWorker: 'serviceWorker' in navigator,
    originPrivateFiles: files,
    quotaBytes: estimate?.quota ?? null,
  };
}

const path = fileURLToPath(new URL('features.json', import.meta.url));

export function recordedFeatures(): EngineFeatures[] {
  return JSON.parse(readFileSync(path, 'utf8')) as EngineFeatures[];
}

/** Keeps what these browsers have, in place of what was kept before. */
export function recordFeatures(features: readonly EngineFeatures[]): void {
  // Drivers hand objects over with their keys in any order.
  const names = Object.keys(features[0] ?? {});
  writeFileSync(path, `${JSON.stringify(features, names, 2)}\n`);
}
