import type { AppError } from '../common/errors.ts';
import type { ModelSource, OpenedRange, RangeRequest, ResolvedFile } from './model-source.ts';
import type { RangeFetcher } from './range-fetcher.ts';
import { fileNameOf } from './safe-url.ts';

/** A file at an address: nothing is known of it before the first answer. */
export class UrlSource implements ModelSource {
  readonly #url: URL;
  readonly #fetcher: RangeFetcher;

  constructor(url: URL, fetcher: RangeFetcher) {
    this.#url = url;
    this.#fetcher = fetcher;
  }

  resolve(): Promise<ResolvedFile> {
    return Promise.resolve({
      fileName: fileNameOf(this.#url),
      commit: null,
      size: null,
      sha256: null,
      licence: null,
    });
  }

  open(request: RangeRequest, signal: AbortSignal): Promise<OpenedRange> {
    return this.#fetcher.open(this.#url, request, signal);
  }

  explain(thrown: unknown): AppError {
    return this.#fetcher.explain(this.#url, thrown);
  }
}
