/**
 * `npm run bench -- --precision`: tokens a second, bytes a token, memory, agreement and perplexity of
 * 8 bits, mixed precision and 4 bits, and how long a change of precision and of threads takes. Writes
 * `test/precision.md` and prints it.
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const TABLE = 'test/precision.md';

/**
 * @param {string} path of a program, from the root of the repository
 * @param {...string} args
 */
function node(path, ...args) {
  const { status } = spawnSync(process.execPath, [path, ...args], {
    cwd: ROOT,
    stdio: ['ignore', process.stderr, process.stderr],
    env: { ...process.env, HERMIT_PRECISION: TABLE },
  });
  if (status !== 0) throw new Error(`${path} ended with ${status}`);
}

export function runPrecision() {
  const test = 'test/integration/precision-quality.test.ts';
  node('node_modules/vitest/vitest.mjs', 'run', '--project', 'unit', test);
  node('node_modules/prettier/bin/prettier.cjs', '--write', TABLE);
  console.log(readFileSync(fileURLToPath(new URL('../precision.md', import.meta.url)), 'utf8'));
}
