/**
 * `npm run bench -- --models [--model NAME] [--type Q4_0] [--plain] [--threads 1,2] [--rounds 5] [--apart]
 * [--json]`: whole models in headless Chromium, on an isolated page; with `--apart` also on one that is
 * not, where threads have a memory each, round by round in turn, and the ratio of both.
 */
import { readFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { ensureChromium } from '../../scripts/find-chromium.mjs';
import { compileC } from '../../wasm/build.mjs';
import { serveIsolated, startWorker } from './isolated-server.mjs';

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url));

export const streamFlags = [
  '--target=wasm32',
  '-std=c17',
  '-O3',
  '-nostdlib',
  '-ffreestanding',
  '-mbulk-memory',
  '-msimd128',
  '-Wl,--no-entry',
  '-Wl,--import-memory',
  '-Wl,--export=__heap_base',
  '-Wl,--max-memory=4294967296',
];

async function compileStream() {
  const source = await readFile(pathOf('../../wasm/bench/stream.c'), 'utf8');
  return compileC({ 'stream.c': source }, streamFlags);
}

function toMarkdown({ browser, machine, results }) {
  const lines = results.flatMap(({ ceiling, error, rows }) =>
    rows.map((row) => {
      const spread = `${row.lowest.toFixed(1)} to ${row.highest.toFixed(1)}`;
      const speed = row.gigabytesPerSecond?.toFixed(1) ?? '';
      const share = row.ceilingShare === null ? '' : `${Math.round(100 * row.ceilingShare)} %`;
      const cells = [row.model, row.type, row.backend, row.measure, row.tokensPerSecond.toFixed(1)];
      return `| ${[...cells, spread, `${row.timesFirst.toFixed(2)} x`, speed, share, ceiling.toFixed(1), error.toExponential(1)].join(' | ')} |`;
    }),
  );
  return [
    `Whole models in headless ${browser}, ${machine}.`,
    '',
    '| model | weights | backend | measure | tokens/s | lowest to highest | against 1 thread | GB/s | of the read ceiling | ceiling GB/s | error |',
    '| --- | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...lines,
  ].join('\n');
}

/** Of both pages' speeds with several threads, by measure. */
function apartToMarkdown(results) {
  const rows = results.flatMap(({ isolated, rows }) => rows.map((row) => ({ ...row, isolated })));
  const lines = rows
    .filter(({ isolated, threads }) => !isolated && threads > 1)
    .map((row) => {
      const same = (other) =>
        ['model', 'type', 'measure', 'threads'].every((key) => other[key] === row[key]);
      const shared = rows.find((other) => other.isolated && same(other));
      const ratio = (speed) => `${(row[speed] / shared[speed]).toFixed(2)} x`;
      const speeds = [shared, row].map(({ tokensPerSecond }) => tokensPerSecond.toFixed(1));
      const what = [row.model, row.type, row.measure, row.threads];
      return `| ${[...what, ...speeds, ratio('tokensPerSecond'), ratio('highest')].join(' | ')} |`;
    });
  return [
    '',
    '| model | weights | measure | threads | isolated, tokens/s | not isolated | ratio | of the best rounds |',
    '| --- | --- | --- | ---: | ---: | ---: | ---: | ---: |',
    ...lines,
  ].join('\n');
}

/** Loads the model on each page and times it there in turn. The first page is the isolated one. */
async function interleaved(browser, sites, options, count) {
  const benches = [];
  for (const [index, { url }] of sites.entries()) {
    const page = await browser.newPage();
    await page.goto(url);
    const worker = await startWorker(page);
    const isolated = index === 0;
    const opened = await worker.ask({ open: { ...options, isolated } });
    benches.push({ page, worker, isolated, opened, rounds: [] });
  }
  for (let round = 0; round < count; round++) {
    for (const { page, worker, rounds } of benches) {
      await page.bringToFront(); // the others get less of the processor
      rounds.push(await worker.ask({ round: true }));
    }
  }
  const results = [];
  for (const { page, worker, isolated, opened, rounds } of benches) {
    results.push({ ...opened, isolated, rows: await worker.ask({ rows: rounds }) });
    await page.close();
  }
  return results;
}

export async function runModels() {
  const { values } = parseArgs({
    options: {
      models: { type: 'boolean' },
      model: { type: 'string', multiple: true, default: ['SmolLM2-135M', 'Qwen2.5-0.5B'] },
      type: { type: 'string', multiple: true, default: ['Q4_0', 'Q8_0'] },
      threads: { type: 'string', default: '1,2' },
      plain: { type: 'boolean', default: false },
      rounds: { type: 'string', default: '5' },
      apart: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const more = { '/stream.wasm': { type: 'application/wasm', body: await compileStream() } };
  const pages = values.apart ? [true, false] : [true];
  const sites = await Promise.all(
    pages.map((isolated) => serveIsolated(pathOf('./model-worker.ts'), more, isolated)),
  );
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: [
      ...['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking'],
      '--disable-renderer-backgrounding',
    ],
  });
  try {
    const results = [];
    for (const model of values.model) {
      for (const type of values.type) {
        const threads = values.threads.split(',').map(Number);
        const options = { model, type, threads, plain: values.plain };
        results.push(...(await interleaved(browser, sites, options, Number(values.rounds))));
      }
    }
    const machine = `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}`;
    const report = { browser: `Chromium ${browser.version()}`, machine, results };
    console.log(values.json ? JSON.stringify(report, null, 2) : toMarkdown(report));
    if (values.apart && !values.json) console.log(apartToMarkdown(results));
  } finally {
    await browser.close();
    for (const site of sites) site.close();
  }
}
