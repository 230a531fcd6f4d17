/** One script for a page out of a TypeScript module and its imports. */
import { build } from 'vite';

/**
 * Bundles `entry` as a classic script that puts the module's exports into `globalThis[globalName]`.
 * @param {string} entry absolute path
 * @param {string} globalName
 * @returns {Promise<string>}
 */
export async function bundleForPage(entry, globalName) {
  const result = await build({
    configFile: false,
    logLevel: 'error',
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
