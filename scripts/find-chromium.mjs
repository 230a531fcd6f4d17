/**
 * Finds the Chromium that the browser tests run in, and installs one where there is none.
 *
 *     node scripts/find-chromium.mjs      prints the path
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const COMMANDS = [
  'chromium',
  'chromium-browser',
  'google-chrome-stable',
  'google-chrome',
  'microsoft-edge-stable',
];

/**
 * The path of a Chromium: CHROME_PATH, a command on the PATH, the usual places, Playwright's own.
 *
 * @returns {Promise<string | null>}
 */
export async function findChromium() {
  const named = process.env['CHROME_PATH'];
  if (named !== undefined && named !== '') {
    if (existsSync(named)) return named;
    throw new Error(`CHROME_PATH names no file: ${named}`);
  }
  const found = [...onPath(), ...usualPlaces()].find((path) => existsSync(path));
  return found ?? (await playwrightsOwn());
}

/**
 * Finds Chromium or installs it: as root on Debian and Ubuntu by apt-get, elsewhere by Playwright
 * into the user's cache.
 *
 * @param {(line: string) => void} log
 * @returns {Promise<string>}
 * @throws Error that says what to do when no Chromium can be had.
 */
export async function ensureChromium(log = console.error) {
  const present = await findChromium();
  if (present !== null) return present;
  log('No Chromium found; installing one');
  const commands = isDebianRoot()
    ? [
        ['apt-get', 'update'],
        ['apt-get', 'install', '-y', '--no-install-recommends', 'chromium'],
      ]
    : [
        [
          'npx',
          'playwright-core',
          'install',
          ...(isLinuxRoot() ? ['--with-deps'] : []),
          'chromium',
        ],
      ];
  for (const [program = '', ...args] of commands) run(program, args);
  const installed = await findChromium();
  if (installed !== null) return installed;
  throw new Error(
    'Chromium could not be installed. Install Chromium or Chrome, or set CHROME_PATH to its executable.',
  );
}

/**
 * @param {string} program
 * @param {string[]} args
 */
function run(program, args) {
  // Standard output is for the path alone.
  spawnSync(program, args, {
    stdio: ['ignore', process.stderr, process.stderr],
    shell: process.platform === 'win32',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
}

function onPath() {
  const suffix = process.platform === 'win32' ? '.exe' : '';
  return (process.env['PATH'] ?? '')
    .split(delimiter)
    .flatMap((folder) => COMMANDS.map((command) => join(folder, command + suffix)));
}

function usualPlaces() {
  if (process.platform === 'darwin') {
    return [
      '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
      '/Applications/Chromium.app/Contents/MacOS/Chromium',
      '/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge',
    ];
  }
  if (process.platform === 'win32') {
    return ['ProgramFiles', 'ProgramFiles(x86)', 'LOCALAPPDATA']
      .map((name) => process.env[name])
      .filter((folder) => folder !== undefined)
      .flatMap((folder) => [
        join(folder, 'Google', 'Chrome', 'Application', 'chrome.exe'),
        join(folder, 'Chromium', 'Application', 'chrome.exe'),
        join(folder, 'Microsoft', 'Edge', 'Application', 'msedge.exe'),
      ]);
  }
  return ['/usr/lib/chromium/chromium', '/opt/google/chrome/chrome', '/snap/bin/chromium'];
}

async function playwrightsOwn() {
  const { chromium } = await import('playwright-core');
  const path = chromium.executablePath();
  return existsSync(path) ? path : null;
}

function isLinuxRoot() {
  return process.platform === 'linux' && process.getuid?.() === 0;
}

/** Whether packages can be installed by apt-get. */
export function isDebianRoot() {
  if (!isLinuxRoot()) return false;
  if (!existsSync('/etc/debian_version') || !existsSync('/usr/bin/apt-get')) return false;
  // Ubuntu's chromium package only starts a snap, which does not work in containers.
  return !/^ID=ubuntu$/m.test(readFileSync('/etc/os-release', 'utf8'));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(await ensureChromium());
