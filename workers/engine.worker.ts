/** The engine's thread: reads stored blocks itself, computes, and never connects anywhere. */
import { createWasmBackend } from '../src/engine/backend/wasm/create-wasm-backend.ts';
import type { WasmBackend } from '../src/engine/backend/wasm/wasm-backend.ts';
import { createWebGpuBackend } from '../src/engine/backend/webgpu/create-webgpu-backend.ts';
import { findGpu } from '../src/engine/backend/webgpu/gpu-device.ts';
import { Embedder } from '../src/engine/embedder.ts';
import { Engine } from '../src/engine/engine.ts';
import type { EmbedderApi, EngineApi } from '../src/rpc/contracts.ts';
import { exposeApi } from '../src/rpc/expose.ts';
import { produceStream } from '../src/rpc/stream-channel.ts';
import { openSegmentStore } from '../src/store/segment-store.ts';
import { fetchKernels } from './kernel-assets.ts';
import { loadStored } from './load-stored.ts';
import { wasmHost } from './wasm-host.ts';

const makeBackend = (): Promise<WasmBackend> => createWasmBackend(fetchKernels, wasmHost());

// The address of this file holds a hash of everything that computes.
const engine = new Engine(
  {
    create: (kind) =>
      kind === 'wasm'
        ? makeBackend()
        : createWebGpuBackend(navigator.gpu, () => fetchKernels('plain', 'private')),
    findGpu: () => findGpu(navigator.gpu),
  },
  { store: openSegmentStore(), version: import.meta.url },
);
const embedder = new Embedder(makeBackend);

exposeApi({
  load: (request, header, events) =>
    loadStored(request, header, events, (...given) => engine.load(...given)),
  loadEmbedder: (request, header, events) =>
    loadStored(request, header, events, (from, file, options, onProgress, signal) =>
      embedder.load(from, file, options, onProgress, signal),
    ),
  embed: (request, events) => produceStream(events, (signal) => embedder.embed(request, signal)),
  tokenizeInput: (text, options) => embedder.tokenize(text, options),
  detokenizeInput: (tokens, options) => embedder.detokenize(tokens, options),
  generate: (request, events) =>
    produceStream(events, (signal) => engine.generate(request, signal)),
  applyPlan: (plan) => {
    engine.applyPlan(plan);
  },
  execution: () => engine.execution(),
  profile: () => engine.profile(),
  promptTokens: (prompt) => engine.promptTokens(prompt),
  score: (tokens, topLogprobs) => engine.score(tokens, topLogprobs),
  tokenize: (text, options) => engine.tokenize(text, options),
  detokenize: (tokens, options) => engine.detokenize(tokens, options),
} satisfies EngineApi & EmbedderApi);
