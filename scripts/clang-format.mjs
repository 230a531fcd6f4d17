/**
 * Formats the C sources in `wasm/`, or with `--check` says which are not formatted.
 *
 * The npm package brings clang-format for Linux and Windows on x64 and for macOS; elsewhere the
 * check is left to continuous integration, visibly.
 */
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const SUPPORTED = ['linux-x64', 'win32-x64', 'win32-ia32', 'darwin-x64', 'darwin-arm64'];

const check = process.argv.includes('--check');
const files = readdirSync(join(ROOT, 'wasm'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.[ch]$/.test(entry.name))
  .map((entry) => join(entry.parentPath, entry.name))
  .filter((path) => !path.includes(join('wasm', 'build')));

if (!SUPPORTED.includes(`${process.platform}-${process.arch}`)) {
  console.log(`clang-format has no build for ${process.platform}-${process.arch}: not checked`);
} else if (files.length > 0) {
  const program = createRequire(import.meta.url).resolve('clang-format');
  const mode = check ? ['--dry-run', '--Werror'] : ['-i'];
  const { status } = spawnSync(process.execPath, [program, '-style=file', ...mode, ...files], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (status !== 0 && check) console.error('Run `npm run format` to format the C sources.');
  process.exitCode = status ?? 1;
}
