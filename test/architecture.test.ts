import { readFileSync, readdirSync } from 'node:fs';
import { join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { findViolations, importsOf, WORKER_LINE_LIMIT, type SourceText } from './import-rules.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The sources of the app; tests may import what they test and what they test it with. */
function readSources(): SourceText[] {
  return ['src', 'workers'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile() && /(?<!\.test|\.d)\.ts$/.test(entry.name))
      .map((entry) => join(entry.parentPath, entry.name))
      .map((path) => ({
        path: relative(root, path).split(sep).join('/'),
        text: readFileSync(path, 'utf8'),
      })),
  );
}

describe('architecture', () => {
  it('every import keeps the rules of the layers', () => {
    const sources = readSources();
    expect(sources.length).toBeGreaterThan(30);
    const report = findViolations(sources).map(({ path, message }) => `${path} ${message}`);
    expect(report.join('\n')).toBe('');
  });
});

/** The broken rules when `path` holds `text`, among files that break none. */
function violations(path: string, text: string, others: readonly SourceText[] = []): string[] {
  return findViolations([{ path, text }, ...others]).map((violation) => violation.message);
}

describe('import rules', () => {
  it.each([
    ['src/engine/a.ts', "import { x } from '../store/b.ts';", 'engine may import common'],
    ['src/engine/a.ts', "import type { X } from '../platform/b.ts';", 'engine may import common'],
    ['src/engine/a.ts', "import 'lit';", 'no package'],
    ['src/ui/a.ts', "import type { X } from '../engine/b.ts';", 'ui may import common'],
    ['src/ui/a.ts', "export { x } from '../store/b.ts';", 'ui may import common'],
    ['src/ui/a.ts', "import * as Comlink from 'comlink';", 'ui may use lit'],
    ['src/app/a.ts', "import { wrap } from 'comlink';", 'app may use lit'],
    ['src/store/a.ts', "import { x } from '../download/b.ts';", 'does not know download'],
    ['src/rpc/a.ts', "import { x } from '../engine/b.ts';", 'only types'],
    ['src/conversation/a.ts', "const x = import('../app/main.ts');", 'nothing imports app'],
    ['workers/a.ts', "import { x } from '../src/app/main.ts';", 'nothing imports app'],
    ['workers/a.ts', "import { x } from '../src/ui/b.ts';", 'never shows anything'],
    [
      'src/engine/models/a.ts',
      "import { x } from '../backend/wasm/b.ts';",
      'one model definition serves all backends',
    ],
    ['src/pwa/a.ts', "new URL('../store/b.ts', import.meta.url);", 'pwa may import common'],
    ['src/common/a.ts', "import { x } from '../../test/b.ts';", 'outside src/'],
    ['src/misc/a.ts', '', 'does not list'],
  ])('%s with %s is caught', (path, text, reason) => {
    expect(violations(path, text).join('\n')).toContain(reason);
  });

  it.each([
    ['src/engine/models/a.ts', "import type { Backend } from '../backend/backend.ts';"],
    ['src/engine/engine.ts', "import { x } from './backend/wasm/b.ts';"],
    ['src/rpc/a.ts', "import type { X } from '../engine/b.ts';\nimport { wrap } from 'comlink';"],
    ['src/rpc/a.ts', "import { type X } from '../engine/b.ts';"],
    ['src/download/a.ts', "import { x } from '../store/b.ts';"],
    ['src/ui/a.ts', "import { html } from 'lit/static-html.js';"],
    ['src/app/a.ts', "import url from '../../workers/store.worker.ts?worker&url';"],
    ['workers/a.ts', "import wasm from '../build/wasm/kernels.wasm?url';"],
  ])('%s with %s is allowed', (path, text) => {
    expect(violations(path, text)).toEqual([]);
  });

  it('a cycle is caught, once, also among types', () => {
    const found = violations('src/common/a.ts', "import type { B } from './b.ts';", [
      { path: 'src/common/b.ts', text: "export * from './c.ts';" },
      { path: 'src/common/c.ts', text: "import { a } from './a.ts';" },
      { path: 'src/common/d.ts', text: "import { a } from './a.ts';" },
    ]);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain('a.ts -> src/common/b.ts -> src/common/c.ts -> src/common/a.ts');
  });

  it('a long worker file is caught at one line too many', () => {
    const lines = (count: number): string => 'export {};\n'.repeat(count);
    expect(violations('workers/a.ts', lines(WORKER_LINE_LIMIT))).toEqual([]);
    expect(violations('workers/a.ts', lines(WORKER_LINE_LIMIT + 1))).toHaveLength(1);
  });

  it('an import of a computed path cannot hide', () => {
    const text = 'const load = (name: string) => import(`./${name}.ts`);';
    expect(() => importsOf({ path: 'src/app/a.ts', text })).toThrow('no literal');
  });
});
