/** One script out of a TypeScript module and its imports. */
import { dirname, basename } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'vite';

/**
 * Bundles `entry` as a classic script that puts the module's exports into `globalThis[globalName]`.
 * @param {string} entry absolute path
 * @param {string} globalName
 * @param {Record<string, string>} [alias] modules that others take the place of
 * @returns {Promise<string>}
 */
export async function bundleForPage(entry, globalName, alias = {}) {
  const result = await build({
    configFile: false,
    logLevel: 'error',
    resolve: { alias },
    build: {
      write: false,
      minify: false,
      target: 'es2023',
      lib: { entry, formats: ['iife'], name: globalName, fileName: 'bundle' },
    },
  });
  const [output] = Array.isArray(result) ? result : [result];
  const chunk = output.output.find((part) => part.type === 'chunk');
  return chunk.code;
}

/**
 * Bundles `entry` as a module for Node into `file`, which must lie where packages are found, and
 * imports it.
 * @param {string} entry absolute path
 * @param {string} file absolute path
 * @returns {Promise<unknown>} the module
 */
export async function importInNode(entry, file) {
  await build({
    configFile: false,
    logLevel: 'error',
    build: {
      ssr: entry,
      outDir: dirname(file),
      emptyOutDir: false,
      copyPublicDir: false,
      minify: false,
      target: 'node20',
      rolldownOptions: { output: { entryFileNames: basename(file) } },
    },
  });
  return import(pathToFileURL(file).href);
}
