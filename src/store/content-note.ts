/**
 * What the manifest says about a complete content, written beside its blocks.
 *
 * Browsers reopen a damaged database as an empty one. Blocks that are files of their own outlive it,
 * and with their note they can be listed again instead of being fetched again. The note is believed
 * only as far as its own checksum; the blocks are compared with it when they are read.
 */
import { sha256 } from 'hash-wasm';
import { AppError } from '../common/errors.ts';
import type { ContentRecord, ManifestTables, ModelRecord } from './manifest.ts';
import { uniqueId } from './manifest-queries.ts';
import type { StoreContext } from './store-context.ts';

const checksumLength = 64;

interface Note {
  readonly version: 1;
  readonly content: ContentRecord;
  /** The models, or files of models, that had these bytes. */
  readonly models: readonly ModelRecord[];
}

/** A note saves a download in a rare case: that it could not be written is no failure. */
export async function writeNote(context: StoreContext, contentId: string): Promise<void> {
  const { notes } = context.chunks;
  if (notes === undefined) return;
  try {
    const tables = await context.manifest.read();
    const content = tables.contents.get(contentId);
    if (content?.state !== 'ready') return;
    const models = [...tables.models.values()].filter((model) => model.contentId === contentId);
    const note: Note = { version: 1, content: { ...content, hashProgress: null }, models };
    const json = JSON.stringify(note);
    await notes.write(contentId, new TextEncoder().encode(`${await sha256(json)}\n${json}`));
  } catch (error) {
    if (!(error instanceof AppError)) throw error;
  }
}

/** Notes of complete contents that have none, as those have that were stored by earlier versions. */
export async function writeMissingNotes(
  context: StoreContext,
  tables: ManifestTables,
): Promise<void> {
  const { notes } = context.chunks;
  if (notes === undefined) return;
  for (const { id, state } of tables.contents.values()) {
    if (state === 'ready' && (await notes.read(id)) === null) await writeNote(context, id);
  }
}

/** Lists a content again that the manifest has lost. @returns whether its note and blocks allowed it */
export async function adoptContent(context: StoreContext, contentId: string): Promise<boolean> {
  const bytes = (await context.chunks.notes?.read(contentId)) ?? null;
  const note = bytes === null ? null : await parseNote(bytes, contentId);
  if (note === null) return false;
  const stored = new Set(await context.chunks.list(contentId));
  if (!note.content.blocks.every(({ index }) => stored.has(index))) return false;
  const adopted = await context.manifest.change((tables) => {
    if (tables.contents.has(contentId)) return [];
    tables.contents.set(contentId, note.content);
    for (const model of note.models) {
      const id = tables.models.has(model.id) ? uniqueId(tables, model.fileName) : model.id;
      tables.models.set(id, { ...model, id });
    }
    return note.models;
  });
  for (const { id } of adopted) context.changed(id);
  return true;
}

/** Whoever could change the note could change the manifest; the checksum tells accidents. */
async function parseNote(bytes: Uint8Array, contentId: string): Promise<Note | null> {
  const text = new TextDecoder().decode(bytes);
  const json = text.slice(checksumLength + 1);
  if (text.slice(0, checksumLength) !== (await sha256(json))) return null;
  const note = JSON.parse(json) as Note;
  return note.version === 1 && note.content.id === contentId && note.models.length > 0
    ? note
    : null;
}
