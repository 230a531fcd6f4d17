/**
 * The one reload on a host that sends no headers. The first visit comes from such a host as it is,
 * without shared memory; from then on the service worker adds the headers. So the page is loaded once
 * more as soon as the service worker is there, unless the person has begun with something: then the
 * next visit has it by itself.
 */
import type { ReloadMemory } from './preload-error-guard.ts';

export interface IsolatingReloadOptions {
  /** `crossOriginIsolated` of this page. */
  readonly isolated: boolean;
  /** Whether the host sends the page without its headers; a browser that isolates nothing gains nothing. */
  readonly lacksHeaders: () => Promise<boolean>;
  /** Null where there is none. */
  readonly serviceWorker: Pick<ServiceWorkerContainer, 'controller' | 'ready'> | null;
  /** Where it is remembered that this tab was reloaded: `sessionStorage`. */
  readonly memory: ReloadMemory;
  /** Where the person's presses and keys arrive: the window. */
  readonly events: EventTarget;
  readonly reload: () => void;
}

const KEY = 'hermit:reloaded-for-isolation';

/** Resolves when it was decided, with whether the page is reloaded. */
export async function reloadIntoIsolation(options: IsolatingReloadOptions): Promise<boolean> {
  const { isolated, serviceWorker, memory, events, reload } = options;
  // With a service worker in charge the headers were there, and did not help in this browser.
  if (isolated || serviceWorker === null || serviceWorker.controller !== null) return false;
  if (memory.getItem(KEY) !== null) return false;
  let touched = false;
  const listening = new AbortController();
  for (const type of ['pointerdown', 'keydown', 'dragenter']) {
    events.addEventListener(type, () => (touched = true), { signal: listening.signal });
  }
  const { active } = await serviceWorker.ready;
  if (active !== null && active.state !== 'activated') {
    await new Promise<void>((resolve) => {
      active.addEventListener('statechange', () => {
        if (active.state === 'activated') resolve();
      });
    });
  }
  const helps = await options.lacksHeaders();
  listening.abort();
  if (touched || !helps) return false;
  memory.setItem(KEY, 'yes');
  // What cannot be remembered would be done for ever.
  if (memory.getItem(KEY) === null) return false;
  reload();
  return true;
}
