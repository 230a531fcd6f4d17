import { describe, expect, it, vi } from 'vitest';
import { reloadWhenPartsAreMissing } from './preload-error-guard.ts';

function setUp({ online = true, version = '1', stored = new Map<string, string>() } = {}) {
  const events = new EventTarget();
  const log: string[] = [];
  const stop = reloadWhenPartsAreMissing({
    events,
    version,
    memory: {
      getItem: (key) => stored.get(key) ?? null,
      setItem: (key, value) => void stored.set(key, value),
    },
    isOnline: () => online,
    saveDraft: () => Promise.resolve(void log.push('saved')),
    reload: () => void log.push('reloaded'),
    report: (error) => void log.push(`reported ${String(error)}`),
  });
  const fail = () => {
    const event = Object.assign(new Event('vite:preloadError', { cancelable: true }), {
      payload: 'gone',
    });
    events.dispatchEvent(event);
    return event.defaultPrevented;
  };
  return { fail, log, stored, stop };
}

describe('reloadWhenPartsAreMissing', () => {
  it('saves the draft, then reloads', async () => {
    const { fail, log } = setUp();
    expect(fail()).toBe(true);
    await vi.waitFor(() => {
      expect(log).toEqual(['saved', 'reloaded']);
    });
  });

  it('reloads a version once, and the next version once more', async () => {
    const first = setUp();
    first.fail();
    const again = setUp({ stored: first.stored });
    expect(again.fail()).toBe(false);
    expect(again.log).toEqual(['reported gone']);
    const next = setUp({ stored: first.stored, version: '2' });
    expect(next.fail()).toBe(true);
    await vi.waitFor(() => {
      expect(next.log).toContain('reloaded');
    });
  });

  it('does not reload offline, nor after it was stopped', () => {
    const offline = setUp({ online: false });
    expect(offline.fail()).toBe(false);
    expect(offline.log).toEqual(['reported gone']);
    const stopped = setUp();
    stopped.stop();
    expect(stopped.fail()).toBe(false);
    expect(stopped.log).toEqual([]);
  });
});
