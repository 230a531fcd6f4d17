/**
 * Finds Firefox and WebKitGTK for the tests of other browser engines, and installs what is missing:
 * as root on Debian by apt-get. Elsewhere they are used when they are there.
 *
 *     node scripts/find-engines.mjs      prints the paths
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { isDebianRoot } from './find-chromium.mjs';

const PACKAGES = ['firefox-esr', 'webkit2gtk-driver', 'xvfb', 'xauth'];

/**
 * Paths of executables. WebKit's is its MiniBrowser, which stands for Safari; it needs
 * `WebKitWebDriver` and `xvfb-run` beside it.
 *
 * @typedef {{ firefox: string | null; webkit: string | null }} Engines
 */

/** @returns {Engines} */
export function findEngines() {
  const firefox = ['/usr/bin/firefox-esr', '/usr/lib/firefox-esr/firefox-esr', '/usr/bin/firefox'];
  const tools = ['/usr/bin/WebKitWebDriver', '/usr/bin/xvfb-run', '/usr/bin/xauth'];
  const webkit = tools.every((path) => existsSync(path)) ? miniBrowsers() : [];
  return {
    firefox: process.env['FIREFOX_PATH'] ?? firefox.find((path) => existsSync(path)) ?? null,
    webkit: webkit.at(-1) ?? null,
  };
}

/** Each version of WebKitGTK has a folder of its own, in that of the processor's kind. */
function miniBrowsers() {
  return readdirSync('/usr/lib')
    .map((kind) => join('/usr/lib', kind))
    .filter((kind) => kind.includes('linux-gnu'))
    .flatMap((kind) => readdirSync(kind).map((name) => join(kind, name, 'MiniBrowser')))
    .filter((path) => path.includes('webkit2gtk') && existsSync(path))
    .sort();
}

/**
 * Finds them or installs them.
 *
 * @param {(line: string) => void} log
 * @returns {Engines}
 */
export function ensureEngines(log = console.error) {
  const present = findEngines();
  if ((present.firefox !== null && present.webkit !== null) || !isDebianRoot()) return present;
  log('Firefox or WebKitGTK is missing; installing them');
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...PACKAGES]]) {
    spawnSync('apt-get', args, {
      // Standard output is for the paths alone.
      stdio: ['ignore', process.stderr, process.stderr],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  }
  return findEngines();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) console.log(ensureEngines());
