import { describe, expect, it } from 'vitest';
import {
  StoredSettings,
  defaultSettings,
  parseSettings,
  type KeyValueStorage,
} from './settings.ts';

class MapStorage implements KeyValueStorage {
  readonly map = new Map<string, string>();
  getItem(key: string): string | null {
    return this.map.get(key) ?? null;
  }
  setItem(key: string, value: string): void {
    this.map.set(key, value);
  }
  removeItem(key: string): void {
    this.map.delete(key);
  }
}

describe('settings', () => {
  it('keeps what is valid and replaces what is not', () => {
    const parsed = parseSettings({
      theme: 'dark',
      temperature: 'hot',
      topK: -1,
      seed: 7,
      extra: 1,
    });
    expect(parsed).toEqual({ ...defaultSettings, theme: 'dark', seed: 7 });
  });

  it.each([
    [{ powerMode: 'saver', threads: 3, batteryLow: 95 }, true],
    [{ powerMode: 'turbo' }, false],
    [{ threads: 0 }, false],
    [{ threads: 'many' }, false],
    [{ batteryLow: 96 }, false],
    [{ batteryRecovered: 101 }, false],
    [{ calmSeconds: 4 }, false],
  ])('takes %j: %s', (change, taken) => {
    const expected = taken ? { ...defaultSettings, ...change } : defaultSettings;
    expect(parseSettings(change)).toEqual(expected);
  });

  it.each([null, 3, 'x', [], { __proto__: { theme: 'dark' } }])('survives %j', (value) => {
    expect(parseSettings(value)).toEqual(defaultSettings);
  });

  it('is the same after a reload', () => {
    const storage = new MapStorage();
    new StoredSettings(storage).update({ language: 'zh-Hans', temperature: 0 });
    expect(new StoredSettings(storage).settings.value).toEqual({
      ...defaultSettings,
      language: 'zh-Hans',
      temperature: 0,
    });
  });

  it('refuses a value out of range and tells nobody', () => {
    const settings = new StoredSettings(new MapStorage());
    settings.update({ topP: 2 });
    expect(settings.settings.value.topP).toBe(defaultSettings.topP);
  });

  it('works where storage throws', () => {
    const blocked: KeyValueStorage = {
      getItem: () => {
        throw new Error('denied');
      },
      setItem: () => {
        throw new Error('denied');
      },
      removeItem: () => undefined,
    };
    const settings = new StoredSettings(blocked);
    settings.update({ theme: 'light' });
    expect(settings.settings.value.theme).toBe('light');
  });
});
