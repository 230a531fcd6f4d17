/** Writing down that stored bytes are not what they should be. */
import { AppError } from '../common/errors.ts';
import { contentIn, inState, type StoredError, toStoredError } from './manifest.ts';
import type { StoreContext } from './store-context.ts';

/** The sentence for damaged blocks; `store/damaged` with the number of bytes to fetch again. */
export function damagedError(
  fileName: string,
  damagedBytes: number,
  blocks: readonly number[],
  cause?: unknown,
): AppError {
  return new AppError(
    'store/damaged',
    `A part of "${fileName}" was damaged on this device. Repair the model: only the damaged part is downloaded again.`,
    { details: { fileName, bytes: damagedBytes, blocks: blocks.map(String) }, cause },
  );
}

/** Marks blocks of a content as damaged, so that no model with these bytes is `ready` any more. */
export async function markDamaged(
  context: StoreContext,
  contentId: string,
  indices: readonly number[],
  problem: AppError,
): Promise<void> {
  const stored: StoredError = toStoredError(problem);
  const affected = await context.manifest.change((tables) => {
    const content = contentIn(tables, contentId);
    // A deletion under way wins: there is nothing left to repair.
    if (content.state === 'deleting') return [];
    tables.contents.set(contentId, {
      ...inState(content, 'damaged'),
      blocks: content.blocks.map((block) =>
        indices.includes(block.index) ? { ...block, damaged: true } : block,
      ),
      problem: stored,
    });
    return [...tables.models.values()].filter((model) => model.contentId === contentId);
  });
  for (const model of affected) context.changed(model.id);
}
