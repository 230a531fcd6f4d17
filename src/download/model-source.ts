/**
 * Where a model file can be fetched from. A source knows one file; it keeps no bytes and no state of
 * a download, so it can be made anew from what the manifest says.
 */
import type { AppError } from '../common/errors.ts';
import type { ModelOrigin } from '../store/manifest.ts';

/** What the source says about the file; null where it does not say. */
export interface ResolvedFile {
  readonly fileName: string;
  /** The commit all ranges will be read from. */
  readonly commit: string | null;
  readonly size: number | null;
  /** Published SHA-256 of the whole file, lower-case hexadecimal. */
  readonly sha256: string | null;
  readonly licence: string | null;
}

/** Marks of one version of a file; ranges with different marks must never be mixed. */
export interface Validators {
  /** Strong ETag only; a weak one does not promise equal bytes. */
  readonly etag: string | null;
  readonly lastModified: string | null;
}

export interface OpenedRange {
  /** Bytes from the asked start on. May end early; who reads counts. */
  readonly stream: ReadableStream<Uint8Array>;
  /** End (exclusive) of what this stream promises; null where the server does not say. */
  readonly end: number | null;
  /** Length of the whole file, null where the server does not say. */
  readonly total: number | null;
  readonly validators: Validators;
  /** False where the server ignores ranges: a break means starting over. */
  readonly resumable: boolean;
}

export interface RangeRequest {
  readonly start: number;
  /** Exclusive. */
  readonly end: number;
  /** What earlier answers said; a different answer is `download/changed-upstream`. */
  readonly total: number | null;
  readonly validators: Validators;
}

export interface ModelSource {
  /**
   * Pins the version to read.
   * @throws AppError `download/*`, `aborted`
   */
  resolve(signal: AbortSignal): Promise<ResolvedFile>;
  /**
   * @throws AppError `download/*`, `aborted`. `download/bad-range` with `details.restart` means that
   * the server only gives the file from its beginning.
   */
  open(request: RangeRequest, signal: AbortSignal): Promise<OpenedRange>;
  /** What it means that reading an opened stream failed with `thrown`. */
  explain(thrown: unknown): AppError;
}

export const noValidators: Validators = { etag: null, lastModified: null };

export function validatorsOf(origin: ModelOrigin): Validators {
  return { etag: origin.etag, lastModified: origin.lastModified };
}
