/**
 * Looking for models on Hugging Face, or a server that speaks its protocol. Every call is a request
 * that a person asked for, without cookies and referrer. Answers come from strangers: what has not
 * the expected form is left out.
 *
 * API: https://huggingface.co/docs/hub/api, `GET /api/models`, `GET /api/models/{id}/revision/{rev}`,
 * `GET /api/models/{id}/tree/{rev}?recursive=1`.
 */
import { AppError } from '../common/errors.ts';
import { isCommit, licenceIn } from './hub-source.ts';
import { quantizationInName } from './quantization-names.ts';
import { type RangeFetcher, statusError } from './range-fetcher.ts';
import { parseSplitName, splitPaths } from './split-names.ts';
import { asSha256, asSize, isRecord, type UnknownRecord } from './untrusted.ts';

/** `auto` and `manual`: an account and consent are needed before the files are given. */
export type HubGate = 'none' | 'auto' | 'manual';

export interface HubSearchResult {
  /** `owner/name` */
  readonly repository: string;
  readonly downloads: number | null;
  readonly likes: number | null;
  readonly gate: HubGate;
  readonly licence: string | null;
  readonly architecture: string | null;
  readonly parameters: number | null;
}

/** A model in a repository: one file, or the files of a divided model. */
export interface HubModelFile {
  /** Path of the (first) file. */
  readonly file: string;
  readonly quantization: string | null;
  readonly bytes: number;
  readonly files: number;
  /** Whether the hub publishes a SHA-256 of every file. */
  readonly hashed: boolean;
}

export interface HubRepository {
  readonly repository: string;
  /** All files are those of this commit. */
  readonly commit: string;
  readonly gate: HubGate;
  readonly licence: string | null;
  readonly architecture: string | null;
  readonly parameters: number | null;
  readonly contextLength: number | null;
  /** The smallest first. */
  readonly models: readonly HubModelFile[];
  /** The files that a GGUF file could be made of; null where they are not all there. */
  readonly folder: HubFolder | null;
}

/** A model as its publisher trained it: configuration, vocabulary, weights in safetensors. */
export interface HubFolder {
  /** Paths of the files that a conversion reads. */
  readonly files: readonly string[];
  /** Of the weights. */
  readonly bytes: number;
}

const resultsPerSearch = 30;
/** Repositories list far fewer; a page of the answer has at most a thousand. */
const mostFiles = 5000;
/** `owner/name`, no segment that leads up in a path. */
const repositoryPattern = /^(?!\.{1,2}\/)[\w.-]{1,96}\/(?!\.{1,2}$)[\w.-]{1,96}$/u;

export class HubApi {
  readonly #fetcher: RangeFetcher;
  readonly #base: string;

  constructor(fetcher: RangeFetcher, base: string) {
    this.#fetcher = fetcher;
    this.#base = base;
  }

  /** Repositories with GGUF files, the most downloaded first. @throws AppError `download/*`, `aborted` */
  async search(query: string, signal: AbortSignal): Promise<HubSearchResult[]> {
    const url = new URL('/api/models', this.#base);
    url.searchParams.set('search', query);
    url.searchParams.set('filter', 'gguf');
    url.searchParams.set('sort', 'downloads');
    url.searchParams.set('direction', '-1');
    url.searchParams.set('limit', String(resultsPerSearch));
    for (const field of ['downloads', 'likes', 'gated', 'tags', 'gguf']) {
      url.searchParams.append('expand[]', field);
    }
    const answer = await this.#json(url, signal);
    if (!Array.isArray(answer)) throw notUnderstood(url);
    return (answer as readonly unknown[]).slice(0, resultsPerSearch).flatMap(searchResult);
  }

  /** The models in a repository at its newest commit. @throws AppError `download/*`, `aborted` */
  async open(repository: string, signal: AbortSignal): Promise<HubRepository> {
    if (!repositoryPattern.test(repository)) {
      throw new AppError(
        'invalid-argument',
        'This is not a repository on Hugging Face. Give it as owner/name.',
        { details: { repository } },
      );
    }
    const path = `/api/models/${repository}`;
    const url = new URL(`${path}/revision/main`, this.#base);
    const info = await this.#json(url, signal);
    const commit = isRecord(info) ? info['sha'] : null;
    if (!isRecord(info) || typeof commit !== 'string' || !isCommit(commit)) {
      throw notUnderstood(url);
    }
    const tree = new URL(`${path}/tree/${commit}?recursive=1`, this.#base);
    const listed = await this.#json(tree, signal);
    if (!Array.isArray(listed)) throw notUnderstood(tree);
    const files = (listed as readonly unknown[]).slice(0, mostFiles).flatMap(listedFile);
    return {
      repository,
      commit,
      gate: gateOf(info['gated']),
      licence: licenceIn(info),
      ...headerFacts(info['gguf']),
      models: modelsIn(files.filter(({ path }) => isModel(path))),
      folder: folderIn(files),
    };
  }

  async #json(url: URL, signal: AbortSignal): Promise<unknown> {
    const response = await this.#fetcher.request(url, {}, signal);
    if (!response.ok) {
      await response.body?.cancel();
      throw statusError(response, url, Date.now());
    }
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

function searchResult(entry: unknown): HubSearchResult[] {
  if (!isRecord(entry)) return [];
  const repository = entry['id'];
  if (typeof repository !== 'string' || !repositoryPattern.test(repository)) return [];
  const tags: readonly unknown[] = Array.isArray(entry['tags']) ? entry['tags'] : [];
  const licence = tags.find((tag) => typeof tag === 'string' && tag.startsWith('license:'));
  const { architecture, parameters } = headerFacts(entry['gguf']);
  return [
    {
      repository,
      downloads: asSize(entry['downloads']),
      likes: asSize(entry['likes']),
      gate: gateOf(entry['gated']),
      licence: typeof licence === 'string' ? licence.slice('license:'.length, 200) : null,
      architecture,
      parameters,
    },
  ];
}

function gateOf(gated: unknown): HubGate {
  if (gated === 'auto' || gated === 'manual') return gated;
  return gated === true ? 'manual' : 'none';
}

/** What the hub itself read in the header of one of the files. */
function headerFacts(gguf: unknown): {
  readonly architecture: string | null;
  readonly parameters: number | null;
  readonly contextLength: number | null;
} {
  const facts: UnknownRecord = isRecord(gguf) ? gguf : {};
  const architecture = facts['architecture'];
  return {
    architecture:
      typeof architecture === 'string' && /^[\w-]{1,40}$/u.test(architecture) ? architecture : null,
    parameters: asSize(facts['total']),
    contextLength: asSize(facts['context_length']),
  };
}

interface ListedFile {
  readonly path: string;
  readonly bytes: number;
  readonly hashed: boolean;
}

/** Files that can be models; the parts of a divided one together, and only when all are there. */
function modelsIn(listed: readonly ListedFile[]): HubModelFile[] {
  const files = new Map(listed.map((file) => [file.path, file]));
  const models: HubModelFile[] = [];
  for (const { path } of files.values()) {
    const name = path.slice(path.lastIndexOf('/') + 1);
    if ((parseSplitName(name)?.index ?? 0) > 0) continue;
    const parts = (splitPaths(path) ?? [path]).map((part) => files.get(part));
    if (parts.some((part) => part === undefined)) continue;
    models.push({
      file: path,
      quantization: quantizationInName(path),
      bytes: parts.reduce((sum, part) => sum + (part?.bytes ?? 0), 0),
      files: parts.length,
      hashed: parts.every((part) => part?.hashed === true),
    });
  }
  return models.sort((a, b) => a.bytes - b.bytes);
}

/** Projectors of images and tables of importance end in .gguf too. */
const noModel = /mmproj|imatrix/iu;

function isModel(path: string): boolean {
  return /\.gguf$/iu.test(path) && !noModel.test(path);
}

const texts =
  /^(?:config|tokenizer|tokenizer_config|generation_config|1_Pooling\/config)\.json$|^chat_template\.jinja$/u;
/** The model's own, and layers behind it; adapters and other forms of the same weights are none. */
const weights = /^(?:model[^/]*|\d_Dense\/model)\.safetensors$/u;

function folderIn(files: readonly ListedFile[]): HubFolder | null {
  const parts = files.filter(({ path }) => weights.test(path));
  const named = files.filter(({ path }) => texts.test(path));
  const has = (name: string): boolean => named.some(({ path }) => path === name);
  const whole = parts.some(({ path }) => !path.includes('/'));
  if (!whole || !has('config.json') || !has('tokenizer.json')) return null;
  return {
    files: [...named, ...parts].map(({ path }) => path),
    bytes: parts.reduce((sum, { bytes }) => sum + bytes, 0),
  };
}

function listedFile(entry: unknown): ListedFile[] {
  if (!isRecord(entry) || entry['type'] !== 'file') return [];
  const { path } = entry;
  if (typeof path !== 'string' || !/^[^\\\p{Cc}]{1,400}$/u.test(path)) return [];
  if (path.split('/').some((part) => ['', '.', '..'].includes(part))) return [];
  const lfs = isRecord(entry['lfs']) ? entry['lfs'] : {};
  const bytes = asSize(lfs['size']) ?? asSize(entry['size']);
  if (bytes === null) return [];
  return [{ path, bytes, hashed: asSha256(lfs['oid']) !== null }];
}

function notUnderstood(url: URL, cause?: unknown): AppError {
  return new AppError(
    'download/server-error',
    `${url.host} answered in a way that is not understood. Try again later.`,
    { details: { host: url.host, status: 200 }, cause },
  );
}
