/**
 * Checked access to a tokenizer.json: it comes from strangers, so every value is looked at, and what is
 * wrong is named by its path.
 */
import { ModelFileError } from '../../../common/errors.ts';

export type JsonRecord = Readonly<Record<string, unknown>>;

/** Largest lists that are looked at: the largest vocabularies have 262,144 tokens and half a million merges. */
export const largestList = 4 * 1024 * 1024;

/** `what` completes "This tokenizer file is damaged: ...". */
export function malformedJson(path: string, what: string): ModelFileError {
  return new ModelFileError(
    'model-file/malformed',
    `This tokenizer file is damaged: "${path}" ${what}. Download it again.`,
    { field: path, offsetBytes: 0 },
  );
}

/** For a part that exists and that Hermit does not compute. */
export function unsupportedJson(path: string, type: string): ModelFileError {
  const shown = type.slice(0, 80);
  return new ModelFileError(
    'model-file/unsupported-tokenizer',
    `This tokenizer uses "${shown}" (${path}), which Hermit does not know. Choose another model.`,
    { field: path, offsetBytes: 0 },
    { details: { tokenizer: shown } },
  );
}

export function recordAt(value: unknown, path: string): JsonRecord {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as JsonRecord;
  }
  throw malformedJson(path, 'should be an object');
}

export function listAt(value: unknown, path: string, most = largestList): readonly unknown[] {
  if (!Array.isArray(value)) throw malformedJson(path, 'should be a list');
  if (value.length > most) throw malformedJson(path, `has more than ${most} items`);
  return value;
}

export function textAt(value: unknown, path: string): string {
  if (typeof value === 'string') return value;
  throw malformedJson(path, 'should be a text');
}

/** A text, or undefined where the value is absent or null. */
export function maybeText(value: unknown, path: string): string | undefined {
  return value === null || value === undefined ? undefined : textAt(value, path);
}

export function flagAt(value: unknown, path: string, byDefault: boolean): boolean {
  if (value === null || value === undefined) return byDefault;
  if (typeof value === 'boolean') return value;
  throw malformedJson(path, 'should be true or false');
}

/** A token id or a count. */
export function countAt(value: unknown, path: string, most = largestList): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most) {
    return value as number;
  }
  throw malformedJson(path, `should be a whole number from 0 to ${most}`);
}

/** Steps of a sequence, in each other: no published file has more than six. */
const mostSteps = 64;

/**
 * The steps of a normalizer, pre-tokenizer and so on, with sequences in sequences laid out flat.
 * @param inner the key under which a sequence keeps its steps
 */
export function stepsOf(
  value: unknown,
  path: string,
  inner: string,
): readonly { readonly step: JsonRecord; readonly path: string }[] {
  if (value === null || value === undefined) return [];
  const found: { readonly step: JsonRecord; readonly path: string }[] = [];
  const waiting: { readonly value: unknown; readonly path: string }[] = [{ value, path }];
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const step = recordAt(next.value, next.path);
    if (step['type'] === 'Sequence') {
      const steps = listAt(step[inner], `${next.path}.${inner}`, mostSteps);
      const at = `${next.path}.${inner}`;
      waiting.unshift(...steps.map((one, index) => ({ value: one, path: `${at}[${index}]` })));
    } else {
      found.push({ step, path: next.path });
    }
    if (found.length + waiting.length > mostSteps) throw malformedJson(path, 'has too many steps');
  }
  return found;
}
