/**
 * Finds what a battery is made of for the tests: D-Bus and python3-dbusmock, which plays UPower on a
 * bus of its own. Installs them where that is possible, as root on Debian. Without them the tests put
 * an object with the shape of a battery into the page.
 */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { isDebianRoot } from './find-chromium.mjs';

const PACKAGES = ['dbus', 'python3-dbusmock'];
const TOOLS = ['/usr/bin/dbus-daemon', '/usr/bin/dbus-send', '/usr/bin/python3'];

/** Whether a UPower can be played. */
export function findUPower() {
  if (!TOOLS.every((path) => existsSync(path))) return false;
  return spawnSync('/usr/bin/python3', ['-c', 'import dbusmock']).status === 0;
}

/**
 * Finds it or installs it.
 *
 * @param {(line: string) => void} log
 * @returns {boolean}
 */
export function ensureUPower(log = console.error) {
  if (findUPower() || !isDebianRoot()) return findUPower();
  log('python3-dbusmock is missing; installing it');
  for (const args of [['update'], ['install', '-y', '--no-install-recommends', ...PACKAGES]]) {
    spawnSync('apt-get', args, {
      stdio: ['ignore', process.stderr, process.stderr],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    });
  }
  return findUPower();
}
