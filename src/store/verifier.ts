/** Reads a whole stored model back and compares it with what was written down about it. */
import { throwIfAborted } from '../common/abort.ts';
import { AppError, hasCode } from '../common/errors.ts';
import { hashBlock, StreamingHash } from './content-hash.ts';
import { damagedError, markDamaged } from './damage.ts';
import { contentIn, inState, type ModelManifest } from './manifest.ts';
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
  const whole = await StreamingHash.resume(null);
  const damaged: number[] = [];
  let bytesDone = 0;
  for (const block of model.blocks) {
    throwIfAborted(options.signal);
    const bytes = await readBlock(context, model.contentId, block.index);
    if (bytes === null || (await hashBlock(bytes)) !== block.sha256) damaged.push(block.index);
    else whole.update(bytes);
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
  if (whole.bytes !== model.size || whole.digest() !== model.sha256) {
    // Every block is what was written down, but blocks are missing from the list.
    const problem = damagedError(model.fileName, model.size - whole.bytes, []);
    await markDamaged(context, model.contentId, [], problem);
    throw problem;
  }
  if (model.state === 'damaged') await markIntact(context, model);
  return [];
}

/** The block's bytes, or null when they are lost. */
async function readBlock(
  context: StoreContext,
  contentId: string,
  index: number,
): Promise<Uint8Array<ArrayBuffer> | null> {
  try {
    return await context.chunks.get(contentId, index);
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
