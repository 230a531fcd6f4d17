/** The worker in which `model.bench.ts` runs. */
import { runModelBench, type ModelBenchOptions } from './model.bench.ts';
import { fetchBytes, fetchKernels, spawnByPath, spawnShardByPath } from './page-host.ts';

const scope = globalThis as unknown as {
  onmessage: (event: { data: ModelBenchOptions }) => void;
  postMessage(value: unknown): void;
};

scope.onmessage = ({ data }) => {
  fetchBytes('/stream.wasm')
    .then((stream) => {
      const threads = { spawn: spawnByPath(), spawnShard: spawnShardByPath() };
      return runModelBench({ fetchKernels, ...threads, stream }, data);
    })
    .then(
      (result) => {
        scope.postMessage({ result });
      },
      (error: unknown) => {
        scope.postMessage({ error: error instanceof Error ? error.message : String(error) });
      },
    );
};
