/**
 * `npm run bench -- --storage`: what storing, checking and loading models costs in memory and time,
 * through the built page in headless Chromium, with files made up as they are served.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { loadavg, tmpdir } from 'node:os';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { createStaticServer } from '../../scripts/serve.mjs';
import type { Hermit } from '../../src/app/page-api/hermit.ts';
import type { SyntheticType } from '../fixtures/synthetic-llama.ts';
import {
  findBrowserProcess,
  median,
  type MemorySample,
  MemoryWatch,
  type PeakGrowth,
} from './process-memory.ts';
import { launchPlainBrowser, type PlainPage } from './plain-page.ts';
import { startStorageServer, syntheticFile } from './storage-server.ts';

declare global {
  /** The page's own; named only inside functions that run in the page. */
  var hermit: Hermit;
}

export interface StorageBenchOptions {
  /** Folder of the built page. */
  readonly dist: string;
  readonly rounds: number;
  /** Of the file that is downloaded and verified. */
  readonly storedBytes: number;
  /** Of the models that are loaded. */
  readonly loadedBytes: number;
}

export interface StorageRow {
  readonly step: string;
  /** Median of all rounds, in millions of bytes a second. */
  readonly megabytesPerSecond: number;
  /** Of all rounds. */
  readonly speeds: readonly number[];
  /** How far memory rose above the idle page, the worst of all rounds, in bytes. */
  readonly growth: PeakGrowth;
  /** Growth of browser and renderer in each round. */
  readonly growths: readonly number[];
  readonly loadAverage: number;
}

interface Measurement {
  readonly bytes: number;
  readonly seconds: number;
  readonly growth: PeakGrowth;
}

const settleMs = 3000;
const loadedTypes: readonly SyntheticType[] = ['Q4_0', 'Q8_0', 'Q5_1'];

export async function runStorageBench(options: StorageBenchOptions): Promise<StorageRow[]> {
  const models = {
    'stored.gguf': syntheticFile('Q8_0', options.storedBytes),
    ...Object.fromEntries(
      loadedTypes.map((type) => [`${type}.gguf`, syntheticFile(type, options.loadedBytes)]),
    ),
  };
  const modelServer = await startStorageServer(models);
  const pageServer = createStaticServer(options.dist);
  pageServer.listen(0, '127.0.0.1');
  await once(pageServer, 'listening');
  const { port } = pageServer.address() as AddressInfo;
  const steps = new Map<string, Measurement[]>();
  const note = (step: string, measurement: Measurement): void => {
    steps.set(step, [...(steps.get(step) ?? []), measurement]);
  };
  try {
    for (let round = 0; round < options.rounds; round++) {
      await runRound(`http://localhost:${port}/`, (name) => modelServer.url(name), note);
    }
  } finally {
    pageServer.close();
    pageServer.closeAllConnections();
    await modelServer.close();
  }
  return [...steps].map(([step, measurements]) => summary(step, measurements));
}

function summary(step: string, measurements: readonly Measurement[]): StorageRow {
  const speeds = measurements.map(({ bytes, seconds }) => bytes / seconds / 1e6);
  const growths = measurements.map(({ growth }) => growth.browserAndRenderer);
  const worst = growths.indexOf(Math.max(...growths));
  const growth = measurements[worst]?.growth;
  if (growth === undefined) throw new Error('Nothing was measured.');
  return {
    step,
    megabytesPerSecond: median(speeds),
    speeds,
    growth,
    growths,
    loadAverage: loadavg()[0] ?? 0,
  };
}

/** One browser on a fresh profile: a download, its check, then loads, each from an idle page. */
async function runRound(
  pageUrl: string,
  modelUrl: (name: string) => string,
  note: (step: string, measurement: Measurement) => void,
): Promise<void> {
  const profile = await mkdtemp(join(tmpdir(), 'hermit-bench-'));
  const browser = await launchPlainBrowser(profile);
  const watch = new MemoryWatch(await findBrowserProcess(profile));
  try {
    const page = await browser.openPage(pageUrl);
    const idle = await settle(watch);
    const store = await measure(watch, idle, () => install(page, modelUrl('stored.gguf')));
    note('download', store);
    const idleAgain = await settle(watch);
    note('verify', await measure(watch, idleAgain, () => verify(page, store.value)));
    await remove(page, store.value);
    for (const type of loadedTypes) {
      const { value: id } = await measure(watch, idle, () =>
        install(page, modelUrl(`${type}.gguf`)),
      );
      const idleBefore = await settle(watch);
      note(`load ${type}`, await measure(watch, idleBefore, () => load(page, id)));
      await remove(page, id);
    }
  } finally {
    watch.stop();
    await browser.close();
    // Chromium's last helper process may still write for a moment.
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Memory of the page when nothing happens. */
async function settle(watch: MemoryWatch): Promise<MemorySample> {
  await pause(settleMs);
  watch.restart();
  await pause(settleMs);
  return watch.restart();
}

async function measure<T extends { readonly bytes: number }>(
  watch: MemoryWatch,
  idle: MemorySample,
  work: () => Promise<T & { value: string }>,
): Promise<Measurement & { readonly value: string }> {
  watch.restart();
  const start = performance.now();
  const { bytes, value } = await work();
  const seconds = (performance.now() - start) / 1000;
  return { bytes, seconds, growth: watch.peakGrowth(idle), value };
}

interface Done {
  readonly bytes: number;
  /** Id of the model. */
  readonly value: string;
}

function bytesOf(page: PlainPage, id: string): Promise<number> {
  return page.evaluate(async (wanted) => {
    const entries = await globalThis.hermit.models.list();
    return entries.find((entry) => entry.id === wanted)?.bytesTotal ?? 0;
  }, id);
}

async function install(page: PlainPage, url: string): Promise<Done> {
  const value = await page.evaluate((address) => globalThis.hermit.models.install(address), url);
  return { value, bytes: await bytesOf(page, value) };
}

async function verify(page: PlainPage, id: string): Promise<Done> {
  await page.evaluate((model) => globalThis.hermit.models.verify(model), id);
  return { value: id, bytes: await bytesOf(page, id) };
}

async function load(page: PlainPage, id: string): Promise<Done> {
  await page.evaluate((model) => globalThis.hermit.models.load(model), id);
  return { value: id, bytes: await bytesOf(page, id) };
}

async function remove(page: PlainPage, id: string): Promise<void> {
  await page.evaluate((model) => globalThis.hermit.models.remove(model), id);
}
