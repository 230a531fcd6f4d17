/**
 * The catalogue of known models: a JSON file that comes with the application, read as if anybody
 * could have written it. Facts that nobody checked against the publisher are null and the entry says
 * `verified: false`; such a download is checked by size and content alone.
 */
import { AppError } from '../common/errors.ts';
import { isRecord, type UnknownRecord } from './untrusted.ts';

export interface CatalogLicence {
  /** SPDX identifier, null for licences without one. */
  readonly spdx: string | null;
  readonly name: string;
  readonly url: string;
  /** Whether the publisher asks for an account or consent before the download. */
  readonly gated: boolean;
  /** In short what it forbids or demands beyond notices of authorship; null: nothing. */
  readonly useLimits: CatalogText | null;
}

/** For people, in every language of the app. */
export interface CatalogText {
  readonly en: string;
  readonly 'zh-Hans': string;
}

/** How a model wants to be talked to, as its template does it. */
export interface CatalogDialect {
  /** The form of its turns, as `chatml`; null for models that only go on with a text. */
  readonly chat: string | null;
  /** The form of its calls of tools, as `json`; null for models that were not trained for tools. */
  readonly tools: string | null;
}

export interface CatalogEntry {
  readonly id: string;
  readonly name: string;
  readonly description: CatalogText;
  /** `owner/name` on Hugging Face. */
  readonly repository: string;
  /** The pinned commit; null: the newest when it is added. */
  readonly revision: string | null;
  readonly file: string;
  /** Exact length; null where nobody checked it. */
  readonly bytes: number | null;
  /** Length as people round it, for showing before a download where `bytes` is null. */
  readonly approximateBytes: number;
  readonly sha256: string | null;
  readonly architecture: string;
  /** For people, as "135M". */
  readonly parameters: string;
  readonly quantization: string;
  readonly contextLength: number;
  readonly dialect: CatalogDialect;
  readonly licence: CatalogLicence;
  /** BCP 47 tags. */
  readonly languages: readonly string[];
  /** Estimate of the memory in use at a context of 2,048 tokens. */
  readonly memoryBytes: number | null;
  /** Whether size, revision and hash were checked against the publisher. */
  readonly verified: boolean;
}

export interface Catalog {
  readonly version: 1;
  readonly models: readonly CatalogEntry[];
}

/** @throws AppError `catalog/invalid` naming the path of what is wrong */
export function parseCatalog(value: unknown): Catalog {
  const root = recordAt(value, 'catalogue', ['version', 'models']);
  if (root['version'] !== 1) throw invalid('version', 'must be 1');
  const models = listAt(root['models'], 'models').map((entry, index) =>
    parseCatalogEntry(entry, `models[${index}]`),
  );
  const ids = new Set<string>();
  models.forEach((model, index) => {
    if (ids.has(model.id)) throw invalid(`models[${index}].id`, `"${model.id}" is there twice`);
    ids.add(model.id);
  });
  return { version: 1, models };
}

const entryKeys = [
  'id',
  'name',
  'description',
  'repository',
  'revision',
  'file',
  'bytes',
  'approximateBytes',
  'sha256',
  'architecture',
  'parameters',
  'quantization',
  'contextLength',
  'dialect',
  'licence',
  'languages',
  'memoryBytes',
  'verified',
] as const;

/** @throws AppError `catalog/invalid` */
export function parseCatalogEntry(value: unknown, path = 'entry'): CatalogEntry {
  const record = recordAt(value, path, entryKeys);
  const at = (key: string): string => `${path}.${key}`;
  const text = (key: string, pattern: RegExp = anyText): string =>
    textAt(record[key], at(key), pattern);
  const entry: CatalogEntry = {
    id: text('id', /^[a-z0-9][a-z0-9._-]{0,63}$/u),
    name: text('name'),
    description: parseText(record['description'], at('description')),
    repository: text('repository', /^[\w.-]{1,96}\/[\w.-]{1,96}$/u),
    revision: orNull(record['revision'], (given) =>
      textAt(given, at('revision'), /^[0-9a-f]{40}$/u),
    ),
    file: text('file', /^(?!.*(?:^|\/)\.{1,2}(?:\/|$))[^/\\][^\\]{0,255}\.gguf$/u),
    bytes: orNull(record['bytes'], (given) => countAt(given, at('bytes'))),
    approximateBytes: countAt(record['approximateBytes'], at('approximateBytes')),
    sha256: orNull(record['sha256'], (given) => textAt(given, at('sha256'), /^[0-9a-f]{64}$/u)),
    architecture: text('architecture', /^[a-z0-9_-]{1,40}$/u),
    parameters: text('parameters', /^\d+(?:\.\d+)?[KMB]$/u),
    quantization: text('quantization', /^[A-Z0-9_]{2,16}$/u),
    contextLength: countAt(record['contextLength'], at('contextLength')),
    dialect: parseDialect(record['dialect'], at('dialect')),
    licence: parseLicence(record['licence'], at('licence')),
    languages: listAt(record['languages'], at('languages')).map((language, index) =>
      textAt(language, `${at('languages')}[${index}]`, /^[a-zA-Z]{2,3}(?:-[a-zA-Z0-9]{2,8})*$/u),
    ),
    memoryBytes: orNull(record['memoryBytes'], (given) => countAt(given, at('memoryBytes'))),
    verified: flagAt(record['verified'], at('verified')),
  };
  const unknown = entry.revision === null || entry.bytes === null || entry.sha256 === null;
  if (entry.verified && unknown) {
    throw invalid(at('verified'), 'may only be true with revision, bytes and sha256');
  }
  return entry;
}

function parseDialect(value: unknown, path: string): CatalogDialect {
  const record = recordAt(value, path, ['chat', 'tools']);
  const form = (key: 'chat' | 'tools'): string | null =>
    orNull(record[key], (given) => textAt(given, `${path}.${key}`, /^[a-z0-9][a-z0-9-]{0,31}$/u));
  return { chat: form('chat'), tools: form('tools') };
}

function parseText(value: unknown, path: string): CatalogText {
  const record = recordAt(value, path, ['en', 'zh-Hans']);
  return {
    en: textAt(record['en'], `${path}.en`, anyText),
    'zh-Hans': textAt(record['zh-Hans'], `${path}.zh-Hans`, anyText),
  };
}

function parseLicence(value: unknown, path: string): CatalogLicence {
  const record = recordAt(value, path, ['spdx', 'name', 'url', 'gated', 'useLimits']);
  return {
    spdx: orNull(record['spdx'], (given) =>
      textAt(given, `${path}.spdx`, /^[A-Za-z0-9.+-]{1,64}$/u),
    ),
    name: textAt(record['name'], `${path}.name`, anyText),
    url: textAt(record['url'], `${path}.url`, /^https:\/\/[^\s"<>]+$/u),
    gated: flagAt(record['gated'], `${path}.gated`),
    useLimits: orNull(record['useLimits'], (given) => parseText(given, `${path}.useLimits`)),
  };
}

const anyText = /^\S(?:[^\p{Cc}]{0,398}\S)?$/u;

function invalid(path: string, problem: string): AppError {
  return new AppError(
    'catalog/invalid',
    `The catalogue of models is damaged: ${path} ${problem}.`,
    {
      details: { path },
    },
  );
}

/** A record with exactly these keys: a misspelt key is an error, not a silent default. */
function recordAt(value: unknown, path: string, keys: readonly string[]): UnknownRecord {
  if (!isRecord(value)) throw invalid(path, 'must be an object');
  for (const key of keys) {
    if (!Object.hasOwn(value, key)) throw invalid(`${path}.${key}`, 'is missing');
  }
  for (const key of Object.keys(value)) {
    if (!keys.includes(key)) throw invalid(`${path}.${key}`, 'is not known');
  }
  return value;
}

function listAt(value: unknown, path: string): readonly unknown[] {
  if (!Array.isArray(value)) throw invalid(path, 'must be a list');
  return value as readonly unknown[];
}

function textAt(value: unknown, path: string, pattern: RegExp): string {
  if (typeof value !== 'string') throw invalid(path, 'must be a text');
  if (!pattern.test(value)) throw invalid(path, 'is not of the expected form');
  return value;
}

function countAt(value: unknown, path: string): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value <= 0) {
    throw invalid(path, 'must be a positive whole number');
  }
  return value;
}

function flagAt(value: unknown, path: string): boolean {
  if (typeof value !== 'boolean') throw invalid(path, 'must be true or false');
  return value;
}

function orNull<T>(value: unknown, read: (value: unknown) => T): T | null {
  return value === null ? null : read(value);
}
