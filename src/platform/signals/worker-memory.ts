/**
 * Memory that our workers hold, as the browser counts it, by `measureUserAgentSpecificMemory`
 * (Chromium, isolated pages). It answers after the next garbage collection, which may take a minute,
 * so it is asked seldom; what the engine itself has allocated is known at once and without it.
 */
import { known, missing, refusalOf, type Signal } from './signal.ts';

interface MemoryMeasurement {
  readonly bytes: number;
  readonly breakdown: readonly {
    readonly bytes: number;
    readonly attribution: readonly { readonly scope: string }[];
  }[];
}

export interface MeasuringPerformance {
  measureUserAgentSpecificMemory?(): Promise<MemoryMeasurement>;
}

export const workerSource = 'measureUserAgentSpecificMemory';

/** Bytes of all workers of this page; what the browser cannot attribute to the page alone counts too. */
export async function measureWorkerMemory(
  clock: MeasuringPerformance = performance as MeasuringPerformance,
): Promise<Signal<number>> {
  if (typeof clock.measureUserAgentSpecificMemory !== 'function') {
    return missing(workerSource, 'not-supported');
  }
  try {
    const { breakdown } = await clock.measureUserAgentSpecificMemory();
    const ofWorkers = breakdown.filter(({ attribution }) =>
      attribution.some(({ scope }) => scope.includes('Worker')),
    );
    const bytes = ofWorkers.reduce((sum, part) => sum + part.bytes, 0);
    return known(bytes, workerSource, 'reported');
  } catch (error) {
    return missing(workerSource, refusalOf(error));
  }
}
