/**
 * How much memory a model may take on this device: a guess from what the browser tells, on the safe
 * side, because a tab that asks for too much is killed without a word.
 */
import { GIBIBYTE } from '../common/bytes.ts';

export interface MemoryHints {
  /** `navigator.deviceMemory` in GiB, rounded and capped by the browser; undefined outside Chromium. */
  readonly deviceMemory: number | undefined;
  readonly mobile: boolean;
}

/** What one 32-bit WASM memory can address. */
const ADDRESSABLE_BYTES = 4 * GIBIBYTE;
/** Phones end tabs early; a quarter of the memory has proved safe, and 1 GiB where nothing is told. */
const MOBILE_SHARE = 1 / 4;
const UNKNOWN_MOBILE_BYTES = GIBIBYTE;
const DESKTOP_SHARE = 0.6;
/** Chromium reports at most 8 on most machines, and no desktop that runs a current browser has less than 4. */
const UNKNOWN_DESKTOP_GIBIBYTES = 8;

/** Bytes a model may use in all: weights, KV cache, activations. */
export function memoryBudget({ deviceMemory, mobile }: MemoryHints): number {
  if (mobile) {
    return deviceMemory === undefined
      ? UNKNOWN_MOBILE_BYTES
      : Math.min(ADDRESSABLE_BYTES, deviceMemory * GIBIBYTE * MOBILE_SHARE);
  }
  const gibibytes = deviceMemory ?? UNKNOWN_DESKTOP_GIBIBYTES;
  return Math.min(ADDRESSABLE_BYTES, Math.floor(gibibytes * GIBIBYTE * DESKTOP_SHARE));
}

interface HintingNavigator {
  readonly deviceMemory?: number;
  readonly userAgentData?: { readonly mobile: boolean };
}

/** What this browser tells; a coarse pointer without hover stands in for "mobile" where nothing does. */
export function memoryHints(): MemoryHints {
  const hinting = navigator as HintingNavigator;
  return {
    deviceMemory: hinting.deviceMemory,
    mobile:
      hinting.userAgentData?.mobile ?? matchMedia('(pointer: coarse) and (hover: none)').matches,
  };
}
