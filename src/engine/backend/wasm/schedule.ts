/**
 * Which commands threads may run side by side, and how long each buffer is needed then.
 *
 * A phase is a set of commands that need nothing of each other; threads wait for each other between
 * phases only. Every command goes into the earliest phase that what it reads and overwrites allows,
 * so that, for example, the three products of an attention's input stand together.
 */
import type { PlannedBuffer } from '../../graph/memory-planner.ts';
import type { RowExtent } from '../../graph/ops.ts';
import type { CommandName } from './command-layout.ts';
import type { CommandGroup } from './compiled-graph.ts';

/** Index of a buffer of activation memory; its address is known after planning. */
export type BufferId = number;

/** A command before addresses are known. */
export interface Step {
  readonly name: CommandName;
  /** What a profile calls it: the command and what it works on, alike in all layers. */
  readonly label: string;
  readonly rows: RowExtent;
  /** Buffers, or a layer of the KV cache as `cacheLayer` names it. */
  readonly reads: readonly BufferId[];
  readonly writes: BufferId;
  /** The command's words after the first two, once addresses are known. */
  readonly words: (address: (buffer: BufferId) => number) => readonly number[];
}

export interface ScheduledStep {
  readonly step: Step;
  readonly phase: number;
}

/** A layer of the KV cache among the buffers that steps wait for. */
export function cacheLayer(layer: number): BufferId {
  return -1 - layer;
}

/** The steps by phases, within a phase in the order given. */
export function scheduleSteps(steps: readonly Step[]): readonly ScheduledStep[] {
  const written = new Map<BufferId, number>();
  const read = new Map<BufferId, number>();
  const scheduled = steps.map((step) => {
    let phase = 0;
    const after = (before: number | undefined): void => {
      if (before !== undefined) phase = Math.max(phase, before + 1);
    };
    for (const buffer of step.reads) after(written.get(buffer));
    after(written.get(step.writes));
    after(read.get(step.writes));
    for (const buffer of step.reads) read.set(buffer, Math.max(phase, read.get(buffer) ?? 0));
    written.set(step.writes, phase);
    return { step, phase };
  });
  return scheduled.sort((a, b) => a.phase - b.phase); // stable
}

/** The phases, as groups of commands. */
export function commandGroups(scheduled: readonly ScheduledStep[]): CommandGroup[] {
  const groups: { label: string; command: number; count: number; phase: number }[] = [];
  scheduled.forEach(({ step: { label }, phase }, command) => {
    const last = groups.at(-1);
    if (last?.phase === phase) {
      last.count++;
      last.label += `, ${label}`;
    } else {
      groups.push({ label, command, count: 1, phase });
    }
  });
  return groups;
}

/** Lifetimes in phases; those of unused buffers have no bytes, `result` lives to the end. */
export function bufferLifetimes(
  scheduled: readonly ScheduledStep[],
  bufferBytes: readonly number[],
  result: BufferId,
): PlannedBuffer[] {
  const first = new Array<number>(bufferBytes.length).fill(0);
  const last = new Array<number>(bufferBytes.length).fill(-1);
  for (const { step, phase } of scheduled) {
    for (const buffer of [...step.reads, step.writes]) {
      if (buffer < 0) continue; // the cache is no buffer of a step
      if (last[buffer] === -1) first[buffer] = phase;
      last[buffer] = phase;
    }
  }
  last[result] = Infinity;
  return bufferBytes.map((bytes, i) => ({
    bytes: last[i] === -1 ? 0 : bytes,
    firstStep: first[i] as number,
    lastStep: last[i] as number,
  }));
}
