import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { defineConfig, type Plugin } from 'vite';
import { VitePWA, type ManifestOptions } from 'vite-plugin-pwa';
import { headersFor, pagePolicy, readEmbedOrigins } from './scripts/security-headers.mjs';

const packageFile: unknown = JSON.parse(readFileSync('package.json', 'utf8'));
const { version } = packageFile as { version: string };

/** Everything the app shows is precached, so that nothing is missing offline. */
const PRECACHED = '**/*.{html,js,css,wasm,json,svg,png,webp,woff2}';
/** Pictures that only a browser's install dialog shows, which it does online. */
const NOT_PRECACHED = 'screenshots/**';
/**
 * Workbox leaves out larger files with a warning only, so this is far above the budget of the whole
 * (10 MB, `scripts/size.mjs`), which is what fails the build's checks.
 */
const PRECACHED_FILE_LIMIT_BYTES = 64 * 1024 * 1024;

const manifest: Partial<ManifestOptions> = {
  id: '/',
  name: 'Hermit',
  short_name: 'Hermit',
  description:
    'A private AI assistant that runs in your browser. Your words never leave your device.',
  lang: 'en',
  dir: 'ltr',
  start_url: '/',
  scope: '/',
  display: 'standalone',
  // One window: who opens the app again wants the one that is there.
  launch_handler: { client_mode: 'focus-existing' },
  theme_color: '#f7f4ef',
  background_color: '#f7f4ef',
  categories: ['productivity', 'utilities'],
  share_target: {
    action: '/',
    method: 'GET',
    enctype: 'application/x-www-form-urlencoded',
    params: { title: 'title', text: 'text', url: 'url' },
  },
  file_handlers: [{ action: '/', accept: { 'application/octet-stream': ['.gguf'] } }],
  shortcuts: [
    { name: 'New chat', url: '/#/', icons: [{ src: '/icon-192.png', sizes: '192x192' }] },
    { name: 'Models', url: '/#/models', icons: [{ src: '/icon-192.png', sizes: '192x192' }] },
  ],
  icons: [
    { src: '/icon-192.png', sizes: '192x192', type: 'image/png', purpose: 'any' },
    { src: '/icon-512.png', sizes: '512x512', type: 'image/png', purpose: 'any' },
    { src: '/icon-maskable-512.png', sizes: '512x512', type: 'image/png', purpose: 'maskable' },
    { src: '/icon.svg', sizes: 'any', type: 'image/svg+xml', purpose: 'any' },
  ],
  // Made by scripts/make-screenshots.mjs.
  screenshots: [
    {
      src: '/screenshots/desktop.png',
      sizes: '1280x800',
      type: 'image/png',
      form_factor: 'wide',
      label: 'A conversation with a model of this device',
    },
    {
      src: '/screenshots/phone.png',
      sizes: '585x1266',
      type: 'image/png',
      form_factor: 'narrow',
      label: 'A conversation with a model of this device, on a phone',
    },
  ],
};

/**
 * The security headers in development, and the page's policy as a `<meta>` element in the build for
 * hosts that send no headers.
 */
function securityHeaders(): Plugin {
  let development = false;
  return {
    name: 'hermit-security-headers',
    configResolved(config) {
      development = config.command === 'serve';
    },
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        const { pathname } = new URL(request.url ?? '/', 'http://localhost');
        for (const [name, value] of Object.entries(headersFor(pathname, { development: true }))) {
          response.setHeader(name, value);
        }
        // As the built server answers: a page without its ending, and the script for other sites.
        if (pathname === '/widget') request.url = '/widget.html';
        if (pathname === '/embed.js') request.url = '/src/embed/host/embed.ts';
        next();
      });
    },
    transformIndexHtml: {
      order: 'post',
      handler: () =>
        development
          ? []
          : [
              {
                tag: 'meta',
                attrs: {
                  'http-equiv': 'Content-Security-Policy',
                  content: pagePolicy({ meta: true }),
                },
                injectTo: 'head-prepend',
              },
            ],
    },
  };
}

export default defineConfig({
  define: { __HERMIT_VERSION__: JSON.stringify(version) },
  // One page: a path that is no file answers with index.html in development, as in production.
  appType: 'spa',
  build: {
    rolldownOptions: { input: ['index.html', 'widget.html'] },
    target: 'es2022',
    // Inlined as a data URL, a wasm file or a worker would be refused by the page's policy.
    assetsInlineLimit: 0,
    cssMinify: 'lightningcss',
    // The polyfill would be needed by browsers older than any that can run the engine.
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: false,
    emptyOutDir: true,
  },
  worker: {
    format: 'es',
    // The worker's own name stays in front: the headers are chosen by it.
    rolldownOptions: { output: { entryFileNames: 'assets/[name]-[hash].js' } },
  },
  server: { port: 5173, strictPort: true },
  plugins: [
    securityHeaders(),
    VitePWA({
      strategies: 'injectManifest',
      srcDir: 'workers',
      filename: 'service-worker.ts',
      // `src/pwa` registers it, with an updating policy of its own; and no inline script.
      injectRegister: false,
      registerType: 'prompt',
      manifest,
      includeManifestIcons: false,
      devOptions: { enabled: false },
      injectManifest: {
        globPatterns: [PRECACHED],
        globIgnores: [NOT_PRECACHED],
        maximumFileSizeToCacheInBytes: PRECACHED_FILE_LIMIT_BYTES,
        dontCacheBustURLsMatching: /^assets\//,
        manifestTransforms: [addIntegrity, addHeaders],
      },
    }),
  ],
});

interface PrecacheManifestEntry {
  url: string;
  integrity?: string;
}

/** Gives every precached file its hash, which the browser checks when the service worker installs. */
function addIntegrity<Entry extends PrecacheManifestEntry>(entries: Entry[]) {
  const directory = process.env['HERMIT_OUT_DIR'] ?? 'dist';
  const manifestWithHashes = entries.map((entry) => {
    const digest = createHash('sha384').update(readFileSync(join(directory, entry.url)));
    return { ...entry, integrity: `sha384-${digest.digest('base64')}` };
  });
  return { manifest: manifestWithHashes, warnings: [] };
}

/**
 * Gives pages and workers the headers that the service worker adds where the host sends none; files
 * that others may only read need no more than their type.
 */
async function addHeaders<Entry extends PrecacheManifestEntry>(entries: Entry[]) {
  const embedOrigins = await readEmbedOrigins('public');
  const withHeaders = entries.map((entry) => {
    if (!/\.html$|\.worker-/.test(entry.url)) return entry;
    const { 'Cache-Control': _, ...headers } = headersFor(`/${entry.url}`, { embedOrigins });
    return { ...entry, headers };
  });
  return { manifest: withHeaders, warnings: [] };
}
