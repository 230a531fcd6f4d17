/**
 * What is written down about every model file. Plain data, stored as it is.
 *
 * Two tables: a `ModelRecord` is a file a person added, a `ContentRecord` is bytes on disk. Two
 * records with the same bytes point at one content; the number of records that point at it is its
 * reference count, so there is no counter that could be wrong.
 *
 * A model in several files has a record for each (`partOf`); `model-parts.ts` makes one model of
 * them. The field is absent in all other records, those of earlier versions included.
 */
import type { ErrorCode, ErrorDetails } from '../common/errors.ts';
import { AppError } from '../common/errors.ts';
import type { BlockSizes } from './block-layout.ts';

export type ContentState =
  'reserved' | 'downloading' | 'verifying' | 'ready' | 'damaged' | 'deleting';

const transitions: Readonly<Record<ContentState, readonly ContentState[]>> = {
  reserved: ['downloading', 'deleting'],
  downloading: ['verifying', 'damaged', 'deleting'],
  verifying: ['ready', 'downloading', 'damaged', 'deleting'],
  ready: ['damaged', 'deleting'],
  damaged: ['downloading', 'verifying', 'ready', 'deleting'],
  deleting: [],
};

/** An `AppError` as it is stored and sent. */
export interface StoredError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
}

export function toStoredError(error: AppError): StoredError {
  return { code: error.code, message: error.message, details: error.details };
}

/** Where a model came from. Fields that do not apply to its kind are null. */
export interface ModelOrigin {
  /** `made`: on this device, from another model (`madeFrom`). */
  readonly kind: 'hub' | 'url' | 'file' | 'catalog' | 'made';
  readonly url: string | null;
  readonly repository: string | null;
  /** Path in the repository, or the name of the local file. */
  readonly file: string | null;
  /** What was asked for: a branch, a tag or a commit. */
  readonly revision: string | null;
  /** The commit that all ranges are read from, once resolved. */
  readonly commit: string | null;
  /** Strong ETag of the first answer; later answers must carry the same. */
  readonly etag: string | null;
  /** The server's Last-Modified, or a local file's time in milliseconds as text. */
  readonly lastModified: string | null;
  readonly catalogId: string | null;
  readonly madeFrom?: MadeFrom;
}

/** What a model was made from, and how. */
export interface MadeFrom {
  readonly name: string;
  readonly recipe: string;
  /** Tells apart what was made twice. */
  readonly madeAt: number;
}

export function emptyOrigin(kind: ModelOrigin['kind']): ModelOrigin {
  return {
    kind,
    url: null,
    repository: null,
    file: null,
    revision: null,
    commit: null,
    etag: null,
    lastModified: null,
    catalogId: null,
  };
}

/** What a person is shown before the file itself was read. */
export interface ModelFacts {
  readonly architecture: string | null;
  readonly parameters: string | null;
  readonly quantization: string | null;
  readonly contextLength: number | null;
  readonly languages: readonly string[];
}

export const unknownFacts: ModelFacts = {
  architecture: null,
  parameters: null,
  quantization: null,
  contextLength: null,
  languages: [],
};

/** Why nothing is being fetched for an unfinished model; null while work goes on or was cut off. */
export type Halt =
  | {
      readonly kind: 'paused';
      readonly reason: 'user' | 'quota' | 'error';
      readonly error: StoredError | null;
    }
  | { readonly kind: 'failed'; readonly error: StoredError };

/** Which file of a model in several files a record is. */
export interface PartPlace {
  /** The id of the whole model, which is no record's own. */
  readonly modelId: string;
  /** From 0. */
  readonly index: number;
  readonly count: number;
}

export interface ModelRecord {
  readonly id: string;
  readonly partOf?: PartPlace;
  readonly name: string;
  readonly fileName: string;
  readonly origin: ModelOrigin;
  readonly expectedSize: number | null;
  /** Published by the source, lower-case hexadecimal. */
  readonly expectedSha256: string | null;
  readonly licence: string | null;
  readonly facts: ModelFacts;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  readonly lastUsedAt: number | null;
  readonly halt: Halt | null;
  readonly contentId: string;
}

export interface BlockEntry {
  readonly index: number;
  readonly bytes: number;
  readonly sha256: string;
  /** True when it was read back wrong: it must be fetched again. */
  readonly damaged: boolean;
}

/** State of the streaming SHA-256 after the first `bytes` bytes of the file. */
export interface HashProgress {
  readonly bytes: number;
  readonly state: Uint8Array;
}

export interface ContentRecord {
  readonly id: string;
  readonly state: ContentState;
  readonly sizes: BlockSizes;
  /** Length of the whole file; null until known. */
  readonly size: number | null;
  /** Acknowledged blocks in ascending order of index. */
  readonly blocks: readonly BlockEntry[];
  readonly hashProgress: HashProgress | null;
  /** SHA-256 of the whole file, set when it was verified. */
  readonly sha256: string | null;
  readonly problem: StoredError | null;
}

/** A model joined with its content: what everybody but the store works with. */
export interface ModelManifest extends ModelRecord {
  readonly state: ContentState;
  readonly sizes: BlockSizes;
  readonly size: number | null;
  readonly blocks: readonly BlockEntry[];
  readonly bytesStored: number;
  readonly sha256: string | null;
  /** `published-hash`: equals the publisher's checksum; `computed`: nobody published one. */
  readonly verified: 'published-hash' | 'computed' | 'no';
  readonly problem: StoredError | null;
  /** The files of a model in several files, in order; empty for all others. */
  readonly parts: readonly ModelManifest[];
}

/** The tables inside one atomic change; records are immutable, so put a new one to change one. */
export interface ManifestTables {
  readonly models: Map<string, ModelRecord>;
  readonly contents: Map<string, ContentRecord>;
}

export function joinManifest(model: ModelRecord, content: ContentRecord): ModelManifest {
  const verifiedBy = model.expectedSha256 === null ? 'computed' : 'published-hash';
  return {
    ...model,
    state: content.state,
    sizes: content.sizes,
    size: content.size,
    blocks: content.blocks,
    bytesStored: storedBytes(content),
    sha256: content.sha256,
    verified: content.state === 'ready' ? verifiedBy : 'no',
    problem: content.problem,
    parts: [],
  };
}

export function storedBytes(content: ContentRecord): number {
  return content.blocks.reduce((sum, block) => sum + (block.damaged ? 0 : block.bytes), 0);
}

/** `content` in another state. @throws AppError `internal` for a step the state diagram does not have */
export function inState(content: ContentRecord, state: ContentState): ContentRecord {
  if (content.state === state) return content;
  if (!transitions[content.state].includes(state)) {
    throw new AppError('internal', `A model cannot go from "${content.state}" to "${state}".`);
  }
  return { ...content, state };
}

export function withBlock(content: ContentRecord, entry: BlockEntry): ContentRecord {
  const others = content.blocks.filter((block) => block.index !== entry.index);
  return { ...content, blocks: [...others, entry].sort((a, b) => a.index - b.index) };
}

/** @throws AppError `store/not-found` */
export function modelIn(tables: ManifestTables, id: string): ModelRecord {
  const model = tables.models.get(id);
  if (model === undefined) {
    throw new AppError('store/not-found', 'This model is not in the library any more.', {
      details: { id },
    });
  }
  return model;
}

/** @throws AppError `store/damaged` when a model points at a content that is not there */
export function contentIn(tables: ManifestTables, id: string): ContentRecord {
  const content = tables.contents.get(id);
  if (content === undefined) {
    throw new AppError(
      'store/damaged',
      'The list of stored models is damaged. Remove this model and add it again.',
      { details: { contentId: id } },
    );
  }
  return content;
}

/** The key under which adding the same thing twice finds the first. */
export function originKey(origin: ModelOrigin, size: number | null): string {
  if (origin.repository !== null) {
    return JSON.stringify(['hub', origin.repository, origin.revision, origin.file]);
  }
  if (origin.url !== null) return JSON.stringify(['url', origin.url]);
  if (origin.madeFrom !== undefined) return JSON.stringify(['made', origin.madeFrom]);
  return JSON.stringify(['file', origin.file, size, origin.lastModified]);
}
