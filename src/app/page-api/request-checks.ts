/**
 * Checks of what scripts hand in: they need not be typed, so every field is looked at, and what is
 * wrong is named. All throw AppError `invalid-argument` with the field in `details.field`.
 */
import type { Urgency } from '../turns.ts';
import { AppError, type ErrorDetails } from '../../common/errors.ts';

/** The error for a field; `must` completes the sentence `"field" must be ...`. */
export function invalidField(field: string, must: string, value?: unknown): AppError {
  const shown: ErrorDetails =
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
      ? { field, value }
      : { field };
  return new AppError('invalid-argument', `"${field}" must be ${must}.`, { details: shown });
}

type Absent = null | undefined;

function isAbsent(value: unknown): value is Absent {
  return value === null || value === undefined;
}

export function requireWhole(
  value: unknown,
  field: string,
  low: number,
  high: number,
): number | undefined {
  if (isAbsent(value)) return undefined;
  if (Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high) {
    return value as number;
  }
  throw invalidField(field, `a whole number from ${low} to ${high}`, value);
}

export function requireNumber(
  value: unknown,
  field: string,
  low: number,
  high: number,
): number | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value === 'number' && value >= low && value <= high) return value;
  throw invalidField(field, `a number from ${low} to ${high}`, value);
}

export function requireBoolean(value: unknown, field: string): boolean {
  if (isAbsent(value)) return false;
  if (typeof value === 'boolean') return value;
  throw invalidField(field, 'true or false', value);
}

export function requireText(value: unknown, field: string): string {
  if (typeof value === 'string') return value;
  throw invalidField(field, 'a text', value);
}

export function requirePriority(value: unknown): Urgency {
  if (isAbsent(value)) return 'normal';
  if (value === 'high' || value === 'normal' || value === 'low') return value;
  throw invalidField('priority', 'high, normal or low', value);
}

/** Id of a model; undefined means the loaded one. */
export function requireModel(value: unknown): string | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value === 'string' && value !== '') return value;
  throw invalidField('model', 'the id of an installed model', value);
}

export function isTokenList(value: unknown): value is readonly number[] {
  return (
    Array.isArray(value) &&
    value.every((id: unknown) => Number.isSafeInteger(id) && (id as number) >= 0)
  );
}

export function requireObject(value: unknown, field: string): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw invalidField(field, 'an object', value);
}

/** @throws also for a request that is no object at all */
export function requireRequest(request: unknown): Readonly<Record<string, unknown>> {
  return requireObject(request, 'request');
}

/**
 * Refuses what would change the answer and cannot be done, instead of leaving it out silently.
 * @throws AppError `not-supported` naming the field
 */
export function refuseUnsupported(
  request: Readonly<Record<string, unknown>>,
  onlyOne: readonly string[],
  absent: readonly string[],
): void {
  const unsupported = [
    ...onlyOne.filter((field) => !isAbsent(request[field]) && request[field] !== 1),
    ...absent.filter((field) => !isAbsent(request[field]) && !isEmptyList(request[field])),
  ];
  const [field] = unsupported;
  if (field === undefined) return;
  throw new AppError('not-supported', `Hermit does not support "${field}" here. Leave it out.`, {
    details: { field },
  });
}

function isEmptyList(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0;
}
