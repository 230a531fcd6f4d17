/**
 * Whether a model suits this device: by its memory, from the header's plan where that was read and
 * else from its size, and by how fast it will write.
 */
import type { MemoryNeeds } from '../../engine/inspection/inspect-model.ts';
import { smallestUsefulContext } from '../../engine/weights/memory-plan.ts';
import type { FitView } from '../../ui/services.ts';
import type { DeviceEntry } from './device-list.ts';
import type { OwnSpeeds } from './own-speeds.ts';
import { speedAt } from './speed-points.ts';

/** Above this share of the budget there is little room for anything beside the model. */
const COMFORTABLE = 0.85;
/** What a short chat needs beside the weights, as a share of them. */
const usualContextShare = 0.15;
/** Bits of a weight that the smallest form takes in memory, and usual types in a file. */
const smallestBits = 4.5;
const bitsOfTypes: readonly (readonly [RegExp, number])[] = [
  [/^(f32)/i, 32],
  [/^(f16|bf16)/i, 16],
  [/^q8/i, 8.5],
  [/^q6/i, 6.6],
  [/^q5/i, 5.5],
];

export interface FitParts {
  readonly budgetBytes: () => number;
  readonly own: Pick<OwnSpeeds, 'speedAt'>;
  /** Of this class of device, null where the list says nothing of it. */
  readonly expected: () => DeviceEntry | null;
  /** Positions that the person wants. */
  readonly contextLength: () => number;
}

export class ModelFit {
  readonly #parts: FitParts;

  constructor(parts: FitParts) {
    this.#parts = parts;
  }

  /** By what the header plans. */
  ofHeader({ eight, four, trainedContext }: MemoryNeeds): FitView {
    const context = Math.min(this.#parts.contextLength(), trainedContext);
    const least = Math.min(smallestUsefulContext, trainedContext);
    const bytes = (plan: typeof eight, positions: number): number =>
      plan.weightBytes + plan.workBytes + plan.bytesPerPosition * positions;
    const needed = bytes(eight, context);
    return this.#judge(needed, bytes(four, least), eight.weightBytes, true);
  }

  /**
   * By the size of its file.
   * @param memoryBytes what somebody says that it needs, null where nobody does
   */
  ofSize(bytes: number, quantization: string | null, memoryBytes: number | null = null): FitView {
    const bits = bitsOfTypes.find(([type]) => type.test(quantization ?? ''))?.[1] ?? smallestBits;
    // Floats lie in memory as planes of 8 bits and a scale.
    const eight = bytes * Math.min(1, 8.5 / bits);
    const needed = memoryBytes ?? eight * (1 + usualContextShare);
    return this.#judge(needed, (bytes * smallestBits) / bits, eight, false);
  }

  #judge(neededBytes: number, leastBytes: number, tokenBytes: number, exact: boolean): FitView {
    const budgetBytes = this.#parts.budgetBytes();
    const kind =
      leastBytes > budgetBytes
        ? 'exceeds'
        : neededBytes > COMFORTABLE * budgetBytes
          ? 'tight'
          : 'fits';
    return { kind, neededBytes, budgetBytes, exact, speed: this.#speed(kind, tokenBytes) };
  }

  #speed(kind: FitView['kind'], tokenBytes: number): FitView['speed'] {
    if (kind === 'exceeds') return null;
    const own = this.#parts.own.speedAt(tokenBytes);
    if (own !== null) return { tokensPerSecond: own, from: 'measured' };
    const entry = this.#parts.expected();
    const tokensPerSecond = entry === null ? null : speedAt(entry.speeds, tokenBytes);
    return tokensPerSecond === null ? null : { tokensPerSecond, from: 'devices' };
  }
}
