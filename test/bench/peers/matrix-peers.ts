/** One 4-bit matrix, 4096 x 4096, in Hermit's kernels and in onnxruntime-web, one thread each. */
import type * as onnxruntime from 'onnxruntime-web';
import { KernelBed, Random } from '../../../wasm/test/kernel-bed.ts';
import { randomBlocks } from '../../../wasm/test/plane-sources.ts';
import { COLUMNS, PREFILL_TOKENS, ROWS, typeOf, Workload } from '../kernels.bench.ts';
import { fetchKernels } from '../page-host.ts';
import { fourBitMatmulFile } from './onnx-file.ts';
import type { Sample } from './peers-page.ts';

type OnnxRuntime = typeof onnxruntime;

declare global {
  var ort: OnnxRuntime;
}

interface Candidate {
  readonly peer: string;
  readonly measure: string;
  run(): Promise<void> | void;
}

/** Long enough for the page's clock. */
const RUN_MS = 60;

async function loadOnnxRuntime(): Promise<OnnxRuntime> {
  const script = document.createElement('script');
  script.src = '/ort.wasm.min.js';
  await new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  const { ort } = globalThis;
  ort.env.wasm.wasmPaths = new URL('/', location.href).href;
  ort.env.wasm.numThreads = 1;
  return ort;
}

async function onnxCandidate(ort: OnnxRuntime, tokens: number): Promise<Candidate> {
  const session = await ort.InferenceSession.create(fourBitMatmulFile(tokens, ROWS, COLUMNS), {
    executionProviders: ['wasm'],
  });
  const x = new ort.Tensor('float32', new Random(1).floats(tokens * COLUMNS), [tokens, COLUMNS]);
  return {
    peer: 'onnxruntime-web',
    measure: tokens === 1 ? 'matrix, 1 token' : `matrix, ${tokens} tokens`,
    run: async () => {
      await session.run({ x });
    },
  };
}

async function hermitCandidates(): Promise<Candidate[]> {
  const type = typeOf('q4_0');
  const source = randomBlocks(type, (ROWS * COLUMNS) / 32, new Random(3));
  const variants = ['relaxed', 'plain'] as const;
  const works = await Promise.all(
    variants.map(async (variant) => {
      const bed = await KernelBed.create(await fetchKernels(variant, 'private'));
      const dots = variant === 'relaxed' ? [0, 1] : [0];
      return { variant, bed, dots };
    }),
  );
  return works.flatMap(({ variant, bed, dots }) => {
    const work = new Workload(bed, type, source, 1);
    return dots.flatMap((dot): Candidate[] => {
      const peer = `Hermit, ${variant} SIMD${dot === 1 ? ', sums of two' : ''}`;
      const choose = (): void => {
        work.dot = dot;
      };
      return [
        {
          peer,
          measure: 'matrix, 1 token',
          run: () => {
            choose();
            work.matvec(0);
          },
        },
        {
          peer,
          measure: `matrix, ${PREFILL_TOKENS} tokens`,
          run: () => {
            choose();
            work.matmat();
          },
        },
      ];
    });
  });
}

/** Milliseconds of a product, by candidate and round. */
export async function measureMatrix(rounds: number): Promise<readonly Sample[]> {
  const ort = await loadOnnxRuntime();
  const candidates = [
    ...(await hermitCandidates()),
    await onnxCandidate(ort, 1),
    await onnxCandidate(ort, PREFILL_TOKENS),
  ];
  const times = candidates.map((): number[] => []);
  for (let round = -1; round < rounds; round++) {
    for (const [i, candidate] of candidates.entries()) {
      const startedAt = performance.now();
      let count = 0;
      do {
        await candidate.run();
        count++;
      } while (performance.now() - startedAt < RUN_MS);
      if (round >= 0) times[i]?.push((performance.now() - startedAt) / count);
    }
  }
  return candidates.map(({ peer, measure }, i) => ({ peer, measure, times: times[i] ?? [] }));
}
