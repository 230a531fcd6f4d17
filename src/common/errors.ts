/**
 * The one error hierarchy of Hermit.
 *
 * Every failure that can reach a person is an `AppError`: a stable code that programs (and the
 * translations) key on, a sentence in English that says what happened and what to do next, details
 * for the expert, and the cause. It is plain data, so that it looks the same on both sides of a worker.
 */

export const errorCodes = [
  // anything not foreseen
  'internal',
  'aborted',
  'invalid-argument',
  'not-supported',
  // model files
  'model-file/not-gguf',
  'model-file/truncated',
  'model-file/malformed',
  'model-file/limit',
  'model-file/unsupported-version',
  'model-file/unsupported-architecture',
  'model-file/in-parts',
  'model-file/wrong-kind',
  'model-file/unsupported-tensor-type',
  'model-file/unsupported-tokenizer',
  'model-file/missing-tensor',
  'model-file/invalid-numbers',
  // engine
  'engine/out-of-memory',
  'engine/context-overflow',
  'engine/not-loaded',
  'engine/other-model',
  'engine/busy',
  'engine/worker-died',
  'engine/worker-silent',
  'engine/backend-unavailable',
  'engine/device-lost',
  'engine/asset-mismatch',
  // templates
  'template/refused',
  'template/broken',
  'template/deadline',
  // download
  'download/network',
  'download/offline',
  'download/not-found',
  'download/access-denied',
  'download/rate-limited',
  'download/server-error',
  'download/not-a-model',
  'download/changed-upstream',
  'download/bad-range',
  'download/stalled',
  'download/hash-mismatch',
  'download/insecure-url',
  'download/local-file-changed',
  // store
  'store/quota',
  'store/unavailable',
  'store/damaged',
  'store/not-ready',
  'store/not-found',
  'store/in-use',
  'store/closed',
  // Hermit inside other people's pages
  'embed/refused',
  'embed/closed',
  'embed/limit',
  // knowledge of the catalogue
  'catalog/invalid',
] as const;

export type ErrorCode = (typeof errorCodes)[number];

/** Values that survive structured clone and can be put into a translated sentence. */
export type ErrorDetails = Readonly<
  Record<string, string | number | boolean | null | readonly string[]>
>;

export interface ErrorOptionsWithDetails {
  readonly details?: ErrorDetails;
  readonly cause?: unknown;
}

/** A failure with a stable code and a sentence a user can act on. */
export class AppError extends Error {
  override readonly name: string = 'AppError';
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, options: ErrorOptionsWithDetails = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.details = options.details ?? {};
  }
}

/** A model file that cannot be trusted; names the field and where in the file it lies. */
export class ModelFileError extends AppError {
  override readonly name = 'ModelFileError';
  readonly field: string;
  readonly offsetBytes: number;

  constructor(
    code: Extract<ErrorCode, `model-file/${string}`>,
    message: string,
    at: { readonly field: string; readonly offsetBytes: number },
    options: ErrorOptionsWithDetails = {},
  ) {
    super(code, message, {
      ...options,
      details: { ...options.details, field: at.field, offsetBytes: at.offsetBytes },
    });
    this.field = at.field;
    this.offsetBytes = at.offsetBytes;
  }
}

// Marked, so that scripts for other pages need not carry the list.
const knownCodes: ReadonlySet<string> = /* @__PURE__ */ new Set(errorCodes);

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && knownCodes.has(value);
}

export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is AppError {
  return error instanceof AppError && codes.includes(error.code);
}

/** What was thrown, as an `AppError`; anything unforeseen becomes `internal` and keeps its cause. */
export function toAppError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  if (isAbortError(thrown)) {
    return new AppError('aborted', 'The operation was stopped.', { cause: thrown });
  }
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  return new AppError('internal', `Something unexpected went wrong: ${text}`, { cause: thrown });
}

export function isAbortError(thrown: unknown): boolean {
  if (thrown instanceof AppError) return thrown.code === 'aborted';
  return thrown instanceof Error && thrown.name === 'AbortError';
}
