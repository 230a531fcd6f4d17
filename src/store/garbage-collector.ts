/**
 * Gives back space that nothing points at: contents without a model, deletions that were cut off,
 * databases and blocks that no manifest knows (a kill between writing bytes and writing them down).
 */
import { adoptContent, writeMissingNotes } from './content-note.ts';
import { contentIn, inState, type ManifestTables } from './manifest.ts';
import { modelLockName } from './locks.ts';
import { probeContentId, type StoreContext } from './store-context.ts';

/** Deletes the bytes of a content marked `deleting`, then its record and those of its models. */
export async function deleteContent(context: StoreContext, contentId: string): Promise<void> {
  await context.chunks.removeContent(contentId);
  const removed = await context.manifest.change((tables) => {
    tables.contents.delete(contentId);
    const models = modelsOf(tables, contentId);
    for (const id of models) tables.models.delete(id);
    return models;
  });
  for (const id of removed) context.changed(id);
}

/** Marks a content for deletion when no model points at it. Returns whether it was marked. */
export function releaseContent(tables: ManifestTables, contentId: string): boolean {
  if (modelsOf(tables, contentId).length > 0) return false;
  tables.contents.set(contentId, inState(contentIn(tables, contentId), 'deleting'));
  return true;
}

/**
 * Run at start. Safe beside other tabs at work. Complete contents that the manifest has lost are
 * listed again rather than deleted.
 */
export async function collectGarbage(context: StoreContext): Promise<void> {
  // Bytes are listed first: a content is always written down before its first byte, so one that is
  // listed here and not in the manifest read afterwards belongs to nobody.
  const onDisk = await context.chunks.contents();
  const tables = await context.manifest.read();
  for (const contentId of onDisk) {
    if (contentId === probeContentId || tables.contents.has(contentId)) continue;
    if (await adoptContent(context, contentId)) continue;
    await context.chunks.removeContent(contentId);
  }
  for (const content of tables.contents.values()) {
    const models = modelsOf(tables, content.id);
    if (content.state === 'deleting') {
      await deleteContent(context, content.id);
    } else if (models.length === 0) {
      const released = await context.manifest.change(
        (now) => now.contents.has(content.id) && releaseContent(now, content.id),
      );
      if (released) await deleteContent(context, content.id);
    } else if (content.state !== 'ready' && onDisk.includes(content.id)) {
      await deleteUnknownBlocks(context, content.id, models[0] ?? '');
    }
  }
  await writeMissingNotes(context, tables);
}

/** Skipped while another tab works on the model: its newest block may not be written down yet. */
async function deleteUnknownBlocks(
  context: StoreContext,
  contentId: string,
  modelId: string,
): Promise<void> {
  await context.locks.tryHold(modelLockName(modelId), 'exclusive', async () => {
    const tables = await context.manifest.read();
    const known = new Set(tables.contents.get(contentId)?.blocks.map((block) => block.index));
    for (const index of await context.chunks.list(contentId)) {
      if (!known.has(index)) await context.chunks.delete(contentId, index);
    }
  });
}

function modelsOf(tables: ManifestTables, contentId: string): string[] {
  return [...tables.models.values()]
    .filter((model) => model.contentId === contentId)
    .map((model) => model.id);
}
