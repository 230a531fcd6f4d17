/**
 * The response headers Hermit is served with, written once.
 *
 * `scripts/serve.mjs`, the Vite dev server, the `<meta>` policy in the built page and
 * `dist/_headers` (for static hosts) all read them here. A page's Content-Security-Policy does not
 * bind a worker that is loaded by URL, so every worker script carries its own, chosen by its file
 * name: only the store worker may connect to other servers, and a worker nobody listed here may
 * connect to nothing.
 */

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** @typedef {Record<string, string>} Headers */
/** @typedef {Record<string, readonly string[]>} Policy */

/** `wasm-unsafe-eval` permits compiling WebAssembly and nothing else; JavaScript's eval stays off. */
const SCRIPTS = ["'self'", "'wasm-unsafe-eval'"];

/**
 * Trusted Types policies that may exist: Lit's own for its static templates, and the default policy
 * of `src/pwa/trusted-script-urls.ts`, which lets same-origin script URLs through to `new Worker` and
 * creates no HTML and no script.
 */
const TRUSTED_TYPES_POLICIES = ['lit-html', 'default'];

/** @type {Policy} */
const PAGE_POLICY = {
  'default-src': ["'none'"],
  'script-src': SCRIPTS,
  'worker-src': ["'self'"],
  'style-src': ["'self'"],
  'img-src': ["'self'", 'blob:', 'data:'],
  'font-src': ["'self'"],
  'media-src': ["'self'", 'blob:'],
  'manifest-src': ["'self'"],
  'connect-src': ["'self'"],
  'frame-src': ["'none'"],
  'frame-ancestors': ["'self'"],
  'object-src': ["'none'"],
  'base-uri': ["'none'"],
  'form-action': ["'none'"],
  'require-trusted-types-for': ["'script'"],
  'trusted-types': TRUSTED_TYPES_POLICIES,
};

/**
 * What each worker may connect to, and whether it may start further workers. The store worker
 * reaches any https server because the person may name any, and loopback so that a model server on
 * the same machine works; CSP has no syntax for the IPv6 loopback address.
 *
 * @type {ReadonlyArray<{ name: RegExp; connect: readonly string[]; startsWorkers: boolean }>}
 */
const WORKERS = [
  {
    name: /(^|\/)store\.worker\b/,
    connect: ["'self'", 'https:', 'http://localhost:*', 'http://127.0.0.1:*'],
    startsWorkers: true,
  },
  { name: /(^|\/)engine\.worker\b/, connect: ["'self'"], startsWorkers: true },
  { name: /(^|\/)quantise\.worker\b/, connect: ["'self'"], startsWorkers: false },
  { name: /(^|\/)service-worker\.(js|ts)$/, connect: ["'self'"], startsWorkers: false },
];
const ANY_WORKER = /(\.worker\b|\.worklet\b|(^|\/)service-worker\.(js|ts)$)/;

/** Features of the browser that Hermit does not use are refused to it and to whatever gets in. */
const PERMISSIONS_POLICY = [
  'accelerometer=()',
  'browsing-topics=()',
  'camera=()',
  'display-capture=()',
  'geolocation=()',
  'gyroscope=()',
  'hid=()',
  'idle-detection=()',
  'magnetometer=()',
  'microphone=()',
  'midi=()',
  'payment=()',
  'publickey-credentials-get=()',
  'serial=()',
  'usb=()',
].join(', ');

/** @type {Headers} */
const ISOLATION = {
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** @type {Headers} */
const UNVARYING = {
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'no-referrer',
  'Permissions-Policy': PERMISSIONS_POLICY,
};

/**
 * The page that other sites show in a frame. `Document-Isolation-Policy` gives it shared memory inside
 * a page that is not isolated; COEP and a lax CORP let isolated pages show it. No COOP: it must be able
 * to talk with the window of Hermit that it opens.
 *
 * @type {Headers}
 */
const WIDGET_ISOLATION = {
  'Cross-Origin-Embedder-Policy': 'require-corp',
  'Cross-Origin-Resource-Policy': 'cross-origin',
  'Document-Isolation-Policy': 'isolate-and-require-corp',
};
const WIDGET = /^\/widget(\.html)?$/;

/**
 * What other sites' pages load: the script, as a module and therefore by CORS.
 *
 * @type {Headers}
 */
const SHARED_ISOLATION = {
  'Access-Control-Allow-Origin': '*',
  'Cross-Origin-Resource-Policy': 'cross-origin',
};
const SHARED = /^\/embed(-[\w-]+)?\.js$/;

/** Pages that show what other people's pages can do with Hermit, and so have the widget in a frame. */
const EXAMPLES = /^\/examples\//;

/** Files whose name contains a hash of their content never change; everything else is asked for anew. */
const HASHED_ASSET = /^\/assets\/.+-[\w-]{8}\.\w+$/;
const IMMUTABLE = 'public, max-age=31536000, immutable';
const REVALIDATE = 'no-cache';

/**
 * The policy for a page, as the value of a Content-Security-Policy header.
 *
 * @param {{ development?: boolean; meta?: boolean; embedOrigins?: readonly string[]; showsWidget?: boolean }} [options]
 *   `development` relaxes what Vite's dev server needs; `meta` leaves out the directives that a
 *   `<meta>` element may not carry; `embedOrigins` are the sites that may show the page in a frame.
 */
export function pagePolicy({
  development = false,
  meta = false,
  embedOrigins = [],
  showsWidget = false,
} = {}) {
  /** @type {Policy} */
  const policy = { ...PAGE_POLICY, 'frame-ancestors': ["'self'", ...embedOrigins] };
  if (showsWidget) policy['frame-src'] = ["'self'"];
  if (development) {
    // Vite's client injects changed style sheets as <style> elements and draws its error overlay
    // with markup, and it is told of changes over a WebSocket. None of this is in a build.
    policy['style-src'] = ["'self'", "'unsafe-inline'"];
    policy['connect-src'] = ["'self'", 'ws:'];
    delete policy['require-trusted-types-for'];
    delete policy['trusted-types'];
  }
  if (meta) delete policy['frame-ancestors'];
  return format(policy);
}

/**
 * The policy for a worker's script, or null where `pathname` is no worker.
 *
 * @param {string} pathname
 * @param {{ development?: boolean }} [options]
 */
export function workerPolicy(pathname, { development = false } = {}) {
  if (!ANY_WORKER.test(pathname)) return null;
  const rule = WORKERS.find(({ name }) => name.test(pathname));
  const connect = rule?.connect ?? ["'none'"];
  return format({
    'default-src': ["'none'"],
    'script-src': SCRIPTS,
    'worker-src': rule?.startsWorkers === true ? ["'self'"] : ["'none'"],
    // In development Vite serves modules one by one and its client in the worker opens a WebSocket.
    'connect-src': development
      ? [...connect.filter((source) => source !== "'none'"), 'ws:']
      : connect,
  });
}

/**
 * All headers, except those that describe the body, of the response for a path.
 *
 * @param {string} pathname Path of the URL, with its leading slash.
 * @param {{ development?: boolean; embedOrigins?: readonly string[] }} [options]
 * @returns {Headers}
 */
export function headersFor(pathname, { development = false, embedOrigins = [] } = {}) {
  return {
    ...UNVARYING,
    ...isolationOf(pathname),
    'Content-Security-Policy': policyFor(pathname, { development, embedOrigins }),
    'Cache-Control': HASHED_ASSET.test(pathname) && !development ? IMMUTABLE : REVALIDATE,
  };
}

/** @param {string} pathname @returns {Headers} */
function isolationOf(pathname) {
  if (WIDGET.test(pathname)) return WIDGET_ISOLATION;
  return SHARED.test(pathname) ? SHARED_ISOLATION : ISOLATION;
}

/**
 * @param {string} pathname
 * @param {{ development?: boolean; embedOrigins?: readonly string[] }} options
 */
function policyFor(pathname, { development = false, embedOrigins = [] }) {
  const worker = workerPolicy(pathname, { development });
  if (worker !== null) return worker;
  if (!isPage(pathname)) return RESOURCE_POLICY;
  if (WIDGET.test(pathname)) return pagePolicy({ development, embedOrigins });
  return pagePolicy({ development, showsWidget: EXAMPLES.test(pathname) });
}

/**
 * The sites that may show `/widget` in a frame, from `embed-origins.json` in a folder. What is no exact
 * origin is left out, as in the frame itself.
 *
 * @param {string} directory
 * @returns {Promise<readonly string[]>}
 */
export async function readEmbedOrigins(directory) {
  const text = await readFile(join(directory, 'embed-origins.json'), 'utf8').catch(() => '{}');
  /** @type {unknown} */
  const content = JSON.parse(text);
  const { origins } = /** @type {{ origins?: unknown }} */ (content);
  if (!Array.isArray(origins)) return [];
  return origins.filter(
    (/** @type {unknown} */ origin) =>
      typeof origin === 'string' &&
      /^https?:\/\/[\w.:[\]-]+$/.test(origin) &&
      URL.canParse(origin) &&
      new URL(origin).origin === origin,
  );
}

/**
 * The `_headers` file that Netlify and Cloudflare Pages read.
 *
 * Both merge all matching rules, and two Content-Security-Policy headers both apply, so policies
 * are given by exact path and never to `/*`; the page's `<meta>` policy covers the paths that a
 * host's navigation fallback answers. The same goes for the headers of isolation, of which the widget
 * has others.
 *
 * @param {readonly string[]} pathnames Every file of the build, with leading slash.
 * @param {readonly string[]} [embedOrigins]
 */
export function headersFile(pathnames, embedOrigins = []) {
  const format = (/** @type {Headers} */ headers) =>
    Object.entries(headers).map(([name, value]) => `  ${name}: ${value}`);
  const lines = ['/*', ...format(UNVARYING)];
  const assets = pathnames.filter((path) => path.startsWith('/assets/'));
  for (const path of ['/', '/widget', ...pathnames].sort()) {
    const isAsset = assets.includes(path);
    const policed = path === '/' || isPage(path) || ANY_WORKER.test(path);
    const own = [
      ...(isAsset ? [] : format(isolationOf(path))),
      ...(policed ? [`  Content-Security-Policy: ${policyFor(path, { embedOrigins })}`] : []),
      ...(isAsset ? [] : [`  Cache-Control: ${REVALIDATE}`]),
    ];
    if (own.length > 0) lines.push(path, ...own);
  }
  lines.push('/assets/*', ...format(ISOLATION), `  Cache-Control: ${IMMUTABLE}`);
  return `${lines.join('\n')}\n`;
}

/** For images, style sheets, JSON and the like: even when opened as a document they can do nothing. */
const RESOURCE_POLICY = "default-src 'none'; style-src 'self'; frame-ancestors 'self'; sandbox";

/** @param {string} pathname */
function isPage(pathname) {
  const last = pathname.slice(pathname.lastIndexOf('/') + 1);
  return last.endsWith('.html') || !last.includes('.');
}

/** @param {Policy} policy */
function format(policy) {
  return Object.entries(policy)
    .map(([directive, sources]) => `${directive} ${sources.join(' ')}`)
    .join('; ');
}
