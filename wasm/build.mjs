/**
 * Compiles the C kernels to WebAssembly with the clang that npm installs.
 *
 * Two builds of one source: `simd` (SIMD128) and `relaxed` (SIMD128 and relaxed SIMD), each for a
 * memory that threads share (`hermit-simd-shared.wasm`) and for one that they do not. Output goes to
 * `build/wasm/` with a manifest of sizes and SHA-256 hashes. The result is cached under a hash of
 * everything that determines it: sources, flags and compiler version; the compiler's output is
 * deterministic.
 *
 * As a program: `node wasm/build.mjs`. As a module: `await buildWasm()`.
 */
import { createHash } from 'node:crypto';
import { mkdir, readFile, readdir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

const wasmFolder = path.dirname(fileURLToPath(import.meta.url));
const outputFolder = path.join(wasmFolder, '..', 'build', 'wasm');

const commonFlags = [
  '--target=wasm32',
  '-std=c17',
  '-O3',
  '-nostdlib',
  '-ffreestanding',
  '-ffp-contract=off',
  '-Wall',
  '-Wextra',
  '-Werror',
  '-mbulk-memory',
  '-matomics',
  '-Iinclude',
  '-Wl,--no-entry',
  '-Wl,--import-memory',
  '-Wl,--shared-memory',
  '-Wl,--export=__heap_base',
  '-Wl,--export=__stack_pointer',
  '-Wl,-z,stack-size=65536',
  '-Wl,--max-memory=4294967296',
  '-Wl,--strip-all',
];

/** Instruction-set flags of each build. `wasm-opt` must not run on the result: it undoes the barriers. */
export const builds = /** @type {const} */ ({
  simd: ['-msimd128'],
  relaxed: ['-msimd128', '-mrelaxed-simd'],
});

/** The number the loader compares with the module's `hermit_abi()`; read from the one place that defines it. */
function abiNumber(files) {
  const match = /#define HERMIT_ABI (\d+)/.exec(files['include/command.h'] ?? '');
  if (match === null) throw new Error('wasm/include/command.h does not define HERMIT_ABI.');
  return Number(match[1]);
}

/** Sources by path relative to `wasm/`, in a fixed order. */
async function readSources() {
  const files = {};
  for (const folder of ['include', 'src']) {
    const names = (await readdir(path.join(wasmFolder, folder))).sort();
    for (const name of names) {
      if (!/\.[ch]$/.test(name)) continue;
      const relative = `${folder}/${name}`;
      files[relative] = await readFile(path.join(wasmFolder, relative), 'utf8');
    }
  }
  return files;
}

async function compilerVersion() {
  const manifest = path.join(wasmFolder, '..', 'node_modules', '@yowasp', 'clang', 'package.json');
  return JSON.parse(await readFile(manifest, 'utf8')).version;
}

function toTree(files) {
  const tree = {};
  for (const [name, text] of Object.entries(files)) {
    const parts = name.split('/');
    const last = parts.pop();
    let folder = tree;
    for (const part of parts) folder = folder[part] ??= {};
    folder[last] = text;
  }
  return tree;
}

const sha256 = (data) => createHash('sha256').update(data).digest('hex');

/**
 * Compiles C files (path to text) to one module.
 * @param {Record<string, string>} files
 * @param {readonly string[]} flags flags besides the sources, complete
 * @returns {Promise<Uint8Array>}
 */
export async function compileC(files, flags) {
  const { runClang, runLLVM } = await import('@yowasp/clang');
  await runLLVM(null, {}, { fetchProgress: () => {} }); // loads the compiler without its progress lines
  const sources = Object.keys(files).filter((name) => name.endsWith('.c'));
  const messages = [];
  const collect = (bytes) => {
    if (bytes !== null) messages.push(Buffer.from(bytes));
  };
  try {
    const result = await runClang(
      ['clang', ...flags, ...sources, '-o', 'out.wasm'],
      toTree(files),
      { stdout: collect, stderr: collect },
    );
    return result['out.wasm'];
  } catch (error) {
    throw new Error(`clang failed:\n${Buffer.concat(messages).toString()}`, { cause: error });
  }
}

/** One translation unit: starting the compiler costs a second, so all sources share one start. */
function unity(files) {
  const sources = Object.keys(files).filter((name) => name.endsWith('.c'));
  const headers = Object.entries(files).filter(([name]) => name.endsWith('.h'));
  const bodies = sources.map((name) => `#include "${name}"\n`).join('');
  // The sources are included by name, so they must be visible as files, but not compiled again.
  const included = sources.map((name) => [name.replace(/\.c$/, '.inc'), files[name]]);
  return {
    ...Object.fromEntries(headers),
    ...Object.fromEntries(included),
    'hermit.c': bodies.replaceAll('.c"', '.inc"'),
  };
}

/**
 * The same module for a memory that is not shared: they differ in one flag of the imported memory's
 * limits. Atomic instructions are valid on every memory.
 * @param {Uint8Array} module
 */
export function withPrivateMemory(module) {
  const bytes = Uint8Array.from(module);
  let at = 8;
  const readNumber = () => {
    let value = 0;
    for (let shift = 0; ; shift += 7) {
      const byte = bytes[at++];
      value |= (byte & 127) << shift;
      if (byte < 128) return value >>> 0;
    }
  };
  const skipName = () => {
    const length = readNumber();
    at += length;
  };
  const IMPORTS = 2;
  for (;;) {
    const section = bytes[at++];
    const size = readNumber();
    if (section === IMPORTS) break;
    at += size;
  }
  for (let count = readNumber(); count > 0; count--) {
    skipName();
    skipName();
    const MEMORY = 2;
    const LIMITED_AND_SHARED = 3;
    const isMemory = bytes[at++] === MEMORY;
    if (!isMemory || bytes[at] !== LIMITED_AND_SHARED) continue;
    bytes[at] = 1;
    return bytes;
  }
  throw new Error('The module imports no shared memory.');
}

async function readCached(key, folder) {
  try {
    const manifest = JSON.parse(await readFile(path.join(folder, 'manifest.json'), 'utf8'));
    if (manifest.key !== key) return undefined;
    for (const entry of manifest.files) {
      const bytes = await readFile(path.join(folder, entry.file));
      if (sha256(bytes) !== entry.sha256) return undefined;
    }
    return manifest;
  } catch {
    return undefined; // absent or half-written: build again
  }
}

async function writeAtomically(file, data) {
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, data);
  await rename(temporary, file);
}

/** A lock older than this was left by a process that died. */
const STALE_LOCK_MILLISECONDS = 120_000;

/** Runs `task` in one process at a time: test workers ask for the same build at the same moment. */
async function withLock(folder, task) {
  const lock = path.join(folder, '.lock');
  for (;;) {
    try {
      await mkdir(lock);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
      const age = Date.now() - (await stat(lock).catch(() => ({ mtimeMs: 0 }))).mtimeMs;
      if (age > STALE_LOCK_MILLISECONDS) await rm(lock, { recursive: true, force: true });
      else await pause(50);
    }
  }
  try {
    return await task();
  } finally {
    await rm(lock, { recursive: true, force: true });
  }
}

/**
 * Builds what is not built yet.
 * @returns {Promise<{ key: string, abi: number, flags: Record<string, string>, files: { name: string, file: string, bytes: number, sha256: string, abi: number }[] }>}
 */
export async function buildWasm() {
  const files = await readSources();
  const version = await compilerVersion();
  const key = sha256(JSON.stringify([files, commonFlags, builds, version]));
  const cached = await readCached(key, outputFolder);
  if (cached !== undefined) return cached;
  await mkdir(outputFolder, { recursive: true });
  return withLock(outputFolder, async () => {
    return (await readCached(key, outputFolder)) ?? compileAll(key, files, version);
  });
}

async function compileAll(key, files, version) {
  const abi = abiNumber(files);
  const entries = [];
  const flagsOfBuild = {};
  for (const [name, flags] of Object.entries(builds)) {
    const shared = await compileC(unity(files), [...commonFlags, ...flags]);
    const variants = [
      { shared: true, file: `hermit-${name}-shared.wasm`, bytes: shared },
      { shared: false, file: `hermit-${name}.wasm`, bytes: withPrivateMemory(shared) },
    ];
    for (const { bytes, ...entry } of variants) {
      await writeAtomically(path.join(outputFolder, entry.file), bytes);
      entries.push({ name, ...entry, bytes: bytes.length, sha256: sha256(bytes), abi });
    }
    flagsOfBuild[name] = [...commonFlags, ...flags].join(' ');
  }
  const manifest = {
    key,
    abi,
    compiler: `@yowasp/clang@${version}`,
    flags: flagsOfBuild,
    files: entries,
  };
  await writeAtomically(
    path.join(outputFolder, 'manifest.json'),
    `${JSON.stringify(manifest, null, 2)}\n`,
  );
  return manifest;
}

/** Absolute path of a file that `buildWasm` wrote, for example `hermit-simd.wasm`. */
export function builtFile(file) {
  return path.join(outputFolder, file);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const started = performance.now();
  const manifest = await buildWasm();
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  for (const entry of manifest.files) console.log(`${entry.file}  ${entry.bytes} bytes`);
  console.log(`wasm ready in ${seconds} s`);
}
