/**
 * How the bytes of one file are cut into records.
 *
 * ```
 * file   |----------- chunk 0 ------------|----------- chunk 1 ------------|-- ...
 * blocks |  0  |  1  | ... |  11  | 12 (8) |  13  | ...
 * ```
 * A chunk is what one ranged request asks for, a block is one file or one record. Blocks never
 * cross a chunk's border, so the last block of a chunk may be shorter. A single record of chunk size
 * would cost about 0.7 GB of extra memory while it is written. A block in flight is in memory several
 * times (being filled, being hashed, on its way to the disk), so it is kept small.
 */
import { MEBIBYTE } from '../common/bytes.ts';
import { hashPieceBytes } from './content-hash.ts';

export interface BlockSizes {
  readonly chunkBytes: number;
  readonly blockBytes: number;
  /** Blocks are hashed in pieces of this size: see `hashBlock`. Absent for a hash of whole blocks. */
  readonly hashPieceBytes?: number;
}

/** The sizes for new files; the manifest keeps those a file was stored with. */
export const defaultBlockSizes: BlockSizes = {
  chunkBytes: 200 * MEBIBYTE,
  blockBytes: 8 * MEBIBYTE,
  hashPieceBytes,
};

export interface BlockRange {
  readonly index: number;
  readonly offset: number;
  readonly bytes: number;
  /** End (exclusive) of the chunk around the block. */
  readonly chunkEnd: number;
}

function blocksPerChunk(sizes: BlockSizes): number {
  return Math.ceil(sizes.chunkBytes / sizes.blockBytes);
}

/** Where block `index` lies; `size` null means that the end of the file is not known yet. */
export function blockRange(sizes: BlockSizes, size: number | null, index: number): BlockRange {
  const perChunk = blocksPerChunk(sizes);
  const chunk = Math.floor(index / perChunk);
  const chunkStart = chunk * sizes.chunkBytes;
  const chunkEnd = Math.min(chunkStart + sizes.chunkBytes, size ?? Infinity);
  const offset = chunkStart + (index % perChunk) * sizes.blockBytes;
  return {
    index,
    offset,
    bytes: Math.max(0, Math.min(sizes.blockBytes, chunkEnd - offset)),
    chunkEnd,
  };
}

/** The block that holds the byte at `offset`. */
export function blockIndexAt(sizes: BlockSizes, offset: number): number {
  const chunk = Math.floor(offset / sizes.chunkBytes);
  const inChunk = Math.floor((offset - chunk * sizes.chunkBytes) / sizes.blockBytes);
  return chunk * blocksPerChunk(sizes) + inChunk;
}

export function blockCount(sizes: BlockSizes, size: number): number {
  return size === 0 ? 0 : blockIndexAt(sizes, size - 1) + 1;
}
