import { AppError, isAbortError } from '../common/errors.ts';
import type { ModelSource, OpenedRange, RangeRequest, ResolvedFile } from './model-source.ts';

/**
 * A file on this device, copied into the store. The handle is only good while the page lives; when
 * the file changes on disk, the browser refuses to read on.
 */
export class FileSource implements ModelSource {
  readonly #file: File;
  readonly #size: number;
  readonly #lastModified: number;

  constructor(file: File) {
    this.#file = file;
    this.#size = file.size;
    this.#lastModified = file.lastModified;
  }

  resolve(): Promise<ResolvedFile> {
    return Promise.resolve({
      fileName: this.#file.name,
      commit: null,
      size: this.#size,
      sha256: null,
      licence: null,
    });
  }

  open(request: RangeRequest): Promise<OpenedRange> {
    if (this.#file.size !== this.#size || this.#file.lastModified !== this.#lastModified) {
      return Promise.reject(this.#changed(undefined));
    }
    const end = Math.min(request.end, this.#size);
    return Promise.resolve({
      stream: this.#file.slice(request.start, end).stream(),
      end,
      total: this.#size,
      validators: { etag: null, lastModified: String(this.#lastModified) },
      resumable: true,
    });
  }

  explain(thrown: unknown): AppError {
    if (thrown instanceof AppError) return thrown;
    if (isAbortError(thrown)) {
      return new AppError('aborted', 'The import was stopped.', { cause: thrown });
    }
    return this.#changed(thrown);
  }

  #changed(cause: unknown): AppError {
    return new AppError(
      'download/local-file-changed',
      `"${this.#file.name}" was changed, moved or deleted while it was being copied. Nothing of it was kept; choose the file again.`,
      { details: { fileName: this.#file.name }, cause },
    );
  }
}
