/** Turns what a person asked for into a draft for the store, and a stored origin into its source. */
import { AppError } from '../common/errors.ts';
import {
  emptyOrigin,
  type ModelManifest,
  type ModelOrigin,
  unknownFacts,
} from '../store/manifest.ts';
import type { ModelDraft } from '../store/model-store.ts';
import { type CatalogEntry, parseCatalogEntry } from './catalog.ts';
import { FileSource } from './file-source.ts';
import { checkHubFile, HubSource, hubUrl, isCommit, parseHubUrl } from './hub-source.ts';
import type { ModelSource } from './model-source.ts';
import { type Fetch, RangeFetcher } from './range-fetcher.ts';
import { fileNameOf, parseModelUrl } from './safe-url.ts';
import { asSha256 } from './untrusted.ts';
import { groupSplitFiles, splitPaths } from './split-names.ts';
import { UrlSource } from './url-source.ts';

export type AddModelRequest =
  | {
      readonly kind: 'url';
      readonly url: string;
      /** What the file must hash to. */
      readonly sha256?: string;
      readonly name?: string;
    }
  | {
      readonly kind: 'hub';
      readonly repository: string;
      readonly revision?: string;
      readonly file: string;
    }
  | {
      readonly kind: 'file';
      readonly file: File;
      /** The other files of a model in several files. */
      readonly more?: readonly File[];
    }
  | { readonly kind: 'catalog'; readonly entry: CatalogEntry };

/** A model that is being made on this device from another one, to be stored as its bytes come. */
export interface MadeModel {
  readonly name: string;
  readonly fileName: string;
  readonly sizeBytes: number;
  readonly licence: string | null;
  readonly from: string;
  readonly recipe: string;
}

export function madeDraft(made: MadeModel, madeAt: number): ModelDraft {
  const { name, fileName, sizeBytes, licence, from, recipe } = made;
  const origin: ModelOrigin = {
    ...emptyOrigin('made'),
    file: fileName,
    madeFrom: { name: from, recipe, madeAt },
  };
  return { ...blankDraft(origin, fileName), name, licence, expectedSize: sizeBytes };
}

/** What is to be listed: a draft for every file of the model, in order. */
export type ModelDrafts = readonly [ModelDraft, ...ModelDraft[]];

/**
 * One file of a model in several files leads to all of them, by its name.
 * @throws AppError `invalid-argument`, `download/insecure-url`, `catalog/invalid`,
 * `model-file/in-parts` when local files are missing
 */
export function toDrafts(request: AddModelRequest): ModelDrafts {
  switch (request.kind) {
    case 'url':
      return everyFile(urlDraft(request.url, request.sha256, request.name));
    case 'hub':
      return everyFile(
        hubDraft(request.repository, request.revision ?? 'main', request.file, null),
      );
    case 'file': {
      const [first = request.file, ...more] = localFiles(request);
      return [fileDraft(first), ...more.map(fileDraft)];
    }
    case 'catalog':
      return everyFile(catalogDraft(parseCatalogEntry(request.entry)));
  }
}

/** The local files of a request in the order of their parts. @throws AppError as `toDrafts` */
export function localFiles({
  file,
  more = [],
}: Extract<AddModelRequest, { kind: 'file' }>): readonly File[] {
  const [files, ...others] = groupSplitFiles([file, ...more]);
  if (files !== undefined && others.length === 0) return files;
  throw new AppError(
    'invalid-argument',
    'These files are not the parts of one model: their names should differ in their number alone.',
  );
}

/** The drafts of all files of the model that a draft's file belongs to. */
function everyFile(draft: ModelDraft): ModelDrafts {
  const { url, file } = draft.origin;
  const named = file ?? (url === null ? '' : new URL(url).pathname);
  const paths = splitPaths(named);
  if (paths === null) return [draft];
  const [first, ...more] = paths.map((path): ModelDraft => {
    const place = file === null ? { url: atPath(url ?? '', path) } : { file: path };
    return {
      ...draft,
      fileName: place.url === undefined ? lastSegment(path) : fileNameOf(new URL(place.url)),
      origin: { ...draft.origin, ...place },
      // What was said of size and hash was said of the file that was named.
      expectedSize: null,
      expectedSha256: path === named ? draft.expectedSha256 : null,
    };
  });
  return [first ?? draft, ...more];
}

function atPath(url: string, pathname: string): string {
  const moved = new URL(url);
  moved.pathname = pathname;
  return moved.href;
}

function lastSegment(path: string): string {
  return path.split('/').at(-1) ?? path;
}

function urlDraft(text: string, sha256: string | undefined, name: string | undefined): ModelDraft {
  const url = parseModelUrl(text);
  const expectedSha256 = sha256 === undefined ? null : asSha256(sha256);
  if (sha256 !== undefined && expectedSha256 === null) {
    throw new AppError('invalid-argument', 'A SHA-256 has 64 hexadecimal digits.');
  }
  const hub = parseHubUrl(url);
  if (hub !== null) {
    const draft = hubDraft(hub.repository, hub.revision, hub.file, expectedSha256);
    return { ...draft, name: name ?? draft.name };
  }
  const fileName = fileNameOf(url);
  return {
    ...blankDraft({ ...emptyOrigin('url'), url: url.href }, fileName),
    expectedSha256,
    ...(name === undefined ? {} : { name }),
  };
}

function hubDraft(
  repository: string,
  revision: string,
  file: string,
  expectedSha256: string | null,
): ModelDraft {
  checkHubFile({ repository, revision, file });
  const origin: ModelOrigin = {
    ...emptyOrigin('hub'),
    url: `${hubUrl}/${repository}`,
    repository,
    revision,
    file,
    commit: isCommit(revision) ? revision : null,
  };
  return { ...blankDraft(origin, lastSegment(file)), expectedSha256 };
}

function fileDraft(file: File): ModelDraft {
  const lastModified = String(file.lastModified);
  const origin: ModelOrigin = { ...emptyOrigin('file'), file: file.name, lastModified };
  return { ...blankDraft(origin, file.name), expectedSize: file.size };
}

function catalogDraft(entry: CatalogEntry): ModelDraft {
  const { repository, file, revision } = entry;
  const draft = hubDraft(repository, revision ?? 'main', file, entry.sha256);
  return {
    ...draft,
    name: entry.name,
    origin: { ...draft.origin, kind: 'catalog', catalogId: entry.id },
    expectedSize: entry.bytes,
    licence: entry.licence.spdx ?? entry.licence.name,
    facts: {
      architecture: entry.architecture,
      parameters: entry.parameters,
      quantization: entry.quantization,
      contextLength: entry.contextLength,
      languages: entry.languages,
    },
  };
}

function blankDraft(origin: ModelOrigin, fileName: string): ModelDraft {
  return {
    name: fileName.replace(/(?:-\d{5}-of-\d{5})?\.gguf$/iu, ''),
    fileName,
    origin,
    expectedSize: null,
    expectedSha256: null,
    licence: null,
    facts: unknownFacts,
  };
}

export interface SourceOptions {
  readonly fetch: Fetch;
  readonly isOnline: () => boolean;
  readonly now: () => number;
  readonly hubUrl: string;
}

/**
 * The source of a listed model; `file` is the local file where it comes from one.
 * @throws AppError `invalid-argument` when a local file is needed and not at hand
 */
export function sourceOf(
  model: Pick<ModelManifest, 'origin' | 'fileName' | 'name'>,
  file: File | undefined,
  options: SourceOptions,
): ModelSource {
  const { origin } = model;
  if (origin.kind === 'file') {
    if (file !== undefined) return new FileSource(file);
    throw new AppError(
      'invalid-argument',
      `Choose the file "${model.fileName}" again: after a reload the browser no longer lets it be read.`,
      { details: { fileName: model.fileName } },
    );
  }
  if (origin.kind === 'made') {
    throw new AppError(
      'invalid-argument',
      `"${model.name}" was made on this device and cannot be fetched again. Delete it and make it anew.`,
      { details: { fileName: model.fileName } },
    );
  }
  const { repository, file: path, revision, commit } = origin;
  if (repository !== null && path !== null) {
    const pinned = { repository, revision: revision ?? 'main', file: path };
    const fetcher = new RangeFetcher({ ...options, compareValidators: false });
    return new HubSource(pinned, commit, fetcher, options.hubUrl);
  }
  return new UrlSource(parseModelUrl(origin.url ?? ''), new RangeFetcher(options));
}

/** What is forgotten of a model whose file changed, so that the new version can be fetched. */
export function forgetVersion(
  model: ModelManifest,
): Pick<ModelDraft, 'origin' | 'expectedSize' | 'expectedSha256'> {
  const { origin } = model;
  // A version the user named, by commit or by hash, stays what it was.
  const pinned = origin.revision !== null && isCommit(origin.revision);
  const fromHub = origin.repository !== null && !pinned;
  return {
    origin: {
      ...origin,
      etag: null,
      lastModified: origin.kind === 'file' ? origin.lastModified : null,
      commit: pinned ? origin.commit : null,
    },
    expectedSize: pinned || origin.kind === 'file' ? model.expectedSize : null,
    expectedSha256: fromHub ? null : model.expectedSha256,
  };
}
