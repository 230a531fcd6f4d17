/**
 * Makes the npm package of what embedding pages use of Hermit: `connect`, the fetch for the `openai`
 * package and `LanguageModel`, as plain modules with their types.
 *
 *     npm run client     # prints the path of the .tgz in build/
 */
import { spawnSync } from 'node:child_process';
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));

const ENTRIES = {
  '.': 'embed/host/connect',
  './openai': 'embed/host/openai-fetch',
  './language-model': 'embed/host/language-model',
};

/**
 * @param {string} folder Where the package and its archive are made.
 * @returns {Promise<string>} The path of the archive.
 */
export async function packClient(folder) {
  const directory = join(folder, 'client');
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory, { recursive: true });
  const compiler = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
  const project = join(ROOT, 'src', 'embed', 'client.tsconfig.json');
  run(process.execPath, [compiler, '-p', project, '--outDir', join(directory, 'lib')], ROOT);
  await nameModulesInTypes(join(directory, 'lib'));
  await copyFile(join(ROOT, 'src', 'embed', 'host', 'README.md'), join(directory, 'README.md'));
  await copyFile(join(ROOT, 'LICENSE'), join(directory, 'LICENSE'));
  await writeFile(join(directory, 'package.json'), JSON.stringify(await describe(), null, 2));
  const packed = run('npm', ['pack', '--silent', '--pack-destination', folder], directory);
  return join(folder, packed.trim());
}

async function describe() {
  /** @type {{ version: string; license: string }} */
  const { version, license } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const exported = Object.entries(ENTRIES).map(([name, path]) => [
    name,
    { types: `./lib/${path}.d.ts`, default: `./lib/${path}.js` },
  ]);
  return {
    name: 'hermit-client',
    version,
    description: 'Use the Hermit in a visitor’s browser from your page',
    license,
    type: 'module',
    sideEffects: false,
    exports: Object.fromEntries(exported),
    files: ['lib'],
  };
}

/** The compiler names modules by their sources in declarations. @param {string} folder */
async function nameModulesInTypes(folder) {
  for (const file of await readdir(folder, { recursive: true })) {
    if (!file.endsWith('.d.ts')) continue;
    const text = await readFile(join(folder, file), 'utf8');
    await writeFile(join(folder, file), text.replaceAll(/(from '[^']+)\.ts'/g, "$1.js'"));
  }
}

/** @param {string} command @param {readonly string[]} parameters @param {string} cwd */
function run(command, parameters, cwd) {
  const { status, stdout, stderr } = spawnSync(command, parameters, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${parameters.join(' ')}:\n${stdout}${stderr}`);
  return stdout;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await mkdir(join(ROOT, 'build'), { recursive: true });
  console.log(await packClient(join(ROOT, 'build')));
}
