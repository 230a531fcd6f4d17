/**
 * `npm run bench -- --conversation [--model NAME] [--type Q4_0] [--threads 2] [--texts] [--json]`:
 * how long a person waits in a long chat, in headless Chromium, on an isolated page.
 */
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chromium } from 'playwright-core';
import { ensureChromium } from '../../scripts/find-chromium.mjs';
import { runInWorker, serveIsolated } from './isolated-server.mjs';

function toMarkdown({ browser, machine, model, type, threads, rows }) {
  const lines = rows.map(({ measure, unit, median, lowest, highest }) => {
    const [middle, low, high] = [median, lowest, highest].map((value) => value.toFixed(1));
    return `| ${measure} | ${middle} ${unit} | ${low} to ${high} |`;
  });
  return [
    `${model} ${type}, ${threads} threads, headless ${browser}, ${machine}.`,
    '',
    '| measure | median | lowest to highest |',
    '| --- | ---: | ---: |',
    ...lines,
  ].join('\n');
}

export async function runConversation() {
  const { values } = parseArgs({
    options: {
      conversation: { type: 'boolean' },
      model: { type: 'string', default: 'SmolLM2-135M' },
      type: { type: 'string', default: 'Q4_0' },
      threads: { type: 'string', default: '2' },
      texts: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const worker = fileURLToPath(new URL('./conversation-worker.ts', import.meta.url));
  const site = await serveIsolated(worker);
  const browser = await chromium.launch({
    executablePath: await ensureChromium(),
    args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
  try {
    const page = await browser.newPage();
    await page.goto(site.url);
    const { model, type } = values;
    const threads = Number(values.threads);
    const rows = await runInWorker(page, { model, type, threads, texts: values.texts });
    const machine = `${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}`;
    const report = {
      browser: `Chromium ${browser.version()}`,
      machine,
      model,
      type,
      threads,
      rows,
    };
    console.log(values.json ? JSON.stringify(report, null, 2) : toMarkdown(report));
  } finally {
    await browser.close();
    site.close();
  }
}
