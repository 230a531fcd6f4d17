/** Questions the model store asks of its tables, inside one change. */
import {
  contentIn,
  type ContentRecord,
  type ManifestTables,
  type ModelRecord,
  originKey,
} from './manifest.ts';
import { wholeModelId } from './model-parts.ts';

/** The record of a file that was added from the same place, as one of as many files. */
export function findByOrigin(
  tables: ManifestTables,
  draft: Pick<ModelRecord, 'origin' | 'expectedSize'>,
  count: number,
): ModelRecord | null {
  const key = originKey(draft.origin, draft.expectedSize);
  for (const model of tables.models.values()) {
    const content = tables.contents.get(model.contentId);
    if (content === undefined || content.state === 'deleting') continue;
    if ((model.partOf?.count ?? 1) !== count) continue;
    if (originKey(model.origin, model.expectedSize) === key) return model;
  }
  return null;
}

/** A complete content with this hash. */
export function findReady(tables: ManifestTables, sha256: string | null): ContentRecord | null {
  if (sha256 === null) return null;
  for (const content of tables.contents.values()) {
    if (content.state === 'ready' && content.sha256 === sha256) return content;
  }
  return null;
}

/** A readable id out of the model's name, made unique by a number. */
export function uniqueId(tables: ManifestTables, fileName: string): string {
  const plain = fileName
    .replace(/(?:-\d{5}-of-\d{5})?\.gguf$/iu, '')
    .toLowerCase()
    .replace(/[^\p{L}\p{N}._-]+/gu, '-')
    .replace(/^[-.]+|[-.]+$/gu, '');
  const base = plain === '' ? 'model' : plain;
  const taken = new Set([...tables.models.keys()].map(wholeModelId));
  let id = base;
  for (let number = 2; taken.has(id); number++) id = `${base}-${number}`;
  return id;
}

/**
 * Takes a model away from its contents; those it was the last one of are handed to `giveUp`.
 * @returns the ids of these contents; none where others still need them or there is no such model
 */
export function release(
  tables: ManifestTables,
  id: string,
  giveUp: (content: ContentRecord) => void,
): readonly string[] {
  const records = [...tables.models.values()].filter(
    (record) => record.id === id || record.partOf?.modelId === id,
  );
  const own = new Set(records.map((record) => record.id));
  const needed = new Set(
    [...tables.models.values()].filter((other) => !own.has(other.id)).map((o) => o.contentId),
  );
  const contentIds = new Set<string>();
  for (const record of records) {
    if (needed.has(record.contentId)) tables.models.delete(record.id);
    else contentIds.add(record.contentId);
  }
  for (const contentId of contentIds) giveUp(contentIn(tables, contentId));
  return [...contentIds];
}
