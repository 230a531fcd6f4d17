/**
 * Models in several files. Every file has a record, a content and a hash of its own, so it is
 * fetched, checked, repaired and shared like any other; here they become one model again.
 *
 * The whole model is known by an id that no record has; its files are `id#1`, `id#2` and so on, which
 * no file name leads to.
 */
import { AppError } from '../common/errors.ts';
import {
  contentIn,
  type ContentState,
  joinManifest,
  type ManifestTables,
  modelIn,
  type ModelManifest,
  type ModelRecord,
} from './manifest.ts';

/** The id of the record of one file. */
export function partId(modelId: string, index: number): string {
  return `${modelId}#${index + 1}`;
}

/** The model a record belongs to: itself, unless it is one file of several. */
export function wholeModelId(recordId: string): string {
  return recordId.replace(/#\d+$/u, '');
}

/**
 * The records of a model, in the order of its files. A part's own id means that part alone.
 * @throws AppError `store/not-found`
 */
export function recordsOf(tables: ManifestTables, id: string): readonly ModelRecord[] {
  if (tables.models.has(id)) return [modelIn(tables, id)];
  const parts = [...tables.models.values()]
    .filter(({ partOf }) => partOf?.modelId === id)
    .sort(byPlace);
  // Throws the sentence for a model that is not there.
  return parts.length > 0 ? parts : [modelIn(tables, id)];
}

/** @throws AppError `store/not-found`, `store/damaged` (a record without content) */
export function manifestOf(tables: ManifestTables, id: string): ModelManifest {
  const manifests = recordsOf(tables, id).map((record) =>
    joinManifest(record, contentIn(tables, record.contentId)),
  );
  const [first] = manifests;
  return first?.id === id ? first : joinParts(manifests);
}

/** All models; files whose content is lost are left out. */
export function allManifests(tables: ManifestTables): ModelManifest[] {
  const models: ModelManifest[] = [];
  const parts = new Map<string, ModelManifest[]>();
  for (const record of tables.models.values()) {
    const content = tables.contents.get(record.contentId);
    if (content === undefined) continue;
    const manifest = joinManifest(record, content);
    if (record.partOf === undefined) models.push(manifest);
    else parts.set(record.partOf.modelId, [...(parts.get(record.partOf.modelId) ?? []), manifest]);
  }
  for (const files of parts.values()) models.push(joinParts(files.sort(byPlace)));
  return models;
}

function byPlace(a: Pick<ModelRecord, 'partOf'>, b: Pick<ModelRecord, 'partOf'>): number {
  return (a.partOf?.index ?? 0) - (b.partOf?.index ?? 0);
}

/** The files of a model, each as a model of its own; the model itself where it is one file. */
export function filesOf(model: ModelManifest): readonly ModelManifest[] {
  return model.parts.length === 0 ? [model] : model.parts;
}

function joinParts(parts: readonly ModelManifest[]): ModelManifest {
  const [first] = parts;
  if (first?.partOf === undefined) throw new AppError('internal', 'A model without a file.');
  const { partOf, ...facts } = first;
  const lost = parts.length !== partOf.count;
  const sizes = parts.map(({ size }) => size);
  const known = !lost && sizes.every((size) => size !== null);
  return {
    ...facts,
    id: partOf.modelId,
    state: stateOf(parts, lost),
    size: known ? sizes.reduce((sum: number, size) => sum + (size ?? 0), 0) : null,
    blocks: [],
    bytesStored: parts.reduce((sum, part) => sum + part.bytesStored, 0),
    sha256: null,
    verified: verifiedBy(parts),
    halt: parts.find((part) => part.state !== 'ready' && part.halt !== null)?.halt ?? null,
    problem:
      parts.find((part) => part.problem !== null)?.problem ?? (lost ? lostPart(first) : null),
    lastUsedAt: latest(parts.map((part) => part.lastUsedAt)),
    parts,
  };
}

/** What can be done with the whole: what is wrong with any part comes first, `ready` is for all. */
function stateOf(parts: readonly ModelManifest[], lost: boolean): ContentState {
  const states = new Set(parts.map(({ state }) => state));
  if (states.has('deleting')) return 'deleting';
  if (lost || states.has('damaged')) return 'damaged';
  if (states.size === 1) return parts[0]?.state ?? 'reserved';
  return states.has('downloading') || states.has('reserved') ? 'downloading' : 'verifying';
}

function verifiedBy(parts: readonly ModelManifest[]): ModelManifest['verified'] {
  const ways = new Set(parts.map(({ verified }) => verified));
  if (ways.has('no')) return 'no';
  return ways.has('computed') ? 'computed' : 'published-hash';
}

function lostPart({ fileName }: ModelManifest): ModelManifest['problem'] {
  return {
    code: 'store/damaged',
    message: `A file of the model "${fileName}" is not in the library any more. Add the model again from where it came: only what is missing is fetched.`,
    details: { fileName },
  };
}

function latest(times: readonly (number | null)[]): number | null {
  const known = times.filter((time) => time !== null);
  return known.length === 0 ? null : Math.max(...known);
}
