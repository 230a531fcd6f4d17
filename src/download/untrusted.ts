/** Reading values of unknown shape: each reader gives the type it says or throws with the path. */

export type UnknownRecord = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is UnknownRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Lower-case hexadecimal SHA-256, or null when the value is not one. */
export function asSha256(value: unknown): string | null {
  return typeof value === 'string' && /^[0-9a-f]{64}$/iu.test(value) ? value.toLowerCase() : null;
}

/** A file size, or null when the value is not one. */
export function asSize(value: unknown): number | null {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? value : null;
}
