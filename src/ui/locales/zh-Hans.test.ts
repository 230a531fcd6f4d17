import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { templates } from './zh-Hans.ts';

const folder = fileURLToPath(new URL('..', import.meta.url));

const sources = readdirSync(folder, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts') && !/\.test(?:-data)?\.ts$/.test(name))
  .map((name) => readFileSync(join(folder, name), 'utf8'));

/** `msg('text', { id: 'x' })` and msg(str`text`, { id: 'x' }), however they are broken into lines. */
const call =
  /\bmsg\(\s*(str`(?:[^`\\]|\\.)*`|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")\s*,\s*\{\s*id:\s*'([^']+)',?\s*\},?\s*\)/g;

const used = new Map<string, number>();
let calls = 0;
for (const source of sources) {
  calls += source.match(/\bmsg\(/g)?.length ?? 0;
  for (const [, text = '', id = ''] of source.matchAll(call)) {
    used.set(id, text.startsWith('str') ? (text.match(/\$\{/g)?.length ?? 0) : 0);
  }
}

function parameters(template: unknown): number {
  if (typeof template === 'string') return 0;
  return (template as { values: unknown[] }).values.length;
}

describe('the Chinese interface', () => {
  it('is compared with every call of msg, each of which has an explicit id', () => {
    const understood = sources.reduce((sum, source) => sum + [...source.matchAll(call)].length, 0);
    expect(understood).toBe(calls);
    expect(used.size).toBeGreaterThan(200);
  });

  it('has every text of the sources and no others', () => {
    expect(Object.keys(templates).sort()).toEqual([...used.keys()].sort());
  });

  it('takes as many parameters as the English text', () => {
    for (const [id, template] of Object.entries(templates)) {
      expect(parameters(template), id).toBe(used.get(id));
    }
  });

  it('is Chinese', () => {
    const latin = new Set([
      'about.simdPlain',
      'field.minP',
      'field.topK',
      'field.topP',
      'model.amount',
      'model.speedLeft',
    ]);
    for (const [id, template] of Object.entries(templates)) {
      if (latin.has(id)) continue;
      const text =
        typeof template === 'string'
          ? template
          : (template as { strings: readonly string[] }).strings.join('');
      expect(text, id).toMatch(/\p{Script=Han}/u);
    }
  });
});
