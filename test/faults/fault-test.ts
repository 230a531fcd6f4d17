import { it } from 'vitest';
import { titleOf } from './faults.ts';

/** `npm run test:faults` runs everything; `npm test` what is quick and unlike its other tests. */
export const wholeRun = process.env['HERMIT_FAULTS'] === 'all';

const quickFaults = new Set(['F02', 'F18', 'F19', 'F22', 'F24', 'F29', 'F95']);

export interface FaultTestOptions {
  /** Tells apart the tests of one fault. */
  readonly variant?: string;
  readonly timeoutMs?: number;
}

/** A test of the fault `id`, by its name in the table. */
export function faultTest(
  id: string,
  run: () => Promise<void>,
  { variant, timeoutMs = 120_000 }: FaultTestOptions = {},
): void {
  // Beside other tests, a browser that starts late may miss the moment a fault is meant for.
  const options = { timeout: timeoutMs, retry: wholeRun ? 0 : 1 };
  it.skipIf(!wholeRun && !quickFaults.has(id))(titleOf(id, variant), options, run);
}
