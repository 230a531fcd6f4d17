/** `npm run bench -- --quantise [--json] [--layers 14]`: see `quantise.bench.ts`; 14 layers are 2 GB. */
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { buildWasm, builtFile } from '../../wasm/build.mjs';
import { importInNode } from './bundle.mjs';

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url));
const megabytes = (bytes) => (bytes / 1e6).toFixed(0);

export async function runQuantise() {
  const { values } = parseArgs({
    options: {
      quantise: { type: 'boolean' },
      layers: { type: 'string', default: '14' },
      json: { type: 'boolean', default: false },
    },
  });
  await buildWasm();
  const bench = await importInNode(
    pathOf('./quantise.bench.ts'),
    pathOf('../../build/bench/quantise.mjs'),
  );
  const rows = await bench.runQuantiseBench(builtFile('hermit-simd.wasm'), Number(values.layers), [
    'Q8_0',
    'Q4_K_M',
  ]);
  if (values.json) {
    console.log(JSON.stringify(rows, null, 2));
    return;
  }
  const machine = `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}`;
  console.log(`The quantiser in Node ${process.versions.node}, one thread, ${machine}.\n`);
  console.log('| recipe | MB in | MB out | seconds | MB/s in | memory, MB more |');
  console.log('| --- | ---: | ---: | ---: | ---: | ---: |');
  for (const { recipe, sourceBytes, resultBytes, seconds, growthBytes } of rows) {
    const speed = (sourceBytes / 1e6 / seconds).toFixed(0);
    const cells = [megabytes(sourceBytes), megabytes(resultBytes), seconds.toFixed(1), speed];
    console.log(`| ${[recipe, ...cells, megabytes(growthBytes)].join(' | ')} |`);
  }
}
