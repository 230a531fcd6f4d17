/**
 * Builds Hermit: the WebAssembly kernels, then the page, its workers and its service worker into
 * `dist/`, then the compressed twins and the headers a static host needs.
 *
 *     node scripts/build.mjs [--force]
 *
 * The outcome depends on the inputs listed here alone, so nothing is done when their hash is that
 * of the build lying in `dist/`. A build is made beside `dist/` and put in its place when complete:
 * a server that runs meanwhile never sees half of one.
 */
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { compressFile } from './compression.mjs';
import { headersFile, readEmbedOrigins } from './security-headers.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(ROOT, 'dist');
const CACHE = join(ROOT, 'node_modules', '.cache', 'hermit');
const STAMP = join(CACHE, 'build.json');

const INPUTS = [
  'index.html',
  'package-lock.json',
  'package.json',
  'public',
  'scripts/build.mjs',
  'scripts/compression.mjs',
  'scripts/security-headers.mjs',
  'src',
  'tsconfig.base.json',
  'vite.config.ts',
  'wasm',
  'widget.html',
  'workers',
];
/** Not part of a build: tests, documents, and what the wasm build itself made. */
const IGNORED = /\.test\.ts$|\.md$|\.tsbuildinfo$|^wasm[\\/](bench|build|test)([\\/]|$)/;

/**
 * Builds what is out of date.
 *
 * @param {{ force?: boolean; log?: (line: string) => void }} [options]
 * @returns {Promise<{ built: boolean }>} Whether `dist/` was made anew.
 */
export async function buildAll({ force = false, log = console.log } = {}) {
  await buildWasm();
  const inputHash = await hashInputs();
  if (!force && (await isUpToDate(inputHash))) {
    log('dist/ is up to date');
    return { built: false };
  }
  const start = performance.now();
  const outDir = join(CACHE, `dist-${process.pid}`);
  try {
    await rm(outDir, { recursive: true, force: true });
    await buildEmbedScript(outDir);
    await buildPages(outDir);
    const files = await listFiles(outDir);
    const embedOrigins = await readEmbedOrigins(outDir);
    await writeFile(join(outDir, '_headers'), headersFile(files.map(toPathname), embedOrigins));
    await Promise.all(files.map((file) => compressFile(join(outDir, file))));
    await replaceDist(outDir);
  } finally {
    await rm(outDir, { recursive: true, force: true });
  }
  await writeFile(STAMP, JSON.stringify({ inputHash, dist: await describeDist() }));
  log(`dist/ built in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return { built: true };
}

async function buildWasm() {
  // Imported when needed, because it loads a whole C compiler; by URL, because it is no part of the
  // TypeScript project that checks this file.
  const location = new URL('../wasm/build.mjs', import.meta.url).href;
  /** @type {{ buildWasm: () => Promise<unknown> }} */
  const kernels = await import(location);
  await kernels.buildWasm();
}

/**
 * `/embed.js`, for other people's pages, and what it loads when a chat is opened: under names that
 * never change. They are there before the pages are built, because the service worker's list is made of what lies in the folder then.
 *
 * @param {string} outDir
 */
async function buildEmbedScript(outDir) {
  const { build } = await import('vite');
  await build({
    root: ROOT,
    configFile: false,
    publicDir: false,
    logLevel: 'warn',
    build: {
      target: 'es2022',
      outDir,
      emptyOutDir: false,
      modulePreload: { polyfill: false },
      rolldownOptions: {
        input: {
          embed: 'src/embed/host/embed.ts',
          'embed-language-model': 'src/embed/host/language-model.ts',
          'embed-openai': 'src/embed/host/openai-fetch.ts',
        },
        output: { entryFileNames: '[name].js', chunkFileNames: 'embed-[name].js' },
        preserveEntrySignatures: 'strict',
      },
    },
  });
}

/** @param {string} outDir */
async function buildPages(outDir) {
  const { build } = await import('vite');
  // Read by vite.config.ts, whose precache manifest holds the hashes of the files in there.
  process.env['HERMIT_OUT_DIR'] = outDir;
  // A test runner that builds has set it to 'test', and libraries would bring their checks along.
  process.env['NODE_ENV'] = 'production';
  await mkdir(outDir, { recursive: true });
  await build({ root: ROOT, logLevel: 'warn', build: { outDir, emptyOutDir: false } });
}

/** @param {string} outDir */
async function replaceDist(outDir) {
  const old = join(CACHE, `dist-old-${process.pid}`);
  if (existsSync(DIST)) await rename(DIST, old);
  await rename(outDir, DIST);
  await rm(old, { recursive: true, force: true });
}

async function hashInputs() {
  const hash = createHash('sha256');
  hash.update(process.versions.node);
  for (const input of INPUTS) {
    for (const file of await listInput(input)) {
      hash.update(`\0${file}\0`);
      hash.update(await readFile(join(ROOT, file)));
    }
  }
  return hash.digest('hex');
}

/** @param {string} input A file or folder, relative to the root. */
async function listInput(input) {
  const info = await stat(join(ROOT, input)).catch(() => null);
  if (info === null) return [];
  if (!info.isDirectory()) return [input];
  const files = await listFiles(join(ROOT, input));
  return files.map((file) => join(input, file)).filter((file) => !IGNORED.test(file));
}

/** @param {string} inputHash */
async function isUpToDate(inputHash) {
  const stamp = await readFile(STAMP, 'utf8').catch(() => null);
  if (stamp === null) return false;
  /** @type {unknown} */
  const parsed = JSON.parse(stamp);
  const { inputHash: builtFrom, dist } = /** @type {{ inputHash?: string; dist?: string }} */ (
    parsed
  );
  return builtFrom === inputHash && dist === (await describeDist());
}

/** Names, sizes and times of the files in `dist/`: enough to notice that someone touched it. */
async function describeDist() {
  const files = await listFiles(DIST).catch(() => []);
  const lines = await Promise.all(
    files.map(async (file) => {
      const { size, mtimeMs } = await stat(join(DIST, file));
      return `${file} ${size} ${mtimeMs}`;
    }),
  );
  return createHash('sha256').update(lines.join('\n')).digest('hex');
}

/**
 * All files of a folder, relative to it and sorted.
 *
 * @param {string} folder
 */
async function listFiles(folder) {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

/** @param {string} file */
function toPathname(file) {
  return `/${file.split(sep).join('/')}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildAll({ force: process.argv.includes('--force') });
}
