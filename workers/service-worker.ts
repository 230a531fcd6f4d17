/**
 * The service worker: serves the app shell without a network and changes version when told to.
 *
 * It never sees model bytes (they live in IndexedDB and come through the store worker), runs no
 * inference and does not take over on its own. Responses are stored with their headers, so that pages
 * stay isolated and workers keep their policies offline; a host that sends none has them added here.
 */
import { PrecacheController, PrecacheRoute, type PrecacheEntry } from 'workbox-precaching';
import { NavigationRoute, registerRoute } from 'workbox-routing';
import { AddedHeaders, type HeadedFile } from '../src/pwa/added-headers.ts';
import { keepPreviousAssets, previousAsset } from '../src/pwa/previous-assets.ts';

declare const self: ServiceWorkerGlobalScope & {
  /** The list of files with their hashes, put in by the build. */
  readonly __WB_MANIFEST: readonly (PrecacheEntry & HeadedFile)[];
};

// All or nothing: a file that is missing or differs from its hash fails the installation and the
// version before goes on. No fallback to the network, which could mix two versions.
const files = self.__WB_MANIFEST;
const added = new AddedHeaders(files, self.location.href);
const shell = new PrecacheController({ fallbackToNetwork: false, plugins: [added.plugin] });
shell.addToCacheList([...files]);
const shellKeys = new Set(shell.getURLsToCacheKeys().values());

self.addEventListener('install', (event) => {
  void shell.install(event);
});

self.addEventListener('activate', (event) => {
  const putAside = keepPreviousAssets(self.caches, shell.strategy.cacheName, (cacheKey) =>
    shellKeys.has(cacheKey),
  );
  // Without room for the old version's files it is still right to clean up and go on.
  const clean = (): Promise<unknown> => shell.activate(event);
  event.waitUntil(putAside.then(clean, clean));
});

self.addEventListener('message', (event: ExtendableMessageEvent) => {
  if ((event.data as { type?: unknown } | null)?.type === 'SKIP_WAITING') {
    event.waitUntil(self.skipWaiting());
  }
});

// Who may show the widget in a frame is said by its headers of today, so it comes from the network first.
const storedWidget = shell.createHandlerBoundToURL('widget.html');
registerRoute(
  ({ request, url }) => request.mode === 'navigate' && /^\/widget(\.html)?$/.test(url.pathname),
  (options) => added.fetch(options.request, 'widget.html').catch(() => storedWidget(options)),
);
registerRoute(new PrecacheRoute(shell, { cleanURLs: false }));
registerRoute(new NavigationRoute(shell.createHandlerBoundToURL('index.html')));
registerRoute(
  ({ url, sameOrigin }) => sameOrigin && url.pathname.includes('/assets/'),
  async ({ request }) => {
    const kept = await previousAsset(self.caches, shell.strategy.cacheName, request);
    return kept === undefined ? added.fetch(request) : added.addTo(kept, request.url);
  },
);
