/** The worker in which `model.bench.ts` runs. Answers one message after the other. */
import { openModelBench, type ModelBenchOptions, type OpenBench } from './model.bench.ts';
import { fetchBytes, fetchKernels, spawnByPath, spawnShardByPath } from './page-host.ts';

/** `open` first, then `round` as often as wanted, then `rows` with what the rounds gave. */
type Message =
  { readonly open: ModelBenchOptions } | { readonly round: true } | { readonly rows: number[][][] };

const scope = globalThis as unknown as {
  onmessage: (event: { data: Message }) => void;
  postMessage(value: unknown): void;
};

let bench: OpenBench | undefined;

async function answer(message: Message): Promise<unknown> {
  if ('open' in message) {
    const host = { fetchKernels, spawn: spawnByPath(), spawnShard: spawnShardByPath() };
    const stream = await fetchBytes('/stream.wasm');
    bench = await openModelBench({ ...host, stream }, message.open);
    return { error: bench.error, ceiling: bench.ceiling };
  }
  if (bench === undefined) throw new Error('No model is open.');
  return 'round' in message ? bench.round() : bench.rows(message.rows);
}

scope.onmessage = ({ data }) => {
  answer(data).then(
    (result) => {
      scope.postMessage({ result });
    },
    (error: unknown) => {
      scope.postMessage({ error: error instanceof Error ? error.message : String(error) });
    },
  );
};
