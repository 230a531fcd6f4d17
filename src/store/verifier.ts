/**
 * Reads a whole stored model back and compares it with what was written down about it.
 *
 * The hashes of the blocks were made of the very bytes whose SHA-256 was compared with the published
 * one when the model became `ready`. So blocks that are unchanged and complete are that file, and it
 * need not be hashed again as a whole, which takes five times as long.
 */
import { throwIfAborted } from '../common/abort.ts';
import { AppError, hasCode } from '../common/errors.ts';
import { blockCount, blockRange } from './block-layout.ts';
import { hashBlock } from './content-hash.ts';
import { damagedError, markDamaged } from './damage.ts';
import { type BlockEntry, contentIn, inState, type ModelManifest } from './manifest.ts';
import type { StoreContext } from './store-context.ts';

export interface VerifyOptions {
  readonly signal?: AbortSignal;
  readonly onProgress?: (bytesDone: number, bytesTotal: number) => void;
}

/**
 * Marks what is wrong as damaged, and a model that was marked wrongly as `ready` again.
 * @returns indices of the damaged blocks
 * @throws AppError `store/not-ready` for a model that was never complete, `aborted`
 */
export async function verifyContent(
  context: StoreContext,
  model: ModelManifest,
  options: VerifyOptions = {},
): Promise<readonly number[]> {
  if (model.sha256 === null || model.size === null) {
    throw new AppError(
      'store/not-ready',
      'This model is not complete yet, so there is nothing to check.',
    );
  }
  const damaged: number[] = [];
  let bytesDone = 0;
  // The next block is read, into the memory of the one before, while this one is hashed.
  let spare: ArrayBuffer | undefined;
  let next = readBlock(context, model.contentId, model.blocks[0], spare);
  for (const [position, block] of model.blocks.entries()) {
    throwIfAborted(options.signal);
    const bytes = await next;
    next = readBlock(context, model.contentId, model.blocks[position + 1], spare);
    // Whoever leaves this loop early does not wait for it any more.
    next.catch(() => undefined);
    const hash = bytes === null ? null : await hashBlock(bytes, model.sizes.hashPieceBytes);
    if (hash !== block.sha256 || bytes?.byteLength !== block.bytes) damaged.push(block.index);
    spare = bytes?.buffer;
    bytesDone += block.bytes;
    options.onProgress?.(bytesDone, model.size);
  }
  if (damaged.length > 0) {
    const bytes = model.blocks
      .filter((block) => damaged.includes(block.index))
      .reduce((sum, block) => sum + block.bytes, 0);
    const problem = damagedError(model.fileName, bytes, damaged);
    await markDamaged(context, model.contentId, damaged, problem);
    return damaged;
  }
  const missing = missingBytes(model, model.size);
  if (missing > 0) {
    const problem = damagedError(model.fileName, missing, []);
    await markDamaged(context, model.contentId, [], problem);
    throw problem;
  }
  if (model.state === 'damaged') await markIntact(context, model);
  return [];
}

/** How much of the file no block in the list holds. */
function missingBytes({ blocks, sizes }: ModelManifest, size: number): number {
  const listed = new Set(blocks.map((block) => block.index));
  let missing = 0;
  for (let index = 0; index < blockCount(sizes, size); index++) {
    if (!listed.has(index)) missing += blockRange(sizes, size, index).bytes;
  }
  return missing;
}

/** The block's bytes, or null when they are lost or there is no such block. */
async function readBlock(
  context: StoreContext,
  contentId: string,
  block: BlockEntry | undefined,
  spare: ArrayBuffer | undefined,
): Promise<Uint8Array<ArrayBuffer> | null> {
  if (block === undefined) return null;
  try {
    return await context.chunks.get(contentId, block.index, spare);
  } catch (error) {
    if (hasCode(error, 'store/damaged', 'store/not-found')) return null;
    throw error;
  }
}

async function markIntact(context: StoreContext, model: ModelManifest): Promise<void> {
  await context.manifest.change((tables) => {
    const content = contentIn(tables, model.contentId);
    if (content.state !== 'damaged') return;
    tables.contents.set(content.id, {
      ...inState(content, 'ready'),
      blocks: content.blocks.map((block) => ({ ...block, damaged: false })),
      problem: null,
    });
  });
  context.changed(model.id);
}
