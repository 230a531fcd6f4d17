/** The compiler keeps the browser out of the engine: its names do not exist there. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const scratch = `${root}node_modules/.cache/layer-globals`;
const forbidden = ['document', 'window', 'fetch', 'indexedDB', 'navigator', 'localStorage', 'self'];

/** What the compiler says about `source` as a file of the layer. */
function compile(layer: string, source: string): string {
  writeFileSync(`${scratch}/probe.ts`, source);
  writeFileSync(
    `${scratch}/tsconfig.json`,
    JSON.stringify({
      extends: `${root}src/${layer}/tsconfig.json`,
      compilerOptions: { composite: false, incremental: false, noEmit: true, rootDir: root },
      include: [`${scratch}/probe.ts`, `${root}src/common/universal.d.ts`],
      references: [],
    }),
  );
  const compiler = `${root}node_modules/typescript/bin/tsc`;
  const { stdout } = spawnSync(process.execPath, [compiler, '-p', scratch], { encoding: 'utf8' });
  return stdout;
}

describe.each(['common', 'engine'])('src/%s', (layer) => {
  beforeAll(() => {
    mkdirSync(scratch, { recursive: true });
  });
  afterAll(() => {
    rmSync(scratch, { recursive: true, force: true });
  });

  it.each(forbidden)('does not know `%s`', (name) => {
    expect(compile(layer, `export const probe: unknown = ${name};`)).toContain(
      `Cannot find name '${name}'`,
    );
  });

  it('knows what every place has', () => {
    expect(
      compile(layer, 'export const probe: unknown = [performance.now(), new TextDecoder()];'),
    ).toBe('');
  });
});
