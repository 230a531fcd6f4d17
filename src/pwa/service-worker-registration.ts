import { Workbox } from 'workbox-window';

/**
 * The service worker of this page, not yet registered, or null where there can be none: during
 * development (it would serve yesterday's code), in browsers without service workers and on
 * origins that are not secure.
 */
export function serviceWorkerOfThisPage(): Workbox | null {
  if (import.meta.env.DEV || !('serviceWorker' in navigator)) return null;
  // Without 'none', a browser may answer the check for a new version from its HTTP cache.
  return new Workbox(`${import.meta.env.BASE_URL}service-worker.js`, { updateViaCache: 'none' });
}
