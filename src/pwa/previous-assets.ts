/**
 * Keeps the files of the version before this one.
 *
 * A tab that still runs the old version asks for its files long after another tab switched to the
 * new one: disposable workers start again and again. Workbox deletes what the new version does not
 * list, so the service worker puts those files aside first. One version is kept, not for a time:
 * it goes when the next update comes, and costs what the app itself costs (at most 10 MB).
 */
const CACHE_NAME = 'hermit-previous-version';

/** What is used of the global `caches`. */
export interface Caches {
  open(name: string): Promise<Cache>;
  delete(name: string): Promise<boolean>;
}

/**
 * Copies from the precache what `isCurrent` does not know, in the place of what was kept before.
 * Call it before the precache is cleaned.
 */
export async function keepPreviousAssets(
  caches: Caches,
  precacheName: string,
  isCurrent: (cacheKey: string) => boolean,
): Promise<void> {
  const precache = await caches.open(precacheName);
  const outgoing = (await precache.keys()).filter(({ url }) => !isCurrent(url));
  if (outgoing.length === 0) return;
  await caches.delete(CACHE_NAME);
  const previous = await caches.open(CACHE_NAME);
  for (const request of outgoing) {
    const response = await precache.match(request);
    if (response !== undefined) await previous.put(request, response);
  }
}

/**
 * A file of the version before this one, or undefined.
 *
 * Chromium delivers requests while a new version is still being activated, so the precache is asked
 * first: a file leaves it only after it was put aside.
 */
export async function previousAsset(
  caches: Caches,
  precacheName: string,
  request: Request,
): Promise<Response | undefined> {
  const precache = await caches.open(precacheName);
  const previous = await caches.open(CACHE_NAME);
  return (await precache.match(request)) ?? previous.match(request);
}
