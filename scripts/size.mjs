/**
 * Holds the build in `dist/` to its size budgets and says what to do where one is broken.
 *
 *     node scripts/size.mjs
 */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const DIST = fileURLToPath(new URL('../dist', import.meta.url));
const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * @typedef {object} Budget
 * @property {string} name
 * @property {number} bytes
 * @property {number} limit Also bytes.
 * @property {string} advice
 */

/** @returns {Budget[]} */
function measure() {
  const scripts = firstLoadScripts();
  const precached = precachedFiles();
  const sum = (/** @type {string[]} */ files) =>
    files.reduce((total, file) => total + statSync(join(DIST, file)).size, 0);
  return [
    {
      name: `JavaScript of the first load, gzip (${scripts.length} files)`,
      bytes: scripts.reduce((total, file) => total + gzipSync(read(file), { level: 9 }).length, 0),
      limit: 150 * KIB,
      advice:
        'Load what the first screen does not show with import(), and keep the engine, the store and parsers inside workers.',
    },
    {
      name: 'embed.js for other pages, gzip',
      bytes: gzipSync(read('embed.js'), { level: 9 }).length,
      limit: 4 * KIB,
      advice: 'Move what only an opened chat needs behind the import() in src/embed/host/embed.ts.',
    },
    {
      name: `Precache, uncompressed (${precached.length} files)`,
      bytes: sum(precached),
      limit: 10 * MIB,
      advice: 'Look for the largest files below; large optional parts belong to a later download.',
    },
  ];
}

/** The scripts index.html names, and all they import statically. */
function firstLoadScripts() {
  const html = read('index.html').toString('utf8');
  const entries = [...html.matchAll(/<(?:script|link)[^>]*?(?:src|href)="([^"]+\.js)"/g)];
  /** @type {Set<string>} */
  const seen = new Set();
  const visit = (/** @type {string} */ file) => {
    if (seen.has(file)) return;
    seen.add(file);
    const source = read(file).toString('utf8');
    // `from "./x.js"` and `import "./x.js"`, but not `import("./x.js")`
    for (const match of source.matchAll(/(?:\bfrom|\bimport)\s*["'`](\.[^"'`]+\.js)["'`]/g)) {
      visit(posix.join(posix.dirname(file), match[1] ?? ''));
    }
  };
  for (const match of entries) visit((match[1] ?? '').replace(/^\.?\//, ''));
  if (seen.size === 0) throw new Error('index.html loads no script: the measurement is wrong');
  return [...seen];
}

/** What the service worker stores, from the manifest inside it; nothing may be missing from it. */
function precachedFiles() {
  const worker = read('service-worker.js').toString('utf8');
  const listed = new Set(
    [...worker.matchAll(/["']?url["']?:\s*["'`]([^"'`]+)["'`]/g)].map((match) => match[1] ?? ''),
  );
  const expected = readdirSync(DIST, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) =>
      join(entry.parentPath, entry.name)
        .slice(DIST.length + 1)
        .replaceAll('\\', '/'),
    )
    // Models are never in the cache of the app: the guide is fetched into the store when it is asked for.
    .filter(
      (file) =>
        !/\.(br|gz)$|^_headers$|^service-worker\.js$|^screenshots\/|^guide\.gguf$/.test(file),
    );
  const missing = expected.filter((file) => !listed.has(file));
  if (missing.length > 0) {
    throw new Error(
      `Not precached, so missing offline: ${missing.join(', ')}. Add the file type to PRECACHED in vite.config.ts.`,
    );
  }
  return expected;
}

/** @param {string} file */
function read(file) {
  return readFileSync(join(DIST, file));
}

function main() {
  if (!existsSync(join(DIST, 'index.html'))) {
    throw new Error('There is no build to measure. Run `npm run build` first.');
  }
  for (const { name, bytes, limit, advice } of measure()) {
    const share = `${(bytes / KIB).toFixed(1)} KiB of ${(limit / KIB).toFixed(0)} KiB`;
    console.log(`${bytes <= limit ? 'ok  ' : 'OVER'}  ${name}: ${share}`);
    if (bytes > limit) {
      console.log(`      ${advice}`);
      process.exitCode = 1;
    }
  }
  const workers = readdirSync(join(DIST, 'assets')).filter((file) => /\.(js|wasm)$/.test(file));
  for (const file of workers.sort()) {
    const bytes = read(`assets/${file}`);
    const gzip = (gzipSync(bytes, { level: 9 }).length / KIB).toFixed(1);
    console.log(`      ${file}: ${(bytes.length / KIB).toFixed(1)} KiB, ${gzip} KiB gzip`);
  }
}

try {
  main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 1;
}
