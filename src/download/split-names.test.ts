import { describe, expect, it } from 'vitest';
import type { AppError } from '../common/errors.ts';
import { groupSplitFiles, parseSplitName, splitPaths } from './split-names.ts';

describe('names of models in several files', () => {
  it.each([
    ['m-00001-of-00003.gguf', { base: 'm', index: 0, count: 3 }],
    ['a-b.Q4_K_M-00002-of-00002.GGUF', { base: 'a-b.Q4_K_M', index: 1, count: 2 }],
    ['m-00001-of-00001.gguf', null],
    ['m-00004-of-00003.gguf', null],
    ['m-00000-of-00003.gguf', null],
    ['m-1-of-3.gguf', null],
    ['m-00001-of-01001.gguf', null],
    ['m-00001-of-01000.gguf', { base: 'm', index: 0, count: 1000 }],
    ['m.gguf', null],
    ['-00001-of-00003.gguf', null],
  ])('%s', (name, expected) => {
    expect(parseSplitName(name)).toEqual(expected);
  });

  it('one name leads to all, whatever folder they are in', () => {
    expect(splitPaths('Q4-00009-of-00009/m-00002-of-00003.gguf')).toEqual([
      'Q4-00009-of-00009/m-00001-of-00003.gguf',
      'Q4-00009-of-00009/m-00002-of-00003.gguf',
      'Q4-00009-of-00009/m-00003-of-00003.gguf',
    ]);
    expect(splitPaths('folder/m.gguf')).toBeNull();
  });

  it('files chosen together become models', () => {
    const names = ['b-00002-of-00002.gguf', 'x.gguf', 'b-00001-of-00002.gguf', 'x.gguf'];
    const groups = groupSplitFiles(names.map((name) => ({ name })));
    expect(groups.map((group) => group.map(({ name }) => name))).toEqual([
      ['b-00001-of-00002.gguf', 'b-00002-of-00002.gguf'],
      ['x.gguf'],
      ['x.gguf'],
    ]);
  });

  it('names the files that are missing', () => {
    expect(() => groupSplitFiles([{ name: 'b-00002-of-00003.gguf' }])).toThrow(
      expect.objectContaining<Partial<AppError>>({
        code: 'model-file/in-parts',
        details: { parts: 3, missing: ['b-00001-of-00003.gguf', 'b-00003-of-00003.gguf'] },
      }),
    );
  });
});
