/**
 * `npm run bench [-- --json]`: measures the kernels in headless Chromium, on one thread, and prints a
 * Markdown table (or JSON). Ratios compare candidates of one run; absolute numbers belong to the
 * machine they were measured on. `--storage` measures downloading and loading instead, see
 * `run-storage.mjs`; `--models` whole models, see `run-model.mjs`; `--peers` Hermit beside other engines, see
 * `run-peers.mjs`; `--conversation` waiting in a long chat, see `run-conversation.mjs`; `--precision`
 * what precision costs and saves, see `run-precision.mjs`; `--quantise` the memory of the quantiser,
 * see `run-quantise.mjs`; `--grammar` bounding an answer by a JSON schema; `--start`
 * how soon the page can be used, see `run-start.mjs`.
 */
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { ensureChromium } from '../../scripts/find-chromium.mjs';
import { buildWasm, builtFile, compileC } from '../../wasm/build.mjs';
import { bundleForPage } from './bundle.mjs';
import { runConversation } from './run-conversation.mjs';
import { runModels } from './run-model.mjs';
import { runGpu } from './run-gpu.mjs';
import { runPeers } from './run-peers.mjs';
import { runPrecision } from './run-precision.mjs';
import { runQuantise } from './run-quantise.mjs';
import { runStart } from './run-start.mjs';
import { runStorage } from './run-storage.mjs';

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url));

/** Flags of the baseline and of the ceiling, besides the file name. */
const benchFlags = [
  '--target=wasm32',
  '-std=c17',
  '-O3',
  '-nostdlib',
  '-ffreestanding',
  '-mbulk-memory',
  '-Wl,--no-entry',
  '-Wl,--import-memory',
  '-Wl,--export=__heap_base',
  '-Wl,--max-memory=4294967296',
];
const scalarFlags = [...benchFlags, '-mno-simd128', '-fno-vectorize', '-fno-slp-vectorize'];

async function compileBench(file, flags) {
  return compileC({ [file]: await readFile(pathOf(`../../wasm/bench/${file}`), 'utf8') }, flags);
}

async function loadModules() {
  const modules = {
    relaxed: await readFile(builtFile('hermit-relaxed.wasm')),
    simd: await readFile(builtFile('hermit-simd.wasm')),
    scalar: await compileBench('matvec-scalar.c', scalarFlags),
    stream: await compileBench('stream.c', [...benchFlags, '-msimd128']),
  };
  const encode = (bytes) => Buffer.from(bytes).toString('base64');
  return Object.fromEntries(Object.entries(modules).map(([name, bytes]) => [name, encode(bytes)]));
}

async function measure(modules) {
  const script = await bundleForPage(pathOf('./kernels.bench.ts'), 'kernelBench');
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
  try {
    const page = await browser.newPage();
    await page.addScriptTag({ content: script });
    const rows = await page.evaluate((texts) => {
      const decode = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
      const entries = Object.entries(texts).map(([name, text]) => [name, decode(text)]);
      return globalThis.kernelBench.runKernelBench(Object.fromEntries(entries));
    }, modules);
    return { rows, browser: `Chromium ${browser.version()}` };
  } finally {
    await browser.close();
  }
}

const number = (value, digits) => (value === null ? '' : value.toFixed(digits));

function toMarkdown({ rows, browser, machine, flags, command }) {
  const lines = rows.map((row) => {
    const share = row.ceilingShare === null ? '' : `${(row.ceilingShare * 100).toFixed(0)} %`;
    const times = row.timesScalar === null ? '' : `${row.timesScalar.toFixed(1)} x`;
    const cells = [row.operator, row.build, row.data, number(row.gigabytesPerSecond, 2)];
    return `| ${[...cells, share, number(row.gigamacsPerSecond, 1), times].join(' | ')} |`;
  });
  return [
    `Kernels in headless ${browser}, one thread, ${machine}.`,
    '',
    `Command: \`${command}\``,
    ...Object.entries(flags).map(([name, text]) => `Flags, ${name}: \`${text}\``),
    '',
    '| operator | build | weights in | GB/s | of ceiling | GMAC/s | against scalar |',
    '| --- | --- | --- | ---: | ---: | ---: | ---: |',
    ...lines,
  ].join('\n');
}

async function runKernels() {
  const manifest = await buildWasm();
  const { rows, browser } = await measure(await loadModules());
  const report = {
    browser,
    machine: `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}`,
    command: 'npm run bench',
    flags: { ...manifest.flags, scalar: scalarFlags.join(' ') },
    rows,
  };
  console.log(
    process.argv.includes('--json') ? JSON.stringify(report, null, 2) : toMarkdown(report),
  );
}

async function runGrammar() {
  const script = await bundleForPage(pathOf('./grammar.bench.ts'), 'grammarBench');
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
  try {
    const page = await browser.newPage();
    await page.addScriptTag({ content: script });
    const report = await page.evaluate(() => globalThis.grammarBench.runGrammarBench());
    console.log(`${report.vocabularySize} tokens, sorted in ${report.tableMs.toFixed(0)} ms.`);
    console.table(report.rows);
  } finally {
    await browser.close();
  }
}

if (process.argv.includes('--storage')) await runStorage();
else if (process.argv.includes('--start')) await runStart();
else if (process.argv.includes('--gpu')) await runGpu();
else if (process.argv.includes('--grammar')) await runGrammar();
else if (process.argv.includes('--precision')) runPrecision();
else if (process.argv.includes('--peers')) await runPeers();
else if (process.argv.includes('--models')) await runModels();
else if (process.argv.includes('--quantise')) await runQuantise();
else if (process.argv.includes('--conversation')) await runConversation();
else await runKernels();
