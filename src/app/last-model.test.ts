import { describe, expect, it } from 'vitest';
import { LastModel } from './last-model.ts';

function memory() {
  const map = new Map<string, string>();
  return {
    getItem: (key: string) => map.get(key) ?? null,
    setItem: (key: string, value: string) => void map.set(key, value),
    removeItem: (key: string) => void map.delete(key),
  };
}

describe('the last model', () => {
  it('is loaded at the next start', () => {
    const storage = memory();
    new LastModel(storage).remember('a');
    expect(new LastModel(storage).loadAtStart).toBe('a');
  });

  it('is not loaded again by itself when loading it took the tab down', () => {
    const storage = memory();
    const before = new LastModel(storage);
    before.remember('a');
    void before.marked('a', () => new Promise<never>(() => undefined));
    const after = new LastModel(storage);
    expect(after.loadAtStart).toBeNull();
    expect(after.id).toBe('a');
  });

  it('is loaded again when the page was left during the load', () => {
    const storage = memory();
    const before = new LastModel(storage);
    before.remember('a');
    void before.marked('a', () => new Promise<never>(() => undefined));
    before.leave();
    expect(new LastModel(storage).loadAtStart).toBe('a');
  });

  it('is loaded again after a load that ended, well or not', async () => {
    const storage = memory();
    const before = new LastModel(storage);
    before.remember('a');
    await before.marked('a', () => Promise.resolve());
    await expect(before.marked('a', () => Promise.reject(new Error('no')))).rejects.toThrow('no');
    expect(new LastModel(storage).loadAtStart).toBe('a');
  });
});
