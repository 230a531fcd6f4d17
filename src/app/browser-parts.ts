/** What the composition root takes from the browser, each where this browser has it. */
import { LocalLocks, type Locks, WebLocks } from '../store/locks.ts';
import { ChatTabs } from './chat-tabs.ts';
import type { TabLocks } from './crash-journal.ts';
import type { DownloadSignals } from './download-watch.ts';
import type { KeyValueStorage } from './settings.ts';
import type { TabLineOptions } from './shared-model/tab-line.ts';
import { connectPortBroker } from './workers.ts';

/** Null outside secure contexts and where storage is denied, whatever the type library says. */
export async function usableLocks(): Promise<LockManager | null> {
  try {
    await navigator.locks.query();
    return navigator.locks;
  } catch {
    return null;
  }
}

export function tabLocks(locks: LockManager | null): TabLocks | null {
  if (locks === null) return null;
  return { request: (name, work) => locks.request(name, work), query: () => locks.query() };
}

/** What this browser has of it; the type library knows them all. */
export function downloadSignals(): DownloadSignals {
  const { wakeLock } = navigator as Partial<Pick<Navigator, 'wakeLock'>>;
  const badged = 'setAppBadge' in navigator && matchMedia('(display-mode: standalone)').matches;
  return {
    badge: badged ? navigator : null,
    wakeLock: wakeLock ?? null,
    visible: () => document.visibilityState === 'visible',
    onVisibility: (listener) => {
      document.addEventListener('visibilitychange', listener);
    },
  };
}

const ASKED_KEY = 'hermit.asked-to-keep';

/** Asks the browser, once in its life, not to evict what is stored; later the person may ask again. */
export function askOnce(storage: KeyValueStorage | null, ask: () => Promise<boolean>): void {
  try {
    if (storage === null || storage.getItem(ASKED_KEY) !== null) return;
    storage.setItem(ASKED_KEY, 'yes');
    ask().catch(() => undefined);
  } catch {
    // Where nothing can be remembered, nothing is kept.
  }
}

export function tabWideLocks(locks: LockManager | null): Locks {
  return locks === null ? new LocalLocks() : new WebLocks(locks);
}

export function chatTabs(locks: LockManager | null): ChatTabs {
  const channel = locks === null ? null : new BroadcastChannel('hermit-chats');
  return new ChatTabs(tabWideLocks(locks), channel);
}

/**
 * The line of tabs that share one model; null where they cannot reach each other, as in Chrome on
 * Android, which has no shared workers. `build`: tabs of another build speak another language.
 */
export function modelLine(locks: LockManager | null, build: string): TabLineOptions | null {
  if (locks === null || !('SharedWorker' in globalThis)) return null;
  const name = `hermit-model-line:${build}`;
  return {
    name,
    locks: { request: (lock, how, work) => locks.request(lock, how, work) },
    channel: new BroadcastChannel(name),
    connectBroker: connectPortBroker,
  };
}
