import { untilAborted } from '../common/abort.ts';
import { AppError } from '../common/errors.ts';
import {
  type ModelSource,
  noValidators,
  type OpenedRange,
  type RangeRequest,
  type ResolvedFile,
} from './model-source.ts';

/**
 * A file that is being made on this device: its bytes come once, from front to back. What breaks off
 * cannot be gone on with.
 */
export class ProducedSource implements ModelSource {
  readonly #fileName: string;
  readonly #size: number;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  /** Bytes handed out. */
  #position = 0;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(stream: ReadableStream<Uint8Array>, file: { fileName: string; size: number }) {
    this.#reader = stream.getReader();
    this.#fileName = file.fileName;
    this.#size = file.size;
  }

  resolve(): Promise<ResolvedFile> {
    return Promise.resolve({
      fileName: this.#fileName,
      commit: null,
      size: this.#size,
      sha256: null,
      licence: null,
    });
  }

  open(request: RangeRequest, signal: AbortSignal): Promise<OpenedRange> {
    if (request.start !== this.#position) return Promise.reject(brokenOff());
    const end = Math.min(request.end, this.#size);
    const stream = new ReadableStream<Uint8Array>(
      {
        pull: async (controller) => {
          const piece = await untilAborted(this.#next(end - this.#position), signal);
          if (piece !== null) controller.enqueue(piece);
          if (piece === null || this.#position === end) controller.close();
        },
      },
      // nothing is taken before it is asked for: the next range begins where this one was read to
      { highWaterMark: 0 },
    );
    return Promise.resolve({
      stream,
      end,
      total: this.#size,
      validators: noValidators,
      resumable: false,
    });
  }

  explain(thrown: unknown): AppError {
    return thrown instanceof AppError ? thrown : brokenOff(thrown);
  }

  /** Tells the maker that nobody takes more, and why. */
  cancel(reason: AppError): void {
    void this.#reader.cancel(reason).catch(() => undefined);
  }

  async #next(most: number): Promise<Uint8Array | null> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#reader.read();
      if (done) return null;
      this.#rest = value;
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    this.#position += piece.length;
    return piece;
  }
}

function brokenOff(cause?: unknown): AppError {
  return new AppError('aborted', 'The model was not finished.', { cause });
}
