/** Checked access to the JSON files of a model's folder; what they say wrongly is an error that names it. */
import { ModelFileError } from '../../common/errors.ts';
import { shortened } from '../formats/gguf/file-errors.ts';

export type JsonRecord = Readonly<Record<string, unknown>>;

export function isRecord(value: unknown): value is JsonRecord {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Numbers and lists of one JSON object by their keys. */
export class JsonFile {
  readonly name: string;
  readonly #record: JsonRecord;

  constructor(name: string, record: JsonRecord) {
    this.name = name;
    this.#record = record;
  }

  /** @throws ModelFileError `model-file/malformed` */
  static parse(name: string, text: string): JsonFile {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (error) {
      throw malformedJson(name, 'is not JSON', error);
    }
    if (isRecord(value)) return new JsonFile(name, value);
    throw malformedJson(name, 'does not hold an object');
  }

  get(key: string): unknown {
    // own keys alone: `constructor` and others are inherited
    return Object.hasOwn(this.#record, key) ? this.#record[key] : undefined;
  }

  /** The object under a key, empty where there is none. */
  inside(key: string): JsonFile {
    const value = this.get(key);
    return new JsonFile(`${this.name}, ${key}`, isRecord(value) ? value : {});
  }

  /** A finite number. @throws ModelFileError `model-file/malformed` */
  number(key: string, fallback?: number): number {
    const value = this.get(key) ?? fallback;
    if (typeof value === 'number' && Number.isFinite(value)) return value;
    throw malformedJson(this.name, `should have a number as "${key}"`);
  }

  /** An integer from 1 to `most`, which GGUF's numbers can hold. @throws ModelFileError `model-file/malformed` */
  count(key: string, fallback?: number, most = 2 ** 32 - 1): number {
    const value = this.number(key, fallback);
    if (Number.isSafeInteger(value) && value > 0 && value <= most) return value;
    throw malformedJson(this.name, `should have a whole number from 1 to ${most} as "${key}"`);
  }

  findString(key: string): string | undefined {
    const value = this.get(key);
    return typeof value === 'string' ? value : undefined;
  }

  findBoolean(key: string): boolean | undefined {
    const value = this.get(key);
    return typeof value === 'boolean' ? value : undefined;
  }

  /** A list of finite numbers. @throws ModelFileError `model-file/malformed` */
  numbers(key: string): Float32Array {
    const values = this.list(key);
    const isNumber = (value: unknown): value is number => Number.isFinite(value);
    if (values.length > 0 && values.every(isNumber)) return Float32Array.from(values);
    throw malformedJson(this.name, `should have a list of numbers as "${key}"`);
  }

  list(key: string): readonly unknown[] {
    const value = this.get(key);
    return Array.isArray(value) ? value : [];
  }
}

export function malformedJson(name: string, what: string, cause?: unknown): ModelFileError {
  return new ModelFileError(
    'model-file/malformed',
    `The file ${shortened(name)} ${what}. Get the model's folder again.`,
    { field: shortened(name), offsetBytes: 0 },
    cause === undefined ? {} : { cause },
  );
}
