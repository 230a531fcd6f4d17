/**
 * What the dispatches of a step took: by timestamps around each where the device has them, else the
 * step's time shared out by estimated work. While somebody watches, every dispatch is a pass of its own,
 * which makes a step a little slower; browsers round timestamps to 0.1 ms unless told otherwise.
 */
import type { StepProfiler } from '../backend.ts';
import { bufferUsage, MAP_READ, type GpuMemory } from './gpu-memory.ts';

/** Most queries of a set, by the specification; dispatches beyond them are not timed. */
const MOST_QUERIES = 4096;
const QUERY_BYTES = 8;
const NANOSECONDS = 1e6;

interface Entry {
  readonly label: string;
  readonly units: number;
}

/** Names of layers differ by their number alone. */
function alikeInAllLayers(label: string): string {
  return label.replace(/\.\d+\./g, '.N.');
}

/** A track of the browser's performance panel (its extension format for User Timing). */
const devtools = { dataType: 'track-entry', track: 'Graphics card', trackGroup: 'Hermit' } as const;

export class GpuProfile {
  readonly #profiler: StepProfiler;
  readonly #queries: GPUQuerySet | null;
  readonly #resolved: GPUBuffer | null;
  readonly #readback: GPUBuffer | null;
  readonly #memory: GpuMemory;
  readonly #entries: Entry[] = [];

  /** Of one step. */
  constructor(
    device: GPUDevice,
    memory: GpuMemory,
    hasTimestamps: boolean,
    dispatches: number,
    profiler: StepProfiler,
  ) {
    const count = Math.min(2 * dispatches, MOST_QUERIES);
    const { queryResolve, copySource, copyTarget, mapRead } = bufferUsage;
    const buffer = (usage: number): GPUBuffer | null =>
      hasTimestamps ? memory.buffer('timestamps', count * QUERY_BYTES, usage) : null;
    this.#memory = memory;
    this.#profiler = profiler;
    this.#queries = hasTimestamps ? device.createQuerySet({ type: 'timestamp', count }) : null;
    this.#resolved = buffer(queryResolve | copySource);
    this.#readback = buffer(mapRead | copyTarget);
  }

  /** The next dispatch, of so much work: how its pass is to be begun, if it needs one of its own. */
  begin(label: string, units: number): GPUComputePassDescriptor | null {
    const first = 2 * this.#entries.length;
    this.#entries.push({ label: alikeInAllLayers(label), units });
    if (this.#queries === null || first + 1 >= this.#queries.count) return null;
    return {
      label,
      timestampWrites: {
        querySet: this.#queries,
        beginningOfPassWriteIndex: first,
        endOfPassWriteIndex: first + 1,
      },
    };
  }

  /** To be encoded after the last pass. */
  resolve(encoder: GPUCommandEncoder): void {
    if (this.#queries === null || this.#resolved === null || this.#readback === null) return;
    const count = Math.min(2 * this.#entries.length, this.#queries.count);
    encoder.resolveQuerySet(this.#queries, 0, count, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#readback, 0, count * QUERY_BYTES);
  }

  /** Tells of all dispatches, once the step is done, and frees what measuring took. */
  async report(startedAt: number, milliseconds: number): Promise<void> {
    const stamps = await this.#read();
    const units = this.#entries.reduce((sum, entry) => sum + entry.units, 0);
    let estimatedAt = startedAt;
    this.#entries.forEach((entry, index) => {
      const [begin, end] = [stamps[2 * index], stamps[2 * index + 1]];
      const isMeasured = begin !== undefined && end !== undefined;
      const share = (milliseconds * entry.units) / Math.max(units, 1);
      const took = isMeasured ? Number(end - begin) / NANOSECONDS : share;
      const at = isMeasured
        ? startedAt + Number(begin - (stamps[0] ?? begin)) / NANOSECONDS
        : estimatedAt;
      estimatedAt += share;
      this.#profiler(entry.label, took, isMeasured);
      performance.measure(entry.label, { start: at, duration: took, detail: { devtools } });
    });
    // What the panel recorded stays there; the page's own list would grow with every token.
    for (const label of new Set(this.#entries.map((entry) => entry.label))) {
      performance.clearMeasures(label);
    }
  }

  async #read(): Promise<BigUint64Array> {
    const [resolved, readback] = [this.#resolved, this.#readback];
    if (resolved === null || readback === null) return new BigUint64Array(0);
    await readback.mapAsync(MAP_READ);
    const stamps = new BigUint64Array(readback.getMappedRange()).slice();
    readback.unmap();
    this.#queries?.destroy();
    for (const buffer of [resolved, readback]) this.#memory.free(buffer);
    return stamps;
  }
}
