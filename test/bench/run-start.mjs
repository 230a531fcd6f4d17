/**
 * `npm run bench -- --start [--json] [--rounds N]`: milliseconds from the navigation until the page can
 * be used: its first button is shown and the main thread has turned to the next task. At the first
 * visit, at a later one, and without a server and with an empty HTTP cache after the browser was
 * started again. Prints a Markdown table (or JSON).
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { buildAll } from '../../scripts/build.mjs';
import { ensureChromium } from '../../scripts/find-chromium.mjs';
import { createStaticServer } from '../../scripts/serve.mjs';

const dist = fileURLToPath(new URL('../../dist', import.meta.url));

/** Runs in the page, before its scripts. */
function watchForUse() {
  const find = (root) => {
    for (const element of root.querySelectorAll('*')) {
      if (element.matches('button.primary') && element.getClientRects().length > 0) return element;
      const inside = element.shadowRoot === null ? null : find(element.shadowRoot);
      if (inside !== null) return inside;
    }
    return null;
  };
  const look = () => {
    if (find(document) === null) requestAnimationFrame(look);
    else setTimeout(() => (globalThis.usableAt = performance.now()));
  };
  requestAnimationFrame(look);
}

async function start(profile) {
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: await ensureChromium(),
    args: ['--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking'],
  });
  await context.addInitScript(watchForUse);
  return context;
}

async function visit(context, url) {
  const page = await context.newPage();
  await page.goto(url);
  const handle = await page.waitForFunction(() => globalThis.usableAt);
  const milliseconds = await handle.jsonValue();
  return { page, milliseconds };
}

async function round() {
  const server = createStaticServer(dist);
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://localhost:${server.address().port}`;
  const profile = await mkdtemp(join(tmpdir(), 'hermit-start-'));
  try {
    let context = await start(profile);
    const first = await visit(context, url);
    await first.page.evaluate(async () => {
      const { active } = await navigator.serviceWorker.ready;
      while (active.state !== 'activated') await new Promise((resolve) => setTimeout(resolve, 20));
    });
    const later = await visit(context, url);
    await context.close();
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
    context = await start(profile);
    const blank = await context.newPage();
    const cdp = await context.newCDPSession(blank);
    await cdp.send('Network.clearBrowserCache');
    const offline = await visit(context, url);
    await context.close();
    return [first, later, offline].map(({ milliseconds }) => milliseconds);
  } finally {
    server.closeAllConnections();
    server.close();
    await rm(profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

const visits = ['first visit', 'later visit', 'no server, empty HTTP cache, browser just started'];

function toMarkdown(rounds) {
  const lines = visits.map((name, index) => {
    const all = rounds.map((times) => times[index]).sort((a, b) => a - b);
    const median = all[Math.floor(all.length / 2)];
    return `| ${name} | ${median.toFixed(0)} | ${all.map((time) => time.toFixed(0)).join(', ')} |`;
  });
  return [
    `Until the page can be used, headless Chromium, ${cpus().length} x ${cpus()[0]?.model.trim() ?? 'unknown processor'}, load average ${loadavg()[0].toFixed(1)}.`,
    '',
    '| | ms, median | all |',
    '| --- | ---: | ---: |',
    ...lines,
  ].join('\n');
}

export async function runStart() {
  const index = process.argv.indexOf('--rounds');
  const count = index < 0 ? 5 : Number(process.argv[index + 1]);
  await buildAll({ log: () => undefined });
  const rounds = [];
  for (let done = 0; done < count; done++) rounds.push(await round());
  if (process.argv.includes('--json')) console.log(JSON.stringify({ visits, rounds }));
  else console.log(toMarkdown(rounds));
}
