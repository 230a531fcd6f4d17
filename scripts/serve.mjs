/**
 * Serves the production build in `dist/` with the headers it is meant to have.
 *
 *     node scripts/serve.mjs          http://localhost:4173, or another PORT; PORT=0 takes a free one
 *
 * It needs nothing but Node. Files come from memory of one listing made at start, so that no path a
 * client sends ever reaches the file system; a new build is noticed by its listing's time.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, readdir, stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { ENCODINGS } from './compression.mjs';
import { headersFor, readEmbedOrigins } from './security-headers.mjs';

/** @typedef {import('node:http').IncomingMessage} Request */
/** @typedef {import('node:http').ServerResponse} Response */
/**
 * @typedef {object} ServedFile
 * @property {string} path On disk.
 * @property {string} etag
 * @property {Map<string, { path: string; size: number }>} encoded Twins by content encoding.
 * @property {number} size
 */

const DEFAULT_PORT = 4173;
/** Only this machine may connect, unless HOST says otherwise (0.0.0.0 in a container). */
const DEFAULT_HOST = '127.0.0.1';

/** @type {Record<string, string>} */
const MIME_TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.gguf': 'application/octet-stream',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.png': 'image/png',
  '.svg': 'image/svg+xml; charset=utf-8',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webmanifest': 'application/manifest+json; charset=utf-8',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
};

/**
 * A server for the files of `directory`, not yet listening.
 *
 * @param {string} directory
 */
export function createStaticServer(directory) {
  const files = new FileListing(directory);
  return createServer((request, response) => {
    respond(files, request, response).catch((/** @type {unknown} */ error) => {
      console.error(error);
      if (!response.headersSent) response.writeHead(500);
      response.end();
    });
  });
}

/** The files of a folder by path of the URL; read again when the folder was replaced. */
class FileListing {
  /** @param {string} directory */
  constructor(directory) {
    this.directory = directory;
    this.readAt = Number.NaN;
    /** @type {Map<string, ServedFile>} */
    this.files = new Map();
    /** @type {readonly string[]} */
    this.embedOrigins = [];
  }

  async current() {
    const { ctimeMs, ino } = await stat(this.directory);
    const version = ctimeMs + ino;
    if (version !== this.readAt) {
      this.files = await listFiles(this.directory);
      this.embedOrigins = await readEmbedOrigins(this.directory);
      this.readAt = version;
    }
    return this.files;
  }
}

/** @param {string} directory */
async function listFiles(directory) {
  /** @type {Map<string, ServedFile>} */
  const files = new Map();
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile() || isHidden(entry.name)) continue;
    const path = join(entry.parentPath, entry.name);
    const body = await readFile(path);
    files.set(`/${relative(directory, path).split(sep).join('/')}`, {
      path,
      size: body.length,
      etag: createHash('sha256').update(body).digest('base64url').slice(0, 27),
      encoded: new Map(),
    });
  }
  for (const [pathname, file] of files) {
    for (const { name, suffix } of ENCODINGS) {
      const twin = files.get(pathname + suffix);
      if (twin) file.encoded.set(name, { path: twin.path, size: twin.size });
    }
  }
  for (const { suffix } of ENCODINGS) {
    for (const pathname of [...files.keys()]) if (pathname.endsWith(suffix)) files.delete(pathname);
  }
  return files;
}

/** `_headers` and the like are for hosts, dot files for nobody. @param {string} name */
function isHidden(name) {
  return name.startsWith('.') || name.startsWith('_');
}

/**
 * @param {FileListing} listing
 * @param {Request} request
 * @param {Response} response
 */
async function respond(listing, request, response) {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.writeHead(405, { Allow: 'GET, HEAD' }).end();
    return;
  }
  const pathname = pathnameOf(request);
  const files = await listing.current();
  const found = pathname === null ? null : find(files, pathname, request);
  if (found === null) {
    response
      .writeHead(404, { ...headersFor('/404.txt'), 'Content-Type': MIME_TYPES['.txt'] })
      .end(request.method === 'HEAD' ? undefined : 'Not found\n');
    return;
  }
  const headers = headersFor(found.pathname, { embedOrigins: listing.embedOrigins });
  await send(found, headers, request, response);
}

/** @param {Request} request */
function pathnameOf(request) {
  try {
    return decodeURIComponent(new URL(request.url ?? '/', 'http://localhost').pathname);
  } catch {
    return null; // a malformed URL names no file
  }
}

/**
 * The file of a path. Paths that are no file answer with the page, but only when a person goes
 * there: a missing script must stay an error, not become HTML.
 *
 * @param {Map<string, ServedFile>} files
 * @param {string} pathname
 * @param {Request} request
 */
function find(files, pathname, request) {
  const asked = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
  // Pages have clean addresses: /widget is widget.html, as on most static hosts.
  const clean = files.has(`${asked}.html`) ? `${asked}.html` : asked;
  const file = files.get(clean);
  if (file) return { pathname: clean, file };
  const page = files.get('/index.html');
  const last = asked.slice(asked.lastIndexOf('/') + 1);
  if (!page || last.includes('.') || !isNavigation(request)) return null;
  return { pathname: '/index.html', file: page };
}

/** Browsers ask for HTML by name when a person goes somewhere, and for scripts and data never. @param {Request} request */
function isNavigation(request) {
  return (request.headers.accept ?? '').includes('text/html');
}

/**
 * @param {{ pathname: string; file: ServedFile }} found
 * @param {Record<string, string>} own
 * @param {Request} request
 * @param {Response} response
 */
async function send({ pathname, file }, own, request, response) {
  const encoding = preferredEncoding(file, request);
  const body = (encoding === null ? undefined : file.encoded.get(encoding)) ?? file;
  const etag = `"${file.etag}${encoding === null ? '' : `-${encoding}`}"`;
  /** @type {Record<string, string | number>} */
  const headers = {
    ...own,
    'Content-Type': MIME_TYPES[extname(pathname)] ?? 'application/octet-stream',
    ETag: etag,
  };
  if (file.encoded.size > 0) headers['Vary'] = 'Accept-Encoding';
  if (encoding !== null) headers['Content-Encoding'] = encoding;
  if (matches(request.headers['if-none-match'], etag)) {
    response.writeHead(304, headers).end();
    return;
  }
  headers['Content-Length'] = body.size;
  response.writeHead(200, headers);
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  try {
    await pipeline(createReadStream(body.path), response);
  } catch (error) {
    // The client went away in the middle; whatever else failed, the response cannot be mended.
    if (/** @type {NodeJS.ErrnoException} */ (error).code !== 'ERR_STREAM_PREMATURE_CLOSE') {
      console.error(error);
    }
  }
}

/**
 * @param {ServedFile} file
 * @param {Request} request
 */
function preferredEncoding(file, request) {
  const accepted = (request.headers['accept-encoding']?.toString() ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => !/;\s*q=0(\.0*)?$/.test(part))
    .map((part) => part.split(';')[0]);
  const usable = ENCODINGS.find(({ name }) => file.encoded.has(name) && accepted.includes(name));
  return usable?.name ?? null;
}

/**
 * @param {string | undefined} ifNoneMatch
 * @param {string} etag
 */
function matches(ifNoneMatch, etag) {
  if (ifNoneMatch === undefined) return false;
  return ifNoneMatch.split(',').some((each) => each.trim().replace(/^W\//, '') === etag);
}

function main() {
  const directory = fileURLToPath(new URL('../dist', import.meta.url));
  const server = createStaticServer(directory);
  server.on('error', (/** @type {NodeJS.ErrnoException} */ error) => {
    const hint =
      error.code === 'EADDRINUSE' ? ' Choose another one, for example: PORT=8080 npm start' : '';
    console.error(`Hermit cannot be served: ${error.message}.${hint}`);
    process.exit(1);
  });
  server.listen(
    Number(process.env['PORT'] ?? DEFAULT_PORT),
    process.env['HOST'] ?? DEFAULT_HOST,
    () => {
      const address = server.address();
      const port = typeof address === 'object' && address !== null ? address.port : 0;
      console.log(`Hermit is served on http://localhost:${port}`);
    },
  );
  for (const signal of ['SIGINT', 'SIGTERM']) {
    process.on(signal, () => {
      server.close();
      server.closeAllConnections();
    });
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) main();
