/**
 * The C structs of wasm/include (planes.h, attention.h, command.h, team.h) as arrays of 32-bit words. The C
 * side asserts the sizes; `KERNEL_ABI` ties both sides together.
 */
import type { KvType } from '../backend.ts';
import { floatWord } from '../operator-words.ts';
import type { PlaneFormat } from '../plane-formats.ts';

export const MATRIX_WORDS = 12;
export const CACHE_WORDS = 4;
export const CACHE_LAYER_WORDS = 7;
export const COMMAND_WORDS = 16;
export const STEP_WORDS = 9;

/** Most threads of a team, MAX_THREADS of team.h. */
export const LARGEST_TEAM = 16;
const MOST_JOINED = 8;
const LINE_WORDS = 16;
const HEAD_LINES = 6;

/** MAX_KV_HEADS of attention.h. */
export const MOST_SHARED_KV_HEADS = 256;

/** Where the words of a C `Team` lie. All but those of its head have a cache line of their own. */
export const teamWords = {
  /** commands, count, step, threads, range (4), patience */
  head: 9,
  count: 1,
  threads: 3,
  from: 4,
  to: 6,
  progress: LINE_WORDS,
  arrived: 2 * LINE_WORDS,
  sleepers: 4 * LINE_WORDS,
  abandoned: 5 * LINE_WORDS,
  cursors: HEAD_LINES * LINE_WORDS,
  cursorCount: MOST_JOINED,
  go: (thread: number): number => (HEAD_LINES + MOST_JOINED + thread) * LINE_WORDS,
  done: (thread: number): number =>
    (HEAD_LINES + MOST_JOINED + 2 * LARGEST_TEAM + thread) * LINE_WORDS,
} as const;

export const TEAM_WORDS = (HEAD_LINES + MOST_JOINED + 4 * LARGEST_TEAM) * LINE_WORDS;

export const commandCodes = {
  embed: 0,
  norm: 1,
  quantize: 2,
  matmul: 3,
  rope: 4,
  'cache-write': 5,
  attention: 6,
  gate: 7,
  add: 8,
  scale: 9,
  'take-outputs': 10,
  activate: 11,
  route: 12,
  'expert-matmul': 13,
  'expert-sum': 14,
  project: 15,
  attend: 16,
  'causal-convolution': 17,
  'selective-scan': 18,
  'join-heads': 19,
} as const;

export type CommandName = keyof typeof commandCodes;

/** The first word of a command; `joined`: nothing of the command before is needed. */
export function commandWord(name: CommandName, joined: boolean): number {
  return commandCodes[name] + (joined ? 65536 : 0);
}

export const normCodes = { none: 0, rms: 1, layer: 2 } as const;
export const kvTypeCodes: Readonly<Record<KvType, number>> = { f32: 0, f16: 1, q8: 2 };

export interface MatrixPlacement {
  readonly rows: number;
  readonly columns: number;
  /** Addresses; 0 for none. */
  readonly hi: number;
  readonly lo: number;
  readonly dense: number;
}

/** The words of a C `Matrix`; `gain` is what scales and minimums are stored times. */
export function matrixWords(format: PlaneFormat, at: MatrixPlacement, gain: number): number[] {
  return [
    at.rows,
    at.columns,
    at.hi,
    at.lo,
    at.dense,
    format.hasMinimum ? 1 : 0,
    format.zero,
    format.zero256,
    floatWord(format.factor / gain),
    format.planes,
    floatWord(1 / gain),
    format.lowStep,
  ];
}
