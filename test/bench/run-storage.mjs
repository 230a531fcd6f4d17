/**
 * `npm run bench -- --storage [--json] [--rounds N] [--megabytes N]`: see `storage.bench.ts`. Prints a
 * Markdown table (or JSON). Linux only, for memory is read from `/proc`; it needs about twice the
 * file's size of free disk, which it gives back.
 */
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { buildAll } from '../../scripts/build.mjs';
import { importInNode } from './bundle.mjs';

const pathOf = (relative) => fileURLToPath(new URL(relative, import.meta.url));

function optionOf(name, fallback) {
  const index = process.argv.indexOf(`--${name}`);
  return index < 0 ? fallback : Number(process.argv[index + 1]);
}

async function measure() {
  await buildAll({ log: () => undefined });
  // A copy, so that a build made meanwhile does not change what is measured.
  const dist = await mkdtemp(join(tmpdir(), 'hermit-dist-'));
  try {
    await cp(pathOf('../../dist'), dist, { recursive: true });
    const bench = await importInNode(
      pathOf('./storage.bench.ts'),
      pathOf('../../build/bench/storage.mjs'),
    );
    return await bench.runStorageBench({
      dist,
      rounds: optionOf('rounds', 3),
      storedBytes: optionOf('megabytes', 2000) * 1e6,
      loadedBytes: 300e6,
    });
  } finally {
    await rm(dist, { recursive: true, force: true });
  }
}

const megabytes = (bytes) => (bytes / 1e6).toFixed(0);

function toMarkdown(rows) {
  const lines = rows.map(({ step, megabytesPerSecond, speeds, growth, growths, loadAverage }) => {
    const cells = [
      step,
      `${megabytesPerSecond.toFixed(0)} (${speeds.map((speed) => speed.toFixed(0)).join(', ')})`,
      `${megabytes(growth.browserAndRenderer)} (${growths.map(megabytes).join(', ')})`,
      megabytes(growth.renderer),
      megabytes(growth.browser),
      megabytes(growth.utility),
      loadAverage.toFixed(1),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    `Storage through the built page in headless Chromium, ${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}.`,
    'Growth: resident memory above the idle page in MB, sampled every 200 ms, the worst round (all rounds).',
    '',
    '| step | MB/s, median (all) | browser + renderer | renderer | browser | network | load average |',
    '| --- | ---: | ---: | ---: | ---: | ---: | ---: |',
    ...lines,
  ].join('\n');
}

export async function runStorage() {
  const rows = await measure();
  console.log(process.argv.includes('--json') ? JSON.stringify(rows, null, 2) : toMarkdown(rows));
}
