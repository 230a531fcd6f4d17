/**
 * One ranged request, with its answer checked by hand.
 *
 * Every request carries `Range`, the first one too: it forces an answer without compression, whose
 * length can be counted. `If-Range` is not used, for it would cost a preflight; ETag and length are
 * compared here. RFC 9110, sections 13 to 15.
 */
import { AppError, isAbortError } from '../common/errors.ts';
import type { OpenedRange, RangeRequest, Validators } from './model-source.ts';
import { parseRetryAfter } from './retry.ts';
import { checkSecure } from './safe-url.ts';

export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

export interface RangeFetcherOptions {
  readonly fetch: Fetch;
  readonly now?: () => number;
  readonly isOnline?: () => boolean;
  /**
   * False where the address itself names the version (a commit): caches of one provider give the
   * same bytes under different ETags.
   */
  readonly compareValidators?: boolean;
}

export class RangeFetcher {
  readonly #options: RangeFetcherOptions;

  constructor(options: RangeFetcherOptions) {
    this.#options = options;
  }

  /** @throws AppError `download/*`, `aborted` */
  async open(url: URL, request: RangeRequest, signal: AbortSignal): Promise<OpenedRange> {
    const headers = { Range: `bytes=${request.start}-${request.end - 1}` };
    const response = await this.request(url, { headers }, signal);
    try {
      return this.#check(url, request, response);
    } catch (error) {
      await response.body?.cancel().catch(() => undefined);
      throw error;
    }
  }

  /** A request as all of ours are: no referrer, no cookies, and only to safe addresses. */
  async request(url: URL, init: RequestInit, signal: AbortSignal): Promise<Response> {
    checkSecure(url);
    let response: Response;
    try {
      response = await this.#options.fetch(url.href, {
        ...init,
        signal,
        credentials: 'omit',
        referrerPolicy: 'no-referrer',
        redirect: 'follow',
        cache: 'no-store',
      });
    } catch (error) {
      throw this.explain(url, error);
    }
    if (response.url !== '') checkSecure(new URL(response.url));
    return response;
  }

  /** What a failed connection means, as far as the browser tells. */
  explain(url: URL, thrown: unknown): AppError {
    if (thrown instanceof AppError) return thrown;
    if (isAbortError(thrown)) {
      return new AppError('aborted', 'The download was stopped.', { cause: thrown });
    }
    if (this.#options.isOnline?.() === false) {
      return new AppError(
        'download/offline',
        'There is no internet connection. The download goes on when it is back.',
        { cause: thrown, details: { host: url.host } },
      );
    }
    return new AppError(
      'download/network',
      `The connection to ${url.host} failed. It may be down, or it may not allow downloads from other sites (CORS).`,
      { cause: thrown, details: { host: url.host } },
    );
  }

  #check(url: URL, request: RangeRequest, response: Response): OpenedRange {
    const range = parseContentRange(response.headers.get('Content-Range'));
    if (response.status === 416) return this.#pastTheEnd(url, request, range);
    if (!response.ok) throw statusError(response, url, (this.#options.now ?? Date.now)());
    const validators = validatorsIn(response.headers);
    const stream = response.body ?? new Blob([]).stream();
    if (response.status !== 206) {
      return this.#wholeFile(url, request, response, validators, stream);
    }
    const contentLength = parseLength(response.headers);
    const total = range?.total ?? totalFromLength(request, contentLength);
    this.#checkVersion(request, total, validators);
    const end = range === null ? endFromLength(request, contentLength) : range.end;
    const asked = Math.min(request.end, total ?? Infinity);
    const wrong =
      (range !== null && (range.start !== request.start || range.end > request.end)) ||
      (end !== null && (end > asked || end <= request.start)) ||
      (range !== null && contentLength !== null && contentLength !== range.end - range.start);
    if (wrong) {
      throw badRange(url, {
        asked: `${request.start}-${request.end - 1}`,
        answered: response.headers.get('Content-Range') ?? `${contentLength ?? '?'} bytes`,
      });
    }
    return { stream, end, total, validators, resumable: true };
  }

  /** 200: the server sends everything, whatever was asked. Good only from the beginning. */
  #wholeFile(
    url: URL,
    request: RangeRequest,
    response: Response,
    validators: Validators,
    stream: ReadableStream<Uint8Array>,
  ): OpenedRange {
    if (request.start > 0) {
      throw new AppError(
        'download/bad-range',
        `${url.host} cannot continue a download, so it begins again. If it keeps breaking off, download the file by other means and add it as a local file.`,
        { details: { host: url.host, status: response.status, restart: true } },
      );
    }
    // With a content coding the length is that of the compressed bytes.
    const coded = response.headers.get('Content-Encoding') !== null;
    const total = coded ? null : parseLength(response.headers);
    this.#checkVersion(request, total, validators);
    return { stream, end: total, total, validators, resumable: false };
  }

  /** 416: right where the file ends at what is stored already. */
  #pastTheEnd(url: URL, request: RangeRequest, range: ContentRange | null): OpenedRange {
    const total = range?.total ?? request.total;
    if (total === null && request.start > 0) {
      return emptyRange(request.start, request.validators);
    }
    if (total === request.start && total > 0) return emptyRange(total, request.validators);
    if (request.start > 0) throw changedUpstream(url, request.total, total);
    throw new AppError('download/not-a-model', 'The file on the server is empty.', {
      details: { host: url.host, kind: 'empty' },
    });
  }

  #checkVersion(request: RangeRequest, total: number | null, validators: Validators): void {
    if (request.total !== null && total !== null && request.total !== total) {
      throw changedUpstream(null, request.total, total);
    }
    if (this.#options.compareValidators === false) return;
    const before = request.validators;
    const changed =
      before.etag !== null && validators.etag !== null
        ? before.etag !== validators.etag
        : before.lastModified !== null &&
          validators.lastModified !== null &&
          before.lastModified !== validators.lastModified;
    if (changed) throw changedUpstream(null, request.total, total);
  }
}

function emptyRange(total: number, validators: Validators): OpenedRange {
  return { stream: new Blob([]).stream(), end: total, total, validators, resumable: true };
}

interface ContentRange {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  readonly total: number | null;
}

function parseContentRange(header: string | null): ContentRange | null {
  if (header === null) return null;
  const match = /^bytes (?:(\d{1,15})-(\d{1,15})|\*)\/(\d{1,15}|\*)$/u.exec(header.trim());
  // A header that is there and cannot be read is worse than none.
  if (match === null) return { start: -1, end: -1, total: null };
  const [, first, last, total] = match;
  return {
    start: first === undefined ? -1 : Number(first),
    end: last === undefined ? -1 : Number(last) + 1,
    total: total === undefined || total === '*' ? null : Number(total),
  };
}

function parseLength(headers: Headers): number | null {
  const text = headers.get('Content-Length');
  return text !== null && /^\d{1,15}$/u.test(text) ? Number(text) : null;
}

/** Servers that hide Content-Range from scripts: an answer shorter than asked ends the file. */
function totalFromLength(request: RangeRequest, length: number | null): number | null {
  if (request.total !== null) return request.total;
  if (length === null || length >= request.end - request.start) return null;
  return request.start + length;
}

function endFromLength(request: RangeRequest, length: number | null): number | null {
  return length === null ? null : request.start + length;
}

function validatorsIn(headers: Headers): Validators {
  const etag = headers.get('ETag');
  return {
    etag: etag === null || etag.startsWith('W/') ? null : etag,
    lastModified: headers.get('Last-Modified'),
  };
}

function badRange(url: URL, details: Record<string, string>): AppError {
  return new AppError(
    'download/bad-range',
    `${url.host} sent another part of the file than the one asked for. Try again later or use another address.`,
    { details: { host: url.host, ...details } },
  );
}

function changedUpstream(url: URL | null, before: number | null, now: number | null): AppError {
  return new AppError(
    'download/changed-upstream',
    'The file on the server changed during the download. Start over to get the new version.',
    { details: { host: url?.host ?? null, expectedBytes: before, actualBytes: now } },
  );
}

/** What an HTTP status of a failed request means for a person. */
export function statusError(response: Response, url: URL, now: number): AppError {
  const details = { host: url.host, status: response.status };
  const retryAfter = parseRetryAfter(response.headers.get('Retry-After'), now);
  const waiting = retryAfter === null ? details : { ...details, retryAfterMs: retryAfter };
  switch (response.status) {
    case 401:
    case 403:
      return new AppError(
        'download/access-denied',
        `${url.host} does not give this file to everybody. It may need an account or the acceptance of a licence; download it there and add it as a local file.`,
        { details },
      );
    case 404:
    case 410:
      return new AppError(
        'download/not-found',
        `There is no such file on ${url.host}. Check the address.`,
        { details },
      );
    case 408:
    case 425:
    case 429:
      return new AppError(
        'download/rate-limited',
        `${url.host} asks for a pause. The download goes on by itself.`,
        { details: waiting },
      );
    default:
      return new AppError(
        'download/server-error',
        `${url.host} has a problem (status ${response.status}). Try again later.`,
        { details: waiting },
      );
  }
}
