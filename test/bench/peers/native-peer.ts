/**
 * llama.cpp as a native program (node-llama-cpp), for those who installed it with
 * `npm install --no-save node-llama-cpp`: 300 MB, therefore not among the dependencies.
 */
import { promptOf } from './peer.ts';
import type { PeersOptions, Sample } from './peers-page.ts';

/** What is used of the package, which has no types here. */
interface NativeSequence {
  clearHistory(): Promise<void>;
  evaluateWithoutGeneratingNewTokens(tokens: readonly number[]): Promise<void>;
  evaluate(tokens: readonly number[], options: object): AsyncGenerator<number>;
}

interface NativePackage {
  getLlama(options: object): Promise<{
    loadModel(options: object): Promise<{
      createContext(options: object): Promise<{ getSequence(): NativeSequence }>;
      dispose(): Promise<void>;
    }>;
    dispose(): Promise<void>;
  }>;
}

const DECODED_TOKENS = 16;
const NAME = 'llama.cpp, native';

async function importPackage(): Promise<NativePackage> {
  const name = 'node-llama-cpp';
  try {
    return (await import(name)) as NativePackage;
  } catch (cause) {
    throw new Error('--native needs `npm install --no-save node-llama-cpp`.', { cause });
  }
}

async function decodeTime(sequence: NativeSequence): Promise<number> {
  let startedAt = performance.now();
  let count = -1; // the first comes with what is read
  for await (const token of sequence.evaluate([300], { temperature: 0 })) {
    void token;
    if (count === -1) startedAt = performance.now();
    if (++count === DECODED_TOKENS) break;
  }
  return (performance.now() - startedAt) / DECODED_TOKENS;
}

export async function measureNative(path: string, options: PeersOptions): Promise<Sample[]> {
  const llama = await (
    await importPackage()
  ).getLlama({ gpu: false, build: 'never', logLevel: 'error' });
  const samples: Sample[] = [];
  const startedAt = performance.now();
  const model = await llama.loadModel({ modelPath: path });
  const context = await model.createContext({
    contextSize: options.contextLength,
    threads: options.threads,
    batchSize: 512,
  });
  samples.push({ peer: NAME, measure: 'load', times: [performance.now() - startedAt] });
  const sequence = context.getSequence();
  const fill = async (length: number): Promise<number> => {
    await sequence.clearHistory();
    const before = performance.now();
    await sequence.evaluateWithoutGeneratingNewTokens(promptOf(length));
    return performance.now() - before;
  };
  await fill(8);
  for (const length of options.prompts) {
    const times: number[] = [];
    for (let round = 0; round < options.rounds; round++) times.push((await fill(length)) / length);
    samples.push({ peer: NAME, measure: `prefill ${length}`, times });
  }
  for (const length of options.contexts) {
    const times: number[] = [];
    for (let round = 0; round < options.rounds; round++) {
      await fill(length);
      times.push(await decodeTime(sequence));
    }
    samples.push({ peer: NAME, measure: `decode ${length}`, times });
  }
  await model.dispose();
  await llama.dispose();
  return samples;
}
