/** A page, cross-origin isolated unless told otherwise, with the kernels and one worker, for what needs no more of Hermit. */
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { fileURLToPath } from 'node:url';
import { buildWasm, builtFile } from '../../wasm/build.mjs';
import { bundleForPage } from './bundle.mjs';

const isolation = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
};
const threads = ['kernel-thread', 'shard'];

/**
 * @param {string} worker TypeScript module that becomes `/worker.js`; absolute path
 * @param {Record<string, { type: string, body: string | Uint8Array } | { type: string, file: string }>} [more]
 *   further files by path, in memory or on disk
 * @param {boolean} [isolated] false: without the headers, as a host that cannot set any
 * @returns {Promise<{ url: string, close: () => void }>}
 */
export async function serveIsolated(worker, more = {}, isolated = true) {
  const files = new Map(Object.entries(more));
  files.set('/', { type: 'text/html', body: '<!doctype html><title>Hermit</title>' });
  for (const { file } of (await buildWasm()).files) {
    files.set(`/${file}`, { type: 'application/wasm', body: await readFile(builtFile(file)) });
  }
  const script = async (entry) => ({
    type: 'text/javascript',
    body: await bundleForPage(entry, 'bundled'),
  });
  files.set('/worker.js', await script(worker));
  for (const name of threads) {
    const entry = new URL(`../../workers/${name}.worker.ts`, import.meta.url);
    files.set(`/${name}.worker.js`, await script(fileURLToPath(entry)));
  }
  const server = createServer((request, response) => {
    const file = files.get(request.url ?? '');
    const onDisk = file !== undefined && 'file' in file;
    response.writeHead(file === undefined ? 404 : 200, {
      'Content-Type': file?.type ?? 'text/plain',
      ...(isolated ? isolation : {}),
    });
    if (onDisk) createReadStream(file.file).pipe(response);
    else response.end(file?.body);
  });
  await new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(undefined));
  });
  const address = server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return { url: `http://127.0.0.1:${port}/`, close: () => server.close() };
}

/**
 * Starts the page's worker, sends it `data` and waits for its one answer, `{ result }` or `{ error }`.
 * @param {import('playwright-core').Page} page
 * @param {unknown} data
 * @returns {Promise<any>}
 */
export async function runInWorker(page, data) {
  const worker = await startWorker(page);
  try {
    return await worker.ask(data);
  } finally {
    await worker.end();
  }
}

/**
 * Starts the page's worker, which answers each message with `{ result }` or `{ error }`.
 * @param {import('playwright-core').Page} page
 * @returns {Promise<{ ask: (data: unknown) => Promise<any>, end: () => Promise<void> }>}
 */
export async function startWorker(page) {
  const worker = await page.evaluateHandle(() => new Worker('/worker.js'));
  const ask = (data) =>
    worker.evaluate(
      (target, message) =>
        new Promise((resolve, reject) => {
          target.onmessage = ({ data: { result, error } }) => {
            if (error === undefined) resolve(result);
            else reject(new Error(error));
          };
          target.onerror = (event) => reject(new Error(event.message));
          target.postMessage(message);
        }),
      data,
    );
  return { ask, end: () => worker.evaluate((target) => target.terminate()) };
}
