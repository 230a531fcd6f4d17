/** Turns what browsers throw from storage into `AppError`s. */
import { AppError } from '../common/errors.ts';

/** The `name` of a thrown DOMException or Error; empty for anything else. */
export function errorName(thrown: unknown): string {
  return typeof thrown === 'object' && thrown !== null && 'name' in thrown
    ? String(thrown.name)
    : '';
}

function errorText(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}

/** Whether the connection to the database went away, so that opening it anew can help. */
export function isConnectionLost(thrown: unknown): boolean {
  const name = errorName(thrown);
  if (name === 'InvalidStateError') return true;
  // Safari: "Connection to Indexed Database server lost. Refresh the page to try again"
  return name === 'UnknownError' && /\b(connection|server)\b.*\blost\b/i.test(errorText(thrown));
}

/** What reading or writing the database threw, as `store/*`; an `AppError` stays what it is. */
export function toStoreError(thrown: unknown): AppError {
  if (thrown instanceof AppError) return thrown;
  const name = errorName(thrown);
  if (name === 'QuotaExceededError') {
    return new AppError(
      'store/quota',
      'There is not enough storage. Free some space or remove a model, then continue.',
      { cause: thrown },
    );
  }
  if (name === 'VersionError') {
    return new AppError(
      'store/closed',
      'Hermit was updated in another tab. Reload this page to go on.',
      { cause: thrown },
    );
  }
  return new AppError(
    'store/unavailable',
    'The browser refuses access to its storage. Reload the page; in a private window nothing can be kept.',
    { cause: thrown, details: { reason: `${name}: ${errorText(thrown)}` } },
  );
}

/**
 * What reading one block threw. Browsers report a record whose bytes are gone as one of several
 * errors; all mean that this block must be fetched again.
 */
export function toBlockReadError(thrown: unknown): AppError {
  const damaged = [
    'UnknownError',
    'NotReadableError',
    'NotFoundError',
    'DataError',
    'EncodingError',
  ];
  if (damaged.includes(errorName(thrown)) && !isConnectionLost(thrown)) {
    return new AppError('store/damaged', 'A part of the model can no longer be read.', {
      cause: thrown,
      details: { reason: errorText(thrown) },
    });
  }
  return toStoreError(thrown);
}

/** The error of every implementation for a block that was never put, or was deleted. */
export function missingBlock(contentId: string, index: number, cause?: unknown): AppError {
  return new AppError('store/not-found', 'A part of the model is missing from storage.', {
    details: { contentId, index },
    cause,
  });
}
