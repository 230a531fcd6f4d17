/**
 * Writes the tables that are made from the code into the documents. Run it after adding an architecture,
 * a tensor type, a tokenizer or an import rule, or changing what the WebGPU backend dispatches.
 *
 *     node scripts/make-readme-tables.mjs
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runnerImport } from 'vite';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

/**
 * @type {{
 *   module: {
 *     tablesOf: Record<string, unknown>;
 *     withTables: (document: string, text: string) => Promise<string>;
 *   };
 * }}
 */
const { module: tables } = await runnerImport(join(ROOT, 'test', 'readme-tables.ts'), {
  configFile: false,
  logLevel: 'error',
});
for (const document of Object.keys(tables.tablesOf)) {
  const path = join(ROOT, document);
  writeFileSync(path, await tables.withTables(document, readFileSync(path, 'utf8')));
}
