/**
 * Reads a million mutated model files, or as many as the first argument says:
 * `npm run fuzz -- 5000000 7` with seed 7. What fails is printed with its seed and number.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const [cases = '1000000', seed = String(Date.now() % 1_000_000)] = process.argv.slice(2);
console.log(`Reading ${cases} mutated files, seed ${seed}.`);
const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));
const { status } = spawnSync(
  process.execPath,
  [
    vitest,
    'run',
    '--project',
    'unit',
    'test/integration/mutated-models.test.ts',
    '--testTimeout',
    '86400000',
  ],
  { stdio: 'inherit', env: { ...process.env, HERMIT_FUZZ_CASES: cases, HERMIT_FUZZ_SEED: seed } },
);
process.exitCode = status ?? 1;
