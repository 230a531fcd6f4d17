/**
 * `npm run bench -- --peers`: whole models in Hermit and in other engines, side by side in one page
 * of headless Chromium that is cross-origin isolated. Runs in Node; `peers-page.ts` is the page.
 */
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { alignUp } from '../../../src/common/bytes.ts';
import type { SyntheticMix } from '../../fixtures/synthetic-llama.ts';
import { syntheticLlama } from '../../fixtures/synthetic-llama.ts';
import type { serveIsolated, ServedFile } from '../isolated-server.mjs';
import { makeModelFile, modelShapes, type ModelName } from '../model-shapes.ts';
import { launchPlainBrowser, type PlainPage } from '../plain-page.ts';
import { findBrowserProcess, MemoryWatch } from '../process-memory.ts';
import { measureNative } from './native-peer.ts';
import type * as peersPage from './peers-page.ts';
import type { PeerName, PeersOptions, PeersResult, Sample, StepProfile } from './peers-page.ts';

type PeersPage = typeof peersPage;

declare global {
  /** The page's own; named only inside functions that run in the page. */
  var peers: PeersPage;
}

export interface PeersBenchOptions {
  /** A shape to be made, or the path of a GGUF file. */
  readonly model: string;
  readonly type: SyntheticMix;
  readonly threads: number;
  readonly rounds: number;
  readonly prompts: readonly number[];
  readonly contexts: readonly number[];
  readonly secondsPerMeasure: number;
  readonly peers: readonly PeerName[];
  readonly native: boolean;
  readonly matrix: boolean;
  readonly profile: boolean;
  /** Folder of the TypeScript sources of this benchmark. */
  readonly folder: string;
  /** `peers-page.ts` as a script, and what serves it: made by who knows where the sources lie. */
  readonly pageScript: string;
  readonly serve: typeof serveIsolated;
  /** The module that reads memory as fast as it can. */
  readonly stream: Uint8Array<ArrayBuffer>;
}

export interface PeersReport {
  readonly model: string;
  readonly type: string;
  readonly threads: number;
  readonly fileBytes: number;
  /** Of Hermit's logits against the reference backend; null: the file is too large for that. */
  readonly error: number | null;
  readonly weightBytes: number;
  readonly readingSpeed: number;
  readonly samples: readonly Sample[];
  /** Growth of the renderer's resident memory, in bytes. */
  readonly memory: Readonly<Record<string, number>>;
  readonly profile: readonly StepProfile[];
}

const NMSE_LIMIT = 5e-3;
/** A file up to this size is compared with the reference backend as it is. */
const LARGEST_COMPARED_BYTES = 200e6;
const SETTLE_MS = 2500;

function isShape(model: string): model is ModelName {
  return model in modelShapes;
}

/** A file of the same widths that the reference backend can compute. */
function smallFile(model: ModelName, type: SyntheticMix): Uint8Array<ArrayBuffer> {
  const shape = { ...modelShapes[model], layers: 2, vocabularySize: 1024 };
  return syntheticLlama({ ...shape, contextLength: 64, type });
}

function servedFiles(
  options: PeersBenchOptions,
  model: string,
  small: Uint8Array<ArrayBuffer> | null,
): Record<string, ServedFile> {
  const wasm = 'application/wasm';
  const packages = join(options.folder, '..', '..', '..', 'node_modules');
  const onnx = (file: string): string => join(packages, 'onnxruntime-web', 'dist', file);
  const script = 'text/javascript';
  return {
    '/peers': { type: 'text/html', body: '<!doctype html><script src="/peers.js"></script>' },
    '/peers.js': { type: script, body: options.pageScript },
    '/stream.wasm': { type: wasm, body: options.stream },
    '/model.gguf': { type: 'application/octet-stream', file: model },
    ...(small === null ? {} : { '/small.gguf': { type: 'application/octet-stream', body: small } }),
    '/wllama.wasm': {
      type: wasm,
      file: join(packages, '@wllama/wllama', 'esm/wasm/wllama.wasm'),
    },
    '/ort.wasm.min.js': { type: script, file: onnx('ort.wasm.min.js') },
    '/ort-wasm-simd-threaded.mjs': { type: script, file: onnx('ort-wasm-simd-threaded.mjs') },
    '/ort-wasm-simd-threaded.wasm': { type: wasm, file: onnx('ort-wasm-simd-threaded.wasm') },
  };
}

async function withPage<T>(
  url: string,
  work: (page: PlainPage, profile: string) => Promise<T>,
): Promise<T> {
  const profile = await mkdtemp(join(tmpdir(), 'hermit-peers-'));
  const browser = await launchPlainBrowser(profile);
  try {
    const page = await browser.openPage(`${url}peers`);
    return await work(page, profile);
  } finally {
    await browser.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** How far one engine's memory rises above the idle page. */
function peakMemory(url: string, options: PeersOptions, name: PeerName): Promise<number> {
  return withPage(url, async (page, profile) => {
    const watch = new MemoryWatch(await findBrowserProcess(profile));
    try {
      await pause(SETTLE_MS);
      const idle = watch.restart();
      await page.evaluate(({ peer, load }) => globalThis.peers.useAlone(peer, load), {
        peer: name,
        load: options,
      });
      return watch.peakGrowth(idle).renderer;
    } finally {
      watch.stop();
    }
  });
}

async function logitError(
  page: PlainPage,
  small: Uint8Array<ArrayBuffer> | null,
  fileBytes: number,
  threads: number,
): Promise<number | null> {
  if (small === null && fileBytes > LARGEST_COMPARED_BYTES) return null;
  const address = small === null ? '/model.gguf' : '/small.gguf';
  const error = await page.evaluate(
    (argument) => globalThis.peers.checkLogits(argument.address, argument.threads),
    { address, threads },
  );
  if (!(error < NMSE_LIMIT))
    throw new Error(`Hermit's logits are off by ${error}: nothing is measured.`);
  return error;
}

export async function runPeersBench(options: PeersBenchOptions): Promise<PeersReport> {
  const folder = await mkdtemp(join(tmpdir(), 'hermit-peers-model-'));
  const { model, type, threads } = options;
  const contextLength = alignUp(Math.max(...options.prompts, ...options.contexts) + 64, 256);
  const { rounds, prompts, contexts, secondsPerMeasure, peers } = options;
  const measured: PeersOptions = {
    ...{ rounds, prompts, contexts, secondsPerMeasure, peers },
    ...{ threads, contextLength },
  };
  try {
    const path = isShape(model) ? join(folder, 'model.gguf') : model;
    if (isShape(model)) await writeFile(path, makeModelFile(model, type, contextLength));
    const small = isShape(model) ? smallFile(model, type) : null;
    const { size } = await stat(path);
    const site = await options.serve(
      join(options.folder, 'hermit-peer-worker.ts'),
      servedFiles(options, path, small),
    );
    try {
      const error = await withPage(site.url, (page) => logitError(page, small, size, threads));
      const { matrix, profile } = options;
      const results = await withPage(site.url, async (page) => ({
        profile: profile
          ? await page.evaluate((argument) => globalThis.peers.profileSteps(argument), measured)
          : [],
        matrix: matrix
          ? await page.evaluate((rounds) => globalThis.peers.measureMatrix(rounds), options.rounds)
          : [],
      }));
      const models: PeersResult =
        options.peers.length === 0
          ? { samples: [], weightBytes: 0, readingSpeed: 0 }
          : await withPage(site.url, (page) =>
              page.evaluate((argument) => globalThis.peers.measurePeers(argument), measured),
            );
      const native = options.native ? await measureNative(path, measured) : [];
      const memory: Record<string, number> = {};
      for (const peer of options.peers) memory[peer] = await peakMemory(site.url, measured, peer);
      return {
        model: isShape(model) ? model : (model.split('/').at(-1) ?? model),
        type: isShape(model) ? type : '',
        threads,
        fileBytes: size,
        error,
        weightBytes: models.weightBytes,
        readingSpeed: models.readingSpeed,
        samples: [...models.samples, ...native, ...results.matrix],
        memory,
        profile: results.profile,
      };
    } finally {
      site.close();
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
