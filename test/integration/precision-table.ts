/** What the precisions cost and save as a document: `test/precision.md`. */
import type { Precision } from '../../src/engine/backend/backend.ts';

export interface Quality {
  /** Weights read for a token, as a share of those of 8 bits. */
  readonly bytes: number;
  /** Kullback-Leibler divergence from the probabilities with 8 bits, in nats, mean over all places. */
  readonly divergence: number;
  /** Share of places in which the likeliest token is that of 8 bits. */
  readonly agreement: number;
  readonly perplexity: number;
  readonly places: number;
}

export interface Speed {
  readonly tokensPerSecond: number;
  /** Median of the rounds' ratios to 8 bits. */
  readonly timesEight: number;
  /** Weights read for a token. */
  readonly bytes: number;
  /** Weights in memory when all low planes that this precision does not read are given up. */
  readonly memory: number;
  /** How much longer a step takes that changes precision, and one that changes threads; medians. */
  readonly switchMs: number;
  readonly threadsMs: number;
}

const names = new Map<Precision, string>([
  [8, '8 bits'],
  ['mixed', 'mixed'],
  [4, '4 bits'],
]);
const order = [8, 'mixed', 4] as const;

export function precisionTable(
  qualities: ReadonlyMap<string, ReadonlyMap<Precision, Quality>>,
  speeds: ReadonlyMap<Precision, Speed>,
): string {
  const quality = [...qualities].flatMap(([name, own]) =>
    order.map((precision) => {
      const {
        bytes = NaN,
        divergence = NaN,
        agreement = NaN,
        perplexity = NaN,
        places = 0,
      } = own.get(precision) ?? {};
      const change = perplexity / (own.get(8)?.perplexity ?? NaN) - 1;
      return row([
        name,
        names.get(precision) ?? '',
        percent(bytes),
        precision === 8 ? '' : divergence.toFixed(4),
        precision === 8 ? '' : percent(agreement),
        `${perplexity.toFixed(3)}${precision === 8 ? '' : ` (${change < 0 ? '' : '+'}${(100 * change).toFixed(1)} %)`}`,
        String(places),
      ]);
    }),
  );
  const speed = order.map((precision) => {
    const own = speeds.get(precision);
    return row([
      names.get(precision) ?? '',
      (own?.tokensPerSecond ?? NaN).toFixed(1),
      (own?.timesEight ?? NaN).toFixed(2),
      megabytes(own?.bytes),
      megabytes(own?.memory),
    ]);
  });
  const { switchMs = NaN, threadsMs = NaN } = speeds.get(8) ?? {};
  return `# What precision costs and saves

Mixed precision reads 4 bits of each weight and 8 of those in which the low digits matter most for their bytes (\`src/engine/weights/sensitive-weights.ts\`). Measured by \`test/integration/precision-quality.test.ts\` on the WASM backend. To measure again: \`npm run bench -- --precision\`.

## Quality

Trained models, compared with themselves at 8 bits: the guide on its own answers, stories260K on a story (\`test/fixtures/story.txt\`), TinyStories-656K on what it wrote itself. Divergence is the mean Kullback-Leibler divergence of the next token's probabilities, in nats. Models this small are hurt far more by 4 bits than large ones are.

| model | precision | bytes a token | divergence | top-1 | perplexity | places |
| --- | --- | ---: | ---: | ---: | ---: | ---: |
${quality.join('\n')}

## Speed and memory

A model of the shape of SmolLM2-135M with random Q8_0 weights, plain SIMD kernels in Node on one thread of a shared machine: the ratios count, taken in turns in one run. Memory is what weights occupy once the low planes that the precision does not read are given up. A step that changes precision took ${Math.max(0, switchMs).toFixed(1)} ms longer than the next one (median), and one that changes from one thread to two or back ${Math.max(0, threadsMs).toFixed(1)} ms: both are to stay below 20.

| precision | tokens/s | times 8 bits | MB a token | MB in memory |
| --- | ---: | ---: | ---: | ---: |
${speed.join('\n')}
`;
}

function row(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function megabytes(bytes = NaN): string {
  return (bytes / 1e6).toFixed(1);
}
