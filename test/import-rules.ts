/**
 * Who may import whom, as data, and the check of it. `architecture.test.ts` applies it to the
 * sources; `src/README.md` explains it.
 */
import { posix } from 'node:path';
import { parseSync } from 'vite';

export interface SourceText {
  /** Path from the repository's root, with slashes. */
  readonly path: string;
  readonly text: string;
}

export interface Import {
  readonly from: string;
  /** A path from the root, or the name of a package. */
  readonly to: string;
  readonly isPackage: boolean;
  readonly typeOnly: boolean;
}

export interface Violation {
  readonly path: string;
  readonly message: string;
}

interface Layer {
  /** Layers it may import besides `common` and itself. */
  readonly layers: readonly string[];
  /** Of these it may import types only. */
  readonly typesOf?: readonly string[];
  readonly packages: readonly string[];
  readonly reason: string;
}

const INTERFACES_ONLY = 'it sees interfaces and rpc/contracts, not the insides of its neighbours';

/** Every folder of `src/`, and `workers`. A folder that is not here may not exist. */
export const layers: Readonly<Record<string, Layer>> = {
  common: { layers: [], packages: [], reason: 'everything stands on it, so it stands on nothing' },
  platform: { layers: [], packages: [], reason: 'it observes the browser and knows nothing else' },
  store: {
    layers: [],
    packages: ['idb', 'hash-wasm'],
    reason: 'it keeps bytes, wherever they came from; it does not know download',
  },
  download: {
    layers: ['store'],
    packages: ['hash-wasm'],
    reason: 'it fetches into a store and knows neither engine nor page',
  },
  engine: {
    layers: [],
    packages: [],
    reason: 'it runs in any worker and in Node: no DOM, no storage, no network, no framework',
  },
  policy: {
    layers: [],
    typesOf: ['engine', 'platform'],
    packages: [],
    reason: 'it holds pure functions from signals to a plan and does nothing itself',
  },
  rpc: {
    layers: [],
    typesOf: ['engine', 'store', 'download', 'conversation', 'platform', 'knowledge', 'voice'],
    packages: ['comlink'],
    reason: 'it carries calls between threads and runs nothing of what it carries',
  },
  conversation: {
    layers: ['rpc'],
    packages: ['idb', '@huggingface/jinja'],
    reason: INTERFACES_ONLY,
  },
  knowledge: { layers: ['rpc'], packages: ['idb'], reason: INTERFACES_ONLY },
  skills: { layers: ['rpc'], packages: [], reason: INTERFACES_ONLY },
  voice: { layers: ['rpc'], packages: [], reason: INTERFACES_ONLY },
  diagnostics: { layers: ['rpc', 'platform'], packages: [], reason: INTERFACES_ONLY },
  ui: {
    layers: [],
    packages: ['lit', '@lit/context', '@lit/localize', 'marked'],
    reason: 'it shows what it is handed; services come through @lit/context',
  },
  embed: { layers: [], packages: [], reason: 'a host page loads it, so it brings nothing along' },
  pwa: {
    layers: [],
    packages: ['workbox-window'],
    reason: 'it deals with the service worker and the browser alone',
  },
  app: {
    layers: [
      'platform',
      'store',
      'download',
      'engine',
      'policy',
      'rpc',
      'conversation',
      'knowledge',
      'skills',
      'voice',
      'diagnostics',
      'ui',
      'embed',
      'pwa',
      'workers',
    ],
    packages: ['lit', '@lit/context', '@lit/localize'],
    reason: 'it wires everything together, by interfaces and not by the libraries below them',
  },
  workers: {
    layers: [
      'platform',
      'store',
      'download',
      'engine',
      'rpc',
      'conversation',
      'knowledge',
      'voice',
      'pwa',
    ],
    packages: ['workbox-precaching', 'workbox-routing'],
    reason: 'a worker file builds objects and exposes them; it never shows anything',
  },
};

const CONCRETE_BACKEND = /^src\/engine\/backend\/(reference|wasm|webgpu)\//;
const BACKEND_AGNOSTIC = /^src\/engine\/(models|generation|tokenizer|formats|graph)\//;

/** Thread entry points stay this short: logic in them could not be tested without a worker. */
export const WORKER_LINE_LIMIT = 60;

/** All imports of a file: static, dynamic, re-exports, and URLs of workers and assets. */
export function importsOf({ path, text }: SourceText): Import[] {
  const { module: parsed, errors } = parseSync(path, text);
  if (errors.length > 0) throw new Error(`${path}: ${errors[0]?.message ?? 'cannot be parsed'}`);
  const found: { specifier: string; typeOnly: boolean }[] = [];
  for (const { moduleRequest, entries } of parsed.staticImports) {
    const typeOnly = entries.length > 0 && entries.every((entry) => entry.isType);
    found.push({ specifier: moduleRequest.value, typeOnly });
  }
  for (const { entries } of parsed.staticExports) {
    for (const { moduleRequest, isType } of entries) {
      if (moduleRequest) found.push({ specifier: moduleRequest.value, typeOnly: isType });
    }
  }
  for (const { moduleRequest } of parsed.dynamicImports) {
    const literal = /^(['"`])([^$]*)\1$/.exec(text.slice(moduleRequest.start, moduleRequest.end));
    if (literal === null) throw new Error(`${path}: import() of a path that is no literal`);
    found.push({ specifier: literal[2] ?? '', typeOnly: false });
  }
  for (const match of text.matchAll(/new URL\(\s*(['"])(\.[^'"]+)\1,\s*import\.meta\.url/g)) {
    found.push({ specifier: match[2] ?? '', typeOnly: false });
  }
  return found.map(({ specifier, typeOnly }) => resolve(path, specifier, typeOnly));
}

function resolve(from: string, specifier: string, typeOnly: boolean): Import {
  const bare = specifier.replace(/\?.*$/, '');
  if (bare.startsWith('.')) {
    return { from, to: posix.join(posix.dirname(from), bare), isPackage: false, typeOnly };
  }
  const name = bare
    .split('/')
    .slice(0, bare.startsWith('@') ? 2 : 1)
    .join('/');
  return { from, to: name, isPackage: true, typeOnly };
}

function layerOf(path: string): string | null {
  if (path.startsWith('workers/')) return 'workers';
  return /^src\/([^/]+)\//.exec(path)?.[1] ?? null;
}

/** Every broken import rule of the files, with its reason. */
export function findViolations(files: readonly SourceText[]): Violation[] {
  const imports = files.flatMap(importsOf);
  return [
    ...files.flatMap(checkPlace),
    ...imports.flatMap(checkImport),
    ...findCycles(imports).map((cycle) => ({
      path: cycle[0] ?? '',
      message: `imports itself through ${cycle.join(' -> ')}: files of a cycle cannot be understood, tested or loaded alone`,
    })),
  ];
}

function checkPlace({ path, text }: SourceText): Violation[] {
  const layer = layerOf(path);
  if (layer === null || layers[layer] === undefined) {
    return [{ path, message: 'lies in a folder that test/import-rules.ts does not list' }];
  }
  const lines = text.trimEnd().split('\n').length;
  if (layer === 'workers' && lines > WORKER_LINE_LIMIT) {
    return [
      {
        path,
        message: `has ${lines} lines, at most ${WORKER_LINE_LIMIT} are allowed: logic belongs in src/, where it is testable without a worker`,
      },
    ];
  }
  return [];
}

function checkImport(edge: Import): Violation[] {
  const own = layerOf(edge.from) ?? '';
  const rule = layers[own];
  if (rule === undefined) return []; // reported by checkPlace
  const broken = (message: string): Violation[] => [
    { path: edge.from, message: `imports ${edge.to}: ${message}` },
  ];
  if (edge.isPackage) {
    if (rule.packages.includes(edge.to)) return [];
    const allowed = rule.packages.length > 0 ? rule.packages.join(', ') : 'no package';
    return broken(`${own} may use ${allowed}, because ${rule.reason}`);
  }
  if (BACKEND_AGNOSTIC.test(edge.from) && CONCRETE_BACKEND.test(edge.to)) {
    return broken(
      'only backend.ts may be seen from here, because one model definition serves all backends',
    );
  }
  const target = layerOf(edge.to);
  if (target === null) {
    // Built kernels and JSON beside the sources; anything else outside src/ is no part of the app.
    if (/^(build\/wasm|public)\//.test(edge.to)) return [];
    return broken('it lies outside src/ and workers/');
  }
  if (target === own || target === 'common' || rule.layers.includes(target)) return [];
  if (target === 'app') return broken('nothing imports app, which wires everything else');
  if (rule.typesOf?.includes(target) === true) {
    return edge.typeOnly
      ? []
      : broken(`${own} may import only types of it, because ${rule.reason}`);
  }
  const allowed = ['common', ...rule.layers].join(', ');
  return broken(`${own} may import ${allowed}, because ${rule.reason}`);
}

/** Each cycle once, as the paths along it. */
function findCycles(imports: readonly Import[]): string[][] {
  const targets = new Map<string, string[]>();
  for (const { from, to, isPackage } of imports) {
    if (!isPackage) targets.set(from, [...(targets.get(from) ?? []), to]);
  }
  const cycles: string[][] = [];
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    const start = trail.indexOf(path);
    if (start >= 0) cycles.push([...trail.slice(start), path]);
    if (start >= 0 || done.has(path)) return;
    for (const next of targets.get(path) ?? []) visit(next, [...trail, path]);
    done.add(path);
  };
  for (const path of targets.keys()) visit(path, []);
  return cycles;
}
