/**
 * `npm run bench -- --gpu [--json] [--dawn] [--width N] [--layers N]`: the WebGPU backend on the adapter
 * of this machine, in Chromium, or with `--dawn` in Node (`npm install --no-save webgpu@0.6.2`, and a
 * Vulkan driver whose file `VK_ICD_FILENAMES` names). Prints Markdown (or JSON). The model is random, of
 * the shape of a 1B one unless told otherwise; software adapters need a smaller one.
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

const width = optionOf('width', 2048);
const shape = {
  width,
  layers: optionOf('layers', 16),
  feedForward: optionOf('hidden', 4 * width),
  vocabularySize: optionOf('vocabulary', 32_000),
  prompt: optionOf('prompt', 256),
  answer: optionOf('answer', 32),
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

function toMarkdown({ adapter, parameters, copyGigabytesPerSecond, rows }) {
  const lines = rows.map((row) => {
    const { report } = row;
    const share = (100 * row.decodeGigabytesPerSecond) / copyGigabytesPerSecond;
    const cells = [
      `${row.precision} bits`,
      row.decodeTokensPerSecond.toFixed(1),
      `${row.decodeGigabytesPerSecond.toFixed(1)} (${share.toFixed(0)} %)`,
      row.prefillTokensPerSecond.toFixed(0),
      ((row.prefillTokensPerSecond * parameters) / 1e9).toFixed(0),
      report.dispatches,
      (report.bytes / report.leastBytes).toFixed(3),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  const kernels = rows.flatMap(({ precision, report }) =>
    report.kernels.map(
      ({ kernel, dispatches, workgroups, bytesRead, bytesWritten }) =>
        `| ${precision} | ${kernel} | ${dispatches} | ${workgroups} | ${(bytesRead / 1e6).toFixed(3)} | ${(bytesWritten / 1e6).toFixed(3)} |`,
    ),
  );
  return [
    `${adapter}, ${(parameters / 1e6).toFixed(0)} million random parameters; copying: ${copyGigabytesPerSecond.toFixed(1)} GB/s.`,
    '',
    '| precision | decode tokens/s | GB/s (of copying) | prefill tokens/s | GMAC/s | dispatches a token | bytes over the least |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
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
