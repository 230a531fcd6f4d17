/**
 * The documents, held to what they speak of: files, npm scripts, names in the code and error codes
 * exist, packages are the installed ones, tables are those the registries make, lengths stay bearable.
 */
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { errorCodes } from '../src/common/errors.ts';
import { kernelBuildTimeoutMs } from './fixtures/wasm-backend.ts';
import { tablesOf, withTables } from './readme-tables.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const read = (path: string): string => readFileSync(join(root, path), 'utf8');

const skipped = new Set(['node_modules', '.git', 'dist', 'build', 'test-results']);

/** Paths from the root, with slashes. */
function listFiles(folder: string, pattern: RegExp): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    if (skipped.has(entry.name)) return [];
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return listFiles(path, pattern);
    return pattern.test(entry.name) ? [relative('.', path).split(sep).join('/')] : [];
  });
}

const documents = listFiles('.', /\.md$/);

/** Most lines of a document; one without a line here may have `otherLines`. */
const mostLines: Readonly<Record<string, number>> = { 'README.md': 250, 'src/README.md': 300 };
const otherLines = 150;

/** Pictures are downloaded by everybody who reads README.md or installs Hermit. */
const mostPictureBytes = 150 * 1024;

/** Made by a build, so absent from a fresh checkout. */
const built = /^(dist|build)\//;

const fence = /^```[\s\S]*?^```/gm;

/** What stands in `code` outside of blocks of code. */
function codeSpans(text: string): string[] {
  return [...text.replaceAll(fence, '').matchAll(/`([^`\n]+)`/g)].map((match) => match[1] ?? '');
}

/** Targets of links and pictures that lie in the repository. */
function linkTargets(text: string): string[] {
  return [...text.replaceAll(fence, '').matchAll(/\]\(([^)\s]+)\)/g)]
    .map((match) => (match[1] ?? '').replace(/#.*$/, ''))
    .filter((target) => target !== '' && !/^[a-z]+:/.test(target));
}

const fileName = /^[\w@*./-]+\.(ts|mts|mjs|js|json|md|c|h|css|html|png|svg)$/;
const folderName = /^[\w@.-]+(\/[\w@.-]+)*\/$/;

const fileNames: ReadonlySet<string> = new Set(
  listFiles('.', fileName).map((path) => path.slice(path.lastIndexOf('/') + 1)),
);

/** A path as a document may write it: from the root, its own folder or `src/`; or a name alone. */
function exists(path: string, document: string): boolean {
  if (fileNames.has(path)) return true;
  const [literal = ''] = path.split('*');
  const folder = literal.slice(0, literal.lastIndexOf('/') + 1);
  return [root, join(root, dirname(document)), join(root, 'src')].some((base) =>
    existsSync(join(base, path.includes('*') ? folder : path)),
  );
}

/** Files that only a running Hermit has, by their name on the server. */
const served = new Set([
  'service-worker.js',
  'embed.js',
  'embed-language-model.js',
  'embed-openai.js',
]);

/** Stands in instructions for the name that the reader chooses. */
const placeholder = /NAME/;

function missingPaths(text: string, document: string): string[] {
  const spans = codeSpans(text).filter((span) => fileName.test(span) || folderName.test(span));
  return [...spans, ...linkTargets(text)].filter(
    (path) =>
      !built.test(path) && !served.has(path) && !placeholder.test(path) && !exists(path, document),
  );
}

const npmCommands = new Set(['ci', 'start', 'test', 'install', 'run']);

function unknownScripts(text: string): string[] {
  const { scripts } = JSON.parse(read('package.json')) as { scripts: Record<string, string> };
  const code = [...(text.match(fence) ?? []), ...codeSpans(text)].join('\n');
  return [...code.matchAll(/\bnpm (run )?([a-z]+)/g)]
    .filter(([, run, name = '']) => {
      const isScript = run !== undefined || name === 'start' || name === 'test';
      return isScript ? scripts[name] === undefined : !npmCommands.has(name);
    })
    .map(([command]) => command);
}

/** Everything the code could mean by a word. */
const words: ReadonlySet<string> = new Set(
  ['src', 'workers', 'wasm', 'test', 'scripts']
    .flatMap((folder) => listFiles(folder, /\.(ts|mjs|c|h)$/))
    .concat('vite.config.ts', 'index.html')
    .filter((path) => path !== 'test/documents.test.ts')
    .flatMap((path) => read(path).match(/[A-Za-z_$][\w$]*/g) ?? []),
);

const identifier = /^#?[A-Za-z_$][\w$]*(\.#?[A-Za-z_$][\w$]*)*(\(\))?$/;

/** Names of functions, classes and the like that the code does not have. */
function unknownNames(text: string): string[] {
  return codeSpans(text)
    .filter((span) => identifier.test(span) && !fileName.test(span) && !placeholder.test(span))
    .filter((span) => /[A-Z.(]/.test(span))
    .filter((span) => !(span.match(/[A-Za-z_$][\w$]*/g) ?? []).every((word) => words.has(word)));
}

const codeLike = /^(internal|[a-z-]+\/[a-z-]+)$/;
const codeGroups = new Set(errorCodes.map((code) => code.split('/')[0]));

/** What looks like an error code, of a group that exists, and is none. */
function unknownErrorCodes(text: string): string[] {
  const codes: readonly string[] = errorCodes;
  return codeSpans(text)
    .filter((span) => codeLike.test(span) && codeGroups.has(span.split('/')[0] ?? ''))
    .filter((span) => !codes.includes(span));
}

describe.each(documents)('%s', (document) => {
  const text = read(document);

  it('names only files that exist', () => {
    expect(missingPaths(text, document)).toEqual([]);
  });

  it('names only npm scripts that exist', () => {
    expect(unknownScripts(text)).toEqual([]);
  });

  it('names only what the code has', () => {
    expect(unknownNames(text)).toEqual([]);
    expect(unknownErrorCodes(text)).toEqual([]);
  });

  it('is not too long', () => {
    const lines = text.trimEnd().split('\n').length;
    expect(lines).toBeLessThanOrEqual(mostLines[document] ?? otherLines);
  });
});

describe.each(Object.keys(tablesOf))('%s', (document) => {
  it(
    'has the tables that the code makes',
    async () => {
      // Out of date? Run: node scripts/make-readme-tables.mjs
      const text = read(document);
      expect(text).toBe(await withTables(document, text));
    },
    kernelBuildTimeoutMs,
  );
});

describe('README.md', () => {
  const readme = read('README.md');

  it('gives a reason for every package, and for no other', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as {
      dependencies: Record<string, string>;
      devDependencies: Record<string, string>;
    };
    const section = /## Dependencies\n([\s\S]*?)\n## /.exec(readme)?.[1] ?? '';
    const installed = Object.keys({ ...dependencies, ...devDependencies });
    expect(codeSpans(section).sort()).toEqual(installed.sort());
  });

  it('says of the catalogue what the catalogue says of itself', () => {
    const catalog = JSON.parse(read('public/catalog.json')) as { models: { verified: boolean }[] };
    const allUnverified = catalog.models.every(({ verified }) => !verified);
    expect(readme.includes('**The catalogue is not verified.**')).toBe(allUnverified);
  });

  it('has a place for measured kernels', () => {
    expect(readme).toMatch(/<!-- bench:begin -->[\s\S]*<!-- bench:end -->/);
  });
});

describe('pictures', () => {
  const pictures = listFiles('public/screenshots', /\.png$/);

  it('are small', () => {
    expect(pictures.length).toBeGreaterThan(1);
    const large = pictures.filter((path) => statSync(join(root, path)).size > mostPictureBytes);
    expect(large).toEqual([]);
  });

  it.each(pictures)('%s has the size that the manifest states', (path) => {
    const header = readFileSync(join(root, path)).subarray(16, 24);
    const size = `${header.readUInt32BE(0)}x${header.readUInt32BE(4)}`;
    const entry = read('vite.config.ts').split(`/${path.replace('public/', '')}'`)[1] ?? '';
    expect(/sizes: '(\d+x\d+)'/.exec(entry)?.[1]).toBe(size);
  });
});

describe('the checks of documents', () => {
  it('catch what does not exist', () => {
    expect(missingPaths('See `src/app/nothing.ts` and `src/nowhere/`.', 'README.md')).toHaveLength(
      2,
    );
    expect(missingPaths('See [this](nothing.md).', 'README.md')).toEqual(['nothing.md']);
    expect(unknownScripts('`npm run nonsense`, `npm start`')).toEqual(['npm run nonsense']);
    const invented = `Engine.${['transmog', 'rify'].join('')}()`;
    expect(unknownNames(`\`${invented}\` and \`Engine.load\``)).toEqual([invented]);
    expect(unknownErrorCodes('`store/quota`, `store/full`')).toEqual(['store/full']);
  });

  it('let pass what does', () => {
    expect(
      missingPaths('`store/model-store.ts`, `test/`, `wasm/src/*.c`', 'src/README.md'),
    ).toEqual([]);
    expect(missingPaths('[home](https://example.org)', 'README.md')).toEqual([]);
  });
});
