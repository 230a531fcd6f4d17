/** Compressed twins of files: `x.js.br` and `x.js.gz` beside `x.js`, made once when building. */
import { readFile, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { brotliCompress, constants, gzip } from 'node:zlib';

/** Content encodings in order of preference, with the suffix of the twin. */
export const ENCODINGS = /** @type {const} */ ([
  { name: 'br', suffix: '.br' },
  { name: 'gzip', suffix: '.gz' },
]);

const COMPRESSIBLE = /\.(html|js|css|json|svg|wasm|txt|webmanifest)$/;
/** Below this, headers outweigh the gain. */
const SMALLEST_BYTES = 512;

/**
 * Writes the twins of a file where they are smaller than it.
 *
 * @param {string} path
 */
export async function compressFile(path) {
  if (!COMPRESSIBLE.test(path)) return;
  const bytes = await readFile(path);
  if (bytes.length < SMALLEST_BYTES) return;
  const twins = [
    {
      suffix: '.br',
      // 11 takes 20 times as long as 9 for files of megabytes and gains a few percent.
      body: await promisify(brotliCompress)(bytes, {
        params: {
          [constants.BROTLI_PARAM_QUALITY]: bytes.length > 1_000_000 ? 9 : 11,
          [constants.BROTLI_PARAM_SIZE_HINT]: bytes.length,
        },
      }),
    },
    { suffix: '.gz', body: await promisify(gzip)(bytes, { level: 9 }) },
  ];
  for (const { suffix, body } of twins) {
    if (body.length < bytes.length) await writeFile(path + suffix, body);
  }
}
