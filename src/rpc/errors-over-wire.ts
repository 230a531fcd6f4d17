/**
 * Makes an `AppError` the same on both sides of a worker.
 *
 * Comlink 4.4 sends only name, message and stack of a thrown error: class, code, details and cause
 * are lost. Its table of transfer handlers is public, so the entry for thrown values is replaced by
 * one that sends plain data and rebuilds the error. Import this module on both sides before any call.
 */
import { transferHandlers } from 'comlink';
import {
  AppError,
  ModelFileError,
  isErrorCode,
  toAppError,
  type ErrorCode,
  type ErrorDetails,
} from '../common/errors.ts';

/** An `AppError` as plain data. */
export interface WireError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly details: ErrorDetails;
  /** Text of the cause: causes may hold anything, so they do not travel themselves. */
  readonly causeText: string | null;
  readonly stack: string | null;
}

export function errorToWire(thrown: unknown): WireError {
  const error = toAppError(thrown);
  return {
    code: error.code,
    message: error.message,
    details: error.details,
    causeText: causeText(error.cause),
    stack: error.stack ?? null,
  };
}

export function errorFromWire(wire: WireError): AppError {
  const options = {
    details: wire.details,
    ...(wire.causeText === null ? {} : { cause: new Error(wire.causeText) }),
  };
  const { field, offsetBytes } = wire.details;
  const error =
    isModelFileCode(wire.code) && typeof field === 'string' && typeof offsetBytes === 'number'
      ? new ModelFileError(wire.code, wire.message, { field, offsetBytes }, options)
      : new AppError(isErrorCode(wire.code) ? wire.code : 'internal', wire.message, options);
  if (wire.stack !== null) error.stack = wire.stack;
  return error;
}

function isModelFileCode(code: ErrorCode): code is Extract<ErrorCode, `model-file/${string}`> {
  return code.startsWith('model-file/');
}

function causeText(cause: unknown): string | null {
  if (cause === undefined || cause === null) return null;
  if (cause instanceof Error) return `${cause.name}: ${cause.message}`;
  try {
    return JSON.stringify(cause) ?? typeof cause;
  } catch {
    // Circular objects and big integers have no JSON; the error itself must travel all the same.
    return typeof cause;
  }
}

interface ThrownValue {
  readonly value: unknown;
}

const original = transferHandlers.get('throw');
if (original === undefined) throw new Error('Comlink has no handler for thrown values any more.');

transferHandlers.set('throw', {
  canHandle: (value: unknown): value is ThrownValue => original.canHandle(value),
  serialize: (thrown: ThrownValue): [WireError, Transferable[]] => [errorToWire(thrown.value), []],
  deserialize: (wire: WireError): never => {
    throw errorFromWire(wire);
  },
});
