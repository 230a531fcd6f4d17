import { describe, expect, it } from 'vitest';
import { reloadIntoIsolation } from './isolating-reload.ts';

function setUp({
  isolated = false,
  controlled = false,
  lacking = true,
  stored = new Map<string, string>(),
} = {}) {
  const events = new EventTarget();
  let activate: () => void = () => undefined;
  const ready = new Promise<ServiceWorkerRegistration>((resolve) => {
    activate = () => {
      resolve({ active: { state: 'activated' } } as ServiceWorkerRegistration);
    };
  });
  const controller = controlled ? ({} as ServiceWorker) : null;
  let reloads = 0;
  const decided = reloadIntoIsolation({
    isolated,
    lacksHeaders: () => Promise.resolve(lacking),
    serviceWorker: { controller, ready },
    memory: {
      getItem: (key) => stored.get(key) ?? null,
      setItem: (key, value) => void stored.set(key, value),
    },
    events,
    reload: () => (reloads += 1),
  });
  return { events, activate, decided, stored, reloads: () => reloads };
}

describe('reloadIntoIsolation', () => {
  it('loads the page anew once, when the service worker can add headers', async () => {
    const first = setUp();
    first.activate();
    expect(await first.decided).toBe(true);
    expect(first.reloads()).toBe(1);
    const again = setUp({ stored: first.stored });
    again.activate();
    expect(await again.decided).toBe(false);
  });

  it('does not interrupt who has begun', async () => {
    const { events, activate, decided, reloads } = setUp();
    events.dispatchEvent(new Event('keydown'));
    activate();
    expect(await decided).toBe(false);
    expect(reloads()).toBe(0);
  });

  it.each([{ isolated: true }, { controlled: true }, { lacking: false }])(
    'has nothing to do: %o',
    async (given) => {
      const { activate, decided } = setUp(given);
      activate();
      expect(await decided).toBe(false);
    },
  );
});
