/** The measured accuracy of every model file as a document: `test/accuracy.md`. */
import type { Mode } from './model-limits.ts';

/** `planes`: float files read from both planes, as large float models are. */
export type Column = Mode | 'planes';

export interface Row {
  /** Squared error of the logits over the variance of the reference. */
  readonly nmse: number;
  /** llama.cpp's error on the file; of `planes`, that of 8-bit weights with exact arithmetic. */
  readonly yardstick: number | null;
  /** Steps of a continuation in which the likeliest token was that of the reference, and their number. */
  readonly top1: readonly [same: number, steps: number] | null;
}

const intro = `# Accuracy of whole models

Normalised squared error of the logits (error over variance of the reference) and the share of steps in which the likeliest token is that of the reference, of every model file of the shared fixtures and the small trained models (\`TinyStories\`, \`stories260K\`). Measured by \`test/integration/wasm-models.test.ts\` on the WASM backend, float32 cache. The fixtures have random weights, through which every rounding grows from layer to layer: they find mistakes, and say little about how good the answers of a trained model are.

- **8 bits**: the mode of highest precision. Float files this small stay float32.
- **planes**: float files on planes of 8 bits, as float models above 4 Mi parameters are; beside it the error of 8-bit weights with exact arithmetic, which no kernel can be below by much.
- **4 bits**: the high plane alone. Files of Q4_0, Q4_1, Q4_K and TQ types lose nothing by it; the others were made with more bits, and Hermit says so where precision is chosen (\`src/engine/weights/four-bit-loss.ts\`).

To measure again: \`HERMIT_ACCURACY=test/accuracy.md npx vitest run --project unit test/integration/wasm-models.test.ts\`, then \`npx prettier --write test/accuracy.md\`.

| file | llama.cpp | 8 bits | top-1 | planes | 8-bit weights alone | 4 bits | top-1 |
| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
`;

export function accuracyTable(measured: ReadonlyMap<string, ReadonlyMap<Column, Row>>): string {
  const number = (value: number | null | undefined): string =>
    value === null || value === undefined ? '' : value.toExponential(1);
  const share = (row: Row | undefined): string =>
    row?.top1 ? `${Math.round((100 * row.top1[0]) / row.top1[1])} %` : '';
  const lines = [...measured].map(([file, columns]) => {
    const [eight, planes, four] = ([8, 'planes', 4] as const).map((mode) => columns.get(mode));
    const cells = [
      `\`${file}\``,
      number(eight?.yardstick),
      number(eight?.nmse),
      share(eight),
      number(planes?.nmse),
      number(planes?.yardstick),
      number(four?.nmse),
      share(four),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return `${intro}${lines.join('\n')}\n`;
}
