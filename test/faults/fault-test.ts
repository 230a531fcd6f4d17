import { it } from 'vitest';
import { titleOf } from './faults.ts';

/** `npm run test:faults` runs everything; `npm test` what is quick. */
export const wholeRun = process.env['HERMIT_FAULTS'] === 'all';

export interface FaultTestOptions {
  /** Tells apart the tests of one fault. */
  readonly variant?: string;
  /** Too slow for every test run. */
  readonly slow?: boolean;
  readonly timeoutMs?: number;
}

/** A test of the fault `id`, by its name in the table. */
export function faultTest(
  id: string,
  run: () => Promise<void>,
  { variant, slow = false, timeoutMs = 120_000 }: FaultTestOptions = {},
): void {
  it.skipIf(slow && !wholeRun)(titleOf(id, variant), { timeout: timeoutMs }, run);
}
