import { expect, test } from 'vitest';
import { blockCount, blockIndexAt, blockRange, defaultBlockSizes } from './block-layout.ts';

const cases = [
  { chunkBytes: 40, blockBytes: 16 },
  { chunkBytes: 32, blockBytes: 16 },
  { chunkBytes: 16, blockBytes: 16 },
];

test.each(cases)('blocks of %j tile a file without gaps and never cross a chunk', (sizes) => {
  for (let size = 0; size <= 130; size++) {
    const count = blockCount(sizes, size);
    let end = 0;
    for (let index = 0; index < count; index++) {
      const range = blockRange(sizes, size, index);
      expect(range.offset).toBe(end);
      expect(range.bytes).toBeGreaterThan(0);
      end = range.offset + range.bytes;
      expect(Math.floor(range.offset / sizes.chunkBytes)).toBe(
        Math.floor((end - 1) / sizes.chunkBytes),
      );
      for (let at = range.offset; at < end; at++) expect(blockIndexAt(sizes, at)).toBe(index);
    }
    expect(end).toBe(size);
  }
});

test('without a known size a block is as long as its place', () => {
  expect(blockRange({ chunkBytes: 40, blockBytes: 16 }, null, 2)).toEqual({
    index: 2,
    offset: 32,
    bytes: 8,
    chunkEnd: 40,
  });
});

test('a chunk of the product is 25 blocks', () => {
  expect(blockCount(defaultBlockSizes, defaultBlockSizes.chunkBytes)).toBe(25);
  expect(blockIndexAt(defaultBlockSizes, 2 ** 33)).toBe(
    blockCount(defaultBlockSizes, 2 ** 33 + 1) - 1,
  );
});
