/**
 * A file in a repository on Hugging Face (or a server that speaks its protocol).
 *
 * A branch is resolved to a commit first and all ranges are read from that commit, so a push during
 * the download changes nothing. The same answer gives the SHA-256 that the hub keeps for large files.
 * API: https://huggingface.co/docs/hub/api, `GET /api/models/{repo}/revision/{revision}?blobs=true`.
 */
import { AppError } from '../common/errors.ts';
import type { ModelSource, OpenedRange, RangeRequest, ResolvedFile } from './model-source.ts';
import { type RangeFetcher, statusError } from './range-fetcher.ts';
import { asSha256, asSize, isRecord } from './untrusted.ts';

export const hubUrl = 'https://huggingface.co';

export interface HubFile {
  /** `owner/name`, or `name` for some old repositories. */
  readonly repository: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  /** Path inside the repository. */
  readonly file: string;
}

const hubHosts = new Set(['huggingface.co', 'www.huggingface.co', 'hf.co']);
const commitPattern = /^[0-9a-f]{40}$/u;
/** `owner/name`, or `name` for some old ones; no segment that leads up in a path. */
const repositoryPattern = /^(?:(?!\.{1,2}\/)[\w.-]{1,96}\/)?(?!\.{1,2}$)[\w.-]{1,96}$/u;

export function isCommit(revision: string): boolean {
  return commitPattern.test(revision);
}

/**
 * The file that a pasted page or download address of the hub means; null for other addresses.
 * Understands `/{repo}/blob/{revision}/{file}`, `/resolve/` and `/raw/`.
 */
export function parseHubUrl(url: URL): HubFile | null {
  if (!hubHosts.has(url.hostname)) return null;
  const parts = url.pathname.split('/').filter((part) => part !== '');
  const verb = parts.findIndex((part) => ['blob', 'resolve', 'raw'].includes(part));
  if (verb < 1 || verb > 2 || parts.length < verb + 3) return null;
  try {
    return {
      repository: parts.slice(0, verb).map(decodeURIComponent).join('/'),
      revision: decodeURIComponent(parts[verb + 1] ?? ''),
      file: parts
        .slice(verb + 2)
        .map(decodeURIComponent)
        .join('/'),
    };
  } catch {
    return null;
  }
}

/** @throws AppError `invalid-argument` */
export function checkHubFile(file: HubFile): void {
  const segments = file.file.split('/');
  const valid =
    repositoryPattern.test(file.repository) &&
    file.revision !== '' &&
    segments.every((segment) => segment !== '' && segment !== '.' && segment !== '..');
  if (valid) return;
  throw new AppError(
    'invalid-argument',
    'This is not a file on Hugging Face. Give a repository as owner/name and a file in it.',
    { details: { repository: file.repository, file: file.file } },
  );
}

export class HubSource implements ModelSource {
  readonly #base: string;
  readonly #file: HubFile;
  readonly #fetcher: RangeFetcher;
  #commit: string | null;

  /** `commit` continues a download that was pinned before. @throws AppError `invalid-argument` */
  constructor(file: HubFile, commit: string | null, fetcher: RangeFetcher, base: string = hubUrl) {
    checkHubFile(file);
    this.#file = file;
    this.#fetcher = fetcher;
    this.#base = base;
    this.#commit = commit ?? (isCommit(file.revision) ? file.revision : null);
  }

  async resolve(signal: AbortSignal): Promise<ResolvedFile> {
    const { repository, revision, file } = this.#file;
    const path = `/api/models/${encodePath(repository)}/revision/${encodeURIComponent(this.#commit ?? revision)}`;
    const url = new URL(`${path}?blobs=true`, this.#base);
    const response = await this.#fetcher.request(url, {}, signal);
    if (!response.ok) {
      await response.body?.cancel();
      throw statusError(response, url, Date.now());
    }
    const answer = await this.#json(url, response);
    const commit = isRecord(answer) ? answer['sha'] : null;
    if (!isRecord(answer) || typeof commit !== 'string' || !isCommit(commit)) {
      throw notUnderstood(url, null);
    }
    const entry = findFile(answer['siblings'], file);
    if (entry === null) {
      throw new AppError(
        'download/not-found',
        `The repository ${repository} has no file "${file}". Check the name.`,
        { details: { repository, file } },
      );
    }
    this.#commit = commit;
    const lfs = isRecord(entry['lfs']) ? entry['lfs'] : {};
    return {
      fileName: file.split('/').at(-1) ?? file,
      commit,
      size: asSize(lfs['size']) ?? asSize(entry['size']),
      sha256: asSha256(lfs['sha256']) ?? asSha256(lfs['oid']),
      licence: licenceIn(answer),
    };
  }

  open(request: RangeRequest, signal: AbortSignal): Promise<OpenedRange> {
    if (this.#commit === null) {
      return Promise.reject(
        new AppError('internal', 'A hub file was opened before it was pinned.'),
      );
    }
    return this.#fetcher.open(this.#fileUrl(this.#commit), request, signal);
  }

  explain(thrown: unknown): AppError {
    return this.#fetcher.explain(new URL(this.#base), thrown);
  }

  #fileUrl(commit: string): URL {
    const { repository, file } = this.#file;
    return new URL(`/${encodePath(repository)}/resolve/${commit}/${encodePath(file)}`, this.#base);
  }

  async #json(url: URL, response: Response): Promise<unknown> {
    let text: string;
    try {
      text = await response.text();
    } catch (error) {
      throw this.#fetcher.explain(url, error);
    }
    try {
      return JSON.parse(text) as unknown;
    } catch (error) {
      throw notUnderstood(url, error);
    }
  }
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function findFile(siblings: unknown, file: string): Readonly<Record<string, unknown>> | null {
  if (!Array.isArray(siblings)) return null;
  for (const sibling of siblings as readonly unknown[]) {
    if (isRecord(sibling) && sibling['rfilename'] === file) return sibling;
  }
  return null;
}

export function licenceIn(answer: Readonly<Record<string, unknown>>): string | null {
  const card = answer['cardData'];
  if (!isRecord(card)) return null;
  // "other" is what the hub says for licences without an SPDX name; then the card names it.
  const licence = card['license'] === 'other' ? card['license_name'] : card['license'];
  return typeof licence === 'string' && licence.length <= 200 ? licence : null;
}

function notUnderstood(url: URL, cause: unknown): AppError {
  return new AppError(
    'download/server-error',
    `${url.host} answered in a way that is not understood. Try again later, or paste the address of the file itself.`,
    { details: { host: url.host, status: 200 }, cause },
  );
}
