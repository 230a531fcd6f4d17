/**
 * Everything that has to hold before a change is good, in one command:
 *
 *     npm test
 *
 * Finds or installs the browsers and a battery, builds, then checks lint, formatting, types and size budgets and runs
 * all tests: unit, kernel, contract, architecture and browser. A step that fails does not stop the
 * ones after it. The last line says `N passed, N failed, N skipped`, where each check counts as one.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { ensureChromium } from './find-chromium.mjs';
import { ensureEngines } from './find-engines.mjs';
import { ensureUPower } from './find-upower.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const RESULTS = join(ROOT, 'test-results', 'vitest.json');
/** A test that hangs must not hold the whole command; the tests take ten minutes on two cores. */
const TESTS_TIMEOUT_MS = 17 * 60_000;
const CHECK_TIMEOUT_MS = 5 * 60_000;

/** @typedef {{ passed: number; failed: number; skipped: number }} Counts */

const require = createRequire(import.meta.url);

/**
 * The program of an installed package, run by this Node: no shell and no npx in between.
 *
 * @param {string} name
 * @param {string} [program]
 */
function program(name, program = name) {
  const packageFile = join(ROOT, 'node_modules', name, 'package.json');
  /** @type {{ bin: string | Record<string, string> }} */
  const { bin } = require(packageFile);
  const path = typeof bin === 'string' ? bin : bin[program];
  if (path === undefined) throw new Error(`The package ${name} has no program ${program}`);
  return join(dirname(packageFile), path);
}

/** @type {ReadonlyArray<{ name: string; arguments: readonly string[]; advice: string }>} */
const CHECKS = [
  {
    name: 'build',
    arguments: ['scripts/build.mjs'],
    advice: 'npm run build',
  },
  {
    name: 'lint',
    arguments: [program('oxlint'), '--type-aware', '--deny-warnings'],
    advice: 'npx oxlint --type-aware',
  },
  {
    name: 'formatting',
    arguments: [program('prettier'), '--check', '--log-level', 'warn', '.'],
    advice: 'npm run format',
  },
  {
    name: 'formatting of C',
    arguments: ['scripts/clang-format.mjs', '--check'],
    advice: 'npm run format',
  },
  {
    name: 'types',
    arguments: [program('typescript', 'tsc'), '--build', '--pretty'],
    advice: 'npm run check',
  },
  { name: 'size budgets', arguments: ['scripts/size.mjs'], advice: 'npm run size' },
];

/**
 * Runs a Node program and shows what it prints as it prints it.
 *
 * @param {readonly string[]} args
 * @param {number} timeoutMs
 * @returns {Promise<boolean>} Whether it ended well and in time.
 */
function runNode(args, timeoutMs) {
  return new Promise((resolve) => {
    // A process group of its own, so that a browser or a compiler it started can be ended with it.
    const detached = process.platform !== 'win32';
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit', detached });
    const stop = () => {
      if (child.pid !== undefined) process.kill(detached ? -child.pid : child.pid, 'SIGKILL');
    };
    const interrupt = () => {
      stop();
      process.exit(130);
    };
    process.once('SIGINT', interrupt).once('SIGTERM', interrupt);
    const timer = setTimeout(() => {
      console.log(`Stopped after ${timeoutMs / 60_000} minutes`);
      stop();
    }, timeoutMs);
    const end = (/** @type {boolean} */ passed) => {
      clearTimeout(timer);
      process.off('SIGINT', interrupt).off('SIGTERM', interrupt);
      resolve(passed);
    };
    child.on('error', (error) => {
      console.error(error.message);
      end(false);
    });
    child.on('exit', (code) => {
      end(code === 0);
    });
  });
}

/** @param {Counts} counts */
async function runChecks(counts) {
  for (const check of CHECKS) {
    heading(check.name);
    const start = performance.now();
    const passed = await runNode(check.arguments, CHECK_TIMEOUT_MS);
    counts[passed ? 'passed' : 'failed'] += 1;
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    console.log(
      passed ? `ok (${seconds} s)` : `FAILED (${seconds} s). To see it alone: ${check.advice}`,
    );
  }
}

/** @param {Counts} counts */
async function runTests(counts) {
  heading('tests');
  mkdirSync(dirname(RESULTS), { recursive: true });
  rmSync(RESULTS, { force: true });
  const passed = await runNode(
    [
      program('vitest'),
      'run',
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${RESULTS}`,
    ],
    TESTS_TIMEOUT_MS,
  );
  const results = readResults();
  counts.passed += results.passed;
  counts.skipped += results.skipped;
  // A runner that failed without a failed test (an error outside of any) is a failure of its own.
  counts.failed += passed ? results.failed : Math.max(1, results.failed);
}

/** @returns {Counts} */
function readResults() {
  if (!existsSync(RESULTS)) return { passed: 0, failed: 1, skipped: 0 };
  /**
   * @type {{
   *   numPassedTests: number;
   *   numFailedTests: number;
   *   numPendingTests: number;
   *   numTodoTests: number;
   *   testResults: { status: string; assertionResults: { status: string }[] }[];
   * }}
   */
  const report = JSON.parse(readFileSync(RESULTS, 'utf8'));
  // A file that cannot even be loaded holds no tests, passed or failed.
  const brokenFiles = report.testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  return {
    passed: report.numPassedTests,
    failed: report.numFailedTests + brokenFiles.length,
    skipped: report.numPendingTests + report.numTodoTests,
  };
}

/** @param {string} name */
function heading(name) {
  console.log(`\n== ${name}`);
}

/** @type {Counts} */
const counts = { passed: 0, failed: 0, skipped: 0 };
heading('Chromium');
try {
  const path = await ensureChromium(console.log);
  process.env['CHROME_PATH'] = path;
  console.log(path);
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  counts.failed += 1;
}
heading('Firefox and WebKit');
const { firefox, webkit } = ensureEngines(console.log);
console.log(firefox ?? 'no Firefox: its tests are skipped');
console.log(webkit ?? 'no WebKitGTK: its tests are skipped');
heading('Battery');
console.log(
  ensureUPower(console.log)
    ? 'UPower is played by python3-dbusmock'
    : 'no python3-dbusmock: an object in the page plays the battery',
);
await runChecks(counts);
await runTests(counts);
console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exitCode = counts.failed === 0 ? 0 : 1;
