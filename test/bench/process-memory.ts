/**
 * Memory of a browser and all its child processes over time, from `/proc` (Linux only).
 *
 * Resident pages of a process include those it shares with others, so the sum over processes counts
 * a shared page twice and overstates rather than hides.
 */
import { readdir, readFile } from 'node:fs/promises';

/** What kinds of Chromium process are told apart; `utility` holds the network service. */
export const processKinds = ['browser', 'renderer', 'utility', 'gpu'] as const;
export type ProcessKind = (typeof processKinds)[number];
/** Resident bytes of all processes of a kind. */
export type MemorySample = Readonly<Record<ProcessKind, number>>;

interface ProcessEntry {
  readonly id: number;
  readonly parent: number;
  readonly commandLine: string;
}

const sampleEveryMs = 200;

/** The browser process that runs on this profile. */
export async function findBrowserProcess(profile: string): Promise<number> {
  for (const { id, commandLine } of await listProcesses()) {
    const main = !commandLine.includes('--type=') && !commandLine.startsWith('/bin/');
    if (main && commandLine.includes(`--user-data-dir=${profile}`)) return id;
  }
  throw new Error('The browser process was not found; this needs Linux.');
}

export class MemoryWatch {
  readonly #browser: number;
  readonly #samples: MemorySample[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(browser: number) {
    this.#browser = browser;
    this.#timer = setInterval(() => {
      void this.#sample();
    }, sampleEveryMs);
  }

  /** Forgets what was seen so far. @returns the median of it */
  restart(): MemorySample {
    const seen = this.#samples.splice(0);
    return byKind((kind) => median(seen.map((sample) => sample[kind])));
  }

  /** How far memory rose above `idle` since the last `restart`, in bytes. */
  peakGrowth(idle: MemorySample): PeakGrowth {
    const growth = this.#samples.map((sample) => byKind((kind) => sample[kind] - idle[kind]));
    return {
      ...byKind((kind) => Math.max(0, ...growth.map((sample) => sample[kind]))),
      browserAndRenderer: Math.max(0, ...growth.map(({ browser, renderer }) => browser + renderer)),
      all: Math.max(
        0,
        ...growth.map((sample) => processKinds.reduce((sum, kind) => sum + sample[kind], 0)),
      ),
    };
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #sample(): Promise<void> {
    const family = await familyOf(this.#browser);
    const memory = await Promise.all(family.map(({ id }) => residentBytes(id)));
    const kinds = family.map(({ commandLine }) => kindOf(commandLine));
    this.#samples.push(
      byKind((kind) =>
        memory.reduce((sum, bytes, index) => sum + (kinds[index] === kind ? bytes : 0), 0),
      ),
    );
  }
}

export type PeakGrowth = MemorySample & {
  /** Peak of the sum, which is at most the sum of the peaks. */
  readonly browserAndRenderer: number;
  readonly all: number;
};

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

function byKind(value: (kind: ProcessKind) => number): MemorySample {
  return {
    browser: value('browser'),
    renderer: value('renderer'),
    utility: value('utility'),
    gpu: value('gpu'),
  };
}

function kindOf(commandLine: string): ProcessKind | null {
  const type = /--type=([a-z-]+)/u.exec(commandLine)?.[1];
  if (type === undefined) return 'browser';
  if (type === 'renderer' || type === 'utility') return type;
  return type === 'gpu-process' ? 'gpu' : null;
}

async function familyOf(root: number): Promise<readonly ProcessEntry[]> {
  const all = await listProcesses();
  const family = all.filter(({ id }) => id === root);
  for (const member of family) {
    family.push(...all.filter(({ parent }) => parent === member.id));
  }
  return family;
}

async function listProcesses(): Promise<readonly ProcessEntry[]> {
  const names = (await readdir('/proc')).filter((name) => /^\d+$/u.test(name));
  const entries = await Promise.all(names.map(readProcess));
  return entries.filter((entry) => entry !== null);
}

/** Null for a process that has ended meanwhile. */
async function readProcess(name: string): Promise<ProcessEntry | null> {
  try {
    const [status, commandLine] = await Promise.all([
      readFile(`/proc/${name}/stat`, 'utf8'),
      readFile(`/proc/${name}/cmdline`, 'utf8'),
    ]);
    // The name in parentheses may hold spaces; the parent is the second field after it.
    const parent = Number(status.slice(status.lastIndexOf(')') + 2).split(' ')[1]);
    return { id: Number(name), parent, commandLine: commandLine.replaceAll('\0', ' ') };
  } catch {
    return null;
  }
}

async function residentBytes(id: number): Promise<number> {
  const status = await readFile(`/proc/${id}/status`, 'utf8').catch(() => '');
  return Number(/^VmRSS:\s+(\d+) kB/mu.exec(status)?.[1] ?? 0) * 1024;
}
