/**
 * Makes the model that comes with Hermit, `public/guide.gguf`, in three steps (README.md here):
 *
 *     node scripts/guide/guide.mjs prepare
 *     python3 scripts/guide/train.py build/guide
 *     node scripts/guide/guide.mjs assemble
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { importInNode } from '../../test/bench/bundle.mjs';

const pathOf = (/** @type {string} */ relative) =>
  fileURLToPath(new URL(relative, import.meta.url));
const work = pathOf('../../build/guide');
const step = process.argv[2];

const tools = /** @type {typeof import('./guide-file.ts')} */ (
  await importInNode(pathOf('./guide-file.ts'), `${work}/guide-file.mjs`)
);

if (step === 'prepare') {
  tools.prepare(pathOf('.'), work);
} else if (step === 'assemble') {
  const file = tools.assemble(work);
  writeFileSync(pathOf('../../public/guide.gguf'), file);
  console.log(`public/guide.gguf: ${file.length} bytes`);
} else {
  throw new Error('Say which step: prepare or assemble.');
}
