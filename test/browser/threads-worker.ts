/** Whole steps on several threads in a worker, for `threads.test.ts`. */
import { BufferByteSource } from '../../src/common/byte-source.ts';
import { yieldToEventLoop } from '../../src/common/yield-to-event-loop.ts';
import { createWasmBackend } from '../../src/engine/backend/wasm/create-wasm-backend.ts';
import type { KernelVariant } from '../../src/engine/backend/wasm/create-wasm-backend.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { loadModel } from '../../src/engine/weights/weight-loader.ts';
import { fetchKernels, spawnByPath, spawnShardByPath } from '../bench/page-host.ts';
import { syntheticLlama } from '../fixtures/synthetic-llama.ts';

export interface ThreadsOutcome {
  readonly isolated: boolean;
  readonly variant: string;
  readonly description: string;
  /** Logits of a prompt and two tokens, in both precisions, as a checksum of all bits a run. */
  readonly runs: Readonly<Record<string, number>>;
  readonly lost: number;
}

const scope = globalThis as unknown as {
  onmessage: (event: { data: { variant: KernelVariant } }) => void;
  postMessage(value: unknown): void;
};

const bytes = syntheticLlama({
  width: 256,
  layers: 3,
  heads: 8,
  kvHeads: 2,
  feedForward: 672,
  vocabularySize: 1000,
  contextLength: 512,
  type: 'Q8_0',
});
const prompt = Int32Array.from({ length: 120 }, (_, i) => 3 + ((i * 37) % 900));

function mix(sum: number, logits: Float32Array): number {
  const words = new Uint32Array(logits.slice().buffer);
  return words.reduce((total, word) => (Math.imul(total, 31) + word) | 0, sum);
}

async function outcome(variant: KernelVariant): Promise<ThreadsOutcome> {
  const workers: Worker[] = [];
  const backend = await createWasmBackend((_, memory) => fetchKernels(variant, memory), {
    isolated: crossOriginIsolated,
    most: 3,
    spawn: spawnByPath(workers),
    shards: {
      spawn: spawnShardByPath(workers),
      limits: { bytes: 0, milliseconds: 0, followingMilliseconds: 0 },
    },
  });
  const source = new BufferByteSource(bytes);
  const file = await readGguf(source);
  const model = await loadModel({ source, file, backend, precision: 8, kvType: 'f16' });
  const state = model.createState({ capacity: 200, kvType: 'f16' });
  const run = async (threads: number): Promise<number> => {
    backend.setThreads(threads);
    let sum = 0;
    for (const precision of [8, 4] as const) {
      state.truncate(0);
      for (const tokens of [prompt, Int32Array.of(5), Int32Array.of(6)]) {
        sum = mix(sum, await model.forward(tokens, state, { want: 'last', precision }));
      }
    }
    return sum;
  };
  const runs = { one: await run(1), two: await run(2), three: await run(3), afterDeath: 0 };
  const { description } = backend;
  // Browsers end a thread that never comes back to its event loop only after a while, in some step.
  workers[1]?.terminate();
  do {
    runs.afterDeath = await run(3);
    await yieldToEventLoop();
  } while (backend.lostThreads === 0 && runs.afterDeath === runs.one);
  const lost = backend.lostThreads;
  backend.dispose();
  return { isolated: crossOriginIsolated, variant, description, runs, lost };
}

scope.onmessage = ({ data: { variant } }) => {
  outcome(variant).then(
    (result) => {
      scope.postMessage({ result });
    },
    (error: unknown) => {
      scope.postMessage({ error: error instanceof Error ? error.message : String(error) });
    },
  );
};
