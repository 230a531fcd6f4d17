/**
 * Every fault that Hermit is to survive, brought about in a real Chromium:
 *
 *     npm run test:faults
 *
 * Prints a table `id, fault, result` and writes it to `test-results/faults.json`. What follows is
 * handed to Vitest: `npm run test:faults -- -t F07` runs one fault.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { ensureChromium } from './find-chromium.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const { status } = spawnSync(
  process.execPath,
  [
    'node_modules/vitest/vitest.mjs',
    'run',
    '--project',
    'faults',
    '--reporter=default',
    '--reporter=./test/faults/fault-table.ts',
    ...process.argv.slice(2),
  ],
  {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, HERMIT_FAULTS: 'all', CHROME_PATH: await ensureChromium(console.log) },
  },
);
process.exitCode = status ?? 1;
