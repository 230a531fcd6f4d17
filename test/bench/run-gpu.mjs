/**
 * `npm run bench -- --gpu [--json] [--dawn] [--software] [--width N] [--layers N]`: the WebGPU backend on
 * the adapter of this machine, in Chromium, or with `--dawn` in Node (test/README.md tells which files
 * that needs). Prints Markdown (or JSON). The model is random, of the shape of a 1B one unless told
 * otherwise; `--software` is one that programs in the place of a card compute in seconds.
 */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { ensureChromium } from '../../scripts/find-chromium.mjs';
import { buildWasm, builtFile } from '../../wasm/build.mjs';
import { bundleForPage, importInNode } from './bundle.mjs';

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url));

function optionOf(name, fallback) {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? fallback : Number(process.argv[index + 1]);
}

const isSoftware = process.argv.includes('--software');
const width = optionOf('width', isSoftware ? 256 : 2048);
const shape = {
  width,
  layers: optionOf('layers', isSoftware ? 2 : 16),
  feedForward: optionOf('hidden', 4 * width),
  vocabularySize: optionOf('vocabulary', isSoftware ? 2048 : 32_000),
  prompt: optionOf('prompt', isSoftware ? 32 : 512),
  answer: optionOf('answer', isSoftware ? 8 : 128),
  peakBytes: (isSoftware ? 4 : 128) * 1024 * 1024,
};

/** WebGPU is for secure places only, which an empty page is not. */
const address = 'http://localhost/bench';

async function inChromium(kernels) {
  const script = await bundleForPage(pathOf('./gpu.bench.ts'), 'gpuBench');
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--enable-unsafe-webgpu'],
  });
  try {
    const page = await browser.newPage();
    await page.route(address, (route) => route.fulfill({ contentType: 'text/html', body: '' }));
    await page.goto(address);
    await page.addScriptTag({ content: script });
    return await page.evaluate(
      ({ encoded, options }) => {
        const bytes = Uint8Array.from(atob(encoded), (character) => character.charCodeAt(0));
        return globalThis.gpuBench.runGpuBench(navigator.gpu, bytes, options);
      },
      { encoded: Buffer.from(kernels).toString('base64'), options: shape },
    );
  } finally {
    await browser.close();
  }
}

async function inNode(kernels) {
  const packageName = 'webgpu';
  const dawn = await import(packageName);
  const file = pathOf('../../build/bench/gpu.mjs');
  const bench = await importInNode(pathOf('./gpu.bench.ts'), file);
  return bench.runGpuBench(dawn.create([]), new Uint8Array(kernels), shape);
}

const percent = (part, whole) => `${((100 * part) / whole).toFixed(0)} %`;

function toMarkdown({ adapter, features, parameters, multiplyAdds, peaks, rows }) {
  const type = features.packedDot ? 'int8' : features.f16 ? 'f16' : 'f32';
  const { gigamacsPerSecond, readGigabytesPerSecond, copyGigabytesPerSecond } = peaks;
  const lines = rows.map((row) => {
    const { report } = row;
    const gigamacs = (row.prefillTokensPerSecond * multiplyAdds) / 1e9;
    const bandwidth = percent(row.decodeGigabytesPerSecond, readGigabytesPerSecond);
    const cells = [
      `${row.precision} bits`,
      row.decodeTokensPerSecond.toFixed(1),
      row.lonelyTokensPerSecond.toFixed(1),
      `${row.decodeGigabytesPerSecond.toFixed(1)} (${bandwidth})`,
      row.prefillTokensPerSecond.toFixed(0),
      `${gigamacs.toFixed(0)} (${percent(gigamacs, gigamacsPerSecond[type])})`,
      row.longestSubmitMs.toFixed(0),
      report.dispatches,
      (report.bytes / report.leastBytes).toFixed(3),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const [eight, four] = rows;
  const used = Object.keys(features).filter((name) => features[name]);
  const products = Object.entries(gigamacsPerSecond)
    .filter(([, speed]) => speed !== null)
    .map(([name, speed]) => `${name} ${speed.toFixed(0)}`);
  const kernels = rows.flatMap(({ precision, report }) =>
    report.kernels.map(
      ({ kernel, dispatches, workgroups, bytesRead, bytesWritten }) =>
        `| ${precision} | ${kernel} | ${dispatches} | ${workgroups} | ${(bytesRead / 1e6).toFixed(3)} | ${(bytesWritten / 1e6).toFixed(3)} |`,
    ),
  );
  return [
    `${adapter} (${used.join(', ') || 'no features'}), ${(parameters / 1e6).toFixed(0)} million random parameters, prompt of ${shape.prompt} tokens, answer of ${shape.answer}.`,
    '',
    `Measured peaks: reading ${readGigabytesPerSecond.toFixed(1)} GB/s, copying ${copyGigabytesPerSecond.toFixed(1)} GB/s, products ${products.join(', ')} GMAC/s. Decode with 4 bits is ${(four.decodeTokensPerSecond / eight.decodeTokensPerSecond).toFixed(2)} times that with 8.`,
    '',
    `| precision | decode tokens/s | without steps ahead | GB/s (of reading) | prefill tokens/s | GMAC/s (of ${type}) | longest submission ms | dispatches a token | bytes over the least |`,
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...lines,
    '',
    'One token after the prompt, kernel by kernel (MB):',
    '',
    '| bits | kernel | dispatches | workgroups | read | written |',
    '| --- | --- | ---: | ---: | ---: | ---: |',
    ...kernels,
  ].join('\n');
}

export async function runGpu() {
  await buildWasm();
  const kernels = await readFile(builtFile('hermit-simd.wasm'));
  const result = await (process.argv.includes('--dawn') ? inNode(kernels) : inChromium(kernels));
  console.log(
    process.argv.includes('--json') ? JSON.stringify(result, null, 2) : toMarkdown(result),
  );
  // Dawn keeps threads that Node would wait for.
  if (process.argv.includes('--dawn')) process.exit(0);
}
