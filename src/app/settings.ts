/**
 * The user's settings, kept in localStorage. What is read back is untrusted: another version, a
 * person with developer tools or a damaged profile may have written it, so every field is checked
 * and falls back to its default.
 */
import { ObservableValue, type Observable } from '../common/observable.ts';
import { hubUrl } from '../download/hub-source.ts';
import { parseModelUrl } from '../download/safe-url.ts';
import type { Settings, SettingsService } from '../ui/services.ts';

const STORAGE_KEY = 'hermit.settings';

export const defaultSettings: Settings = {
  theme: 'system',
  language: 'system',
  systemPrompt: '',
  temperature: 0.7,
  topK: 40,
  topP: 0.95,
  minP: 0.05,
  repetitionPenalty: 1.1,
  seed: null,
  maxAnswerTokens: 1024,
  contextLength: 4096,
  precision: 'auto',
  powerMode: 'balanced',
  threads: 'auto',
  batteryLow: 20,
  batteryRecovered: 25,
  calmSeconds: 30,
  memoryLimit: 0,
  thinking: true,
  backend: 'auto',
  keepReading: true,
  hubUrl,
  keepAwake: false,
};

type Check<T> = (value: unknown) => value is T;

const oneOf =
  <const T extends readonly (string | number)[]>(...values: T): Check<T[number]> =>
  (value): value is T[number] =>
    values.includes(value as T[number]);

const inRange =
  (low: number, high: number): Check<number> =>
  (value): value is number =>
    typeof value === 'number' && value >= low && value <= high;

const wholeInRange =
  (low: number, high: number): Check<number> =>
  (value): value is number =>
    Number.isSafeInteger(value) && (value as number) >= low && (value as number) <= high;

/** An address that models may be fetched from. */
function isSecureAddress(value: unknown): value is string {
  if (typeof value !== 'string' || value.length > 2000) return false;
  try {
    parseModelUrl(value);
    return true;
  } catch {
    // Whatever is wrong with it, the default serves.
    return false;
  }
}

const checks: { readonly [K in keyof Settings]: Check<Settings[K]> } = {
  theme: oneOf('system', 'light', 'dark'),
  language: oneOf('system', 'en', 'zh-Hans'),
  systemPrompt: (value): value is string => typeof value === 'string' && value.length <= 32_768,
  temperature: inRange(0, 5),
  topK: wholeInRange(0, 1_000_000),
  topP: inRange(0.01, 1),
  minP: inRange(0, 1),
  repetitionPenalty: inRange(0.1, 5),
  seed: (value): value is number | null => value === null || wholeInRange(0, 0xffffffff)(value),
  maxAnswerTokens: wholeInRange(1, 1_000_000),
  contextLength: wholeInRange(256, 1_048_576),
  precision: oneOf('auto', 8, 4),
  powerMode: oneOf('saver', 'balanced', 'performance', 'manual'),
  threads: (value): value is 'auto' | number => value === 'auto' || wholeInRange(1, 1024)(value),
  batteryLow: wholeInRange(0, 95),
  batteryRecovered: wholeInRange(1, 100),
  calmSeconds: wholeInRange(5, 600),
  memoryLimit: wholeInRange(0, 1_000_000),
  thinking: (value): value is boolean => typeof value === 'boolean',
  backend: oneOf('auto', 'wasm', 'webgpu'),
  keepReading: (value): value is boolean => typeof value === 'boolean',
  hubUrl: isSecureAddress,
  keepAwake: (value): value is boolean => typeof value === 'boolean',
};

/** Settings from anything: fields that are missing or wrong get their defaults. */
export function parseSettings(value: unknown): Settings {
  if (typeof value !== 'object' || value === null) return defaultSettings;
  const given = value as Readonly<Record<string, unknown>>;
  const accepted: Record<string, unknown> = {};
  for (const [key, check] of Object.entries(checks)) {
    if (Object.hasOwn(given, key) && check(given[key])) accepted[key] = given[key];
  }
  return { ...defaultSettings, ...accepted };
}

/** The part of `Storage` used here; it may throw where storage is blocked. */
export type KeyValueStorage = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>;

export class StoredSettings implements SettingsService {
  readonly defaults = defaultSettings;
  readonly #settings: ObservableValue<Settings>;
  readonly #storage: KeyValueStorage | null;

  constructor(storage: KeyValueStorage | null) {
    this.#storage = storage;
    this.#settings = new ObservableValue(this.#read());
  }

  get settings(): Observable<Settings> {
    return this.#settings;
  }

  update(change: Partial<Settings>): void {
    this.#settings.update((settings) => parseSettings({ ...settings, ...change }));
    this.#write();
  }

  /** Another tab stored something under `key`; settings are the same in all tabs. */
  noteStored(key: string | null): void {
    if (key === STORAGE_KEY) this.#settings.set(this.#read());
  }

  reset(): void {
    this.#settings.set(defaultSettings);
    this.#write();
  }

  #read(): Settings {
    try {
      const text = this.#storage?.getItem(STORAGE_KEY) ?? null;
      return text === null ? defaultSettings : parseSettings(JSON.parse(text));
    } catch {
      // Blocked storage or damaged JSON: the defaults are a complete answer and nothing else was there.
      return defaultSettings;
    }
  }

  #write(): void {
    try {
      this.#storage?.setItem(STORAGE_KEY, JSON.stringify(this.#settings.value));
    } catch {
      // A full or blocked localStorage costs only that the choice is not remembered after closing.
    }
  }
}

/** `localStorage`, or null where the browser blocks it (access itself throws there). */
export function browserStorage(): KeyValueStorage | null {
  try {
    return globalThis.localStorage;
  } catch {
    return null;
  }
}
