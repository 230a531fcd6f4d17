import type { InspectedMemoryView, InspectionView } from '../services.ts';

const smallestContext = 1024;

/** Contexts worth showing: from 1K in doublings up to what the model was trained for. */
export function contextSteps(trainedContext: number): number[] {
  const steps: number[] = [];
  for (let context = smallestContext; context < trainedContext; context *= 2) steps.push(context);
  return [...steps, trainedContext];
}

/** Bytes in use with a context of this many tokens. */
export function memoryNeed(memory: InspectedMemoryView, contextLength: number): number {
  return memory.weightBytes + memory.workBytes + memory.bytesPerPosition * contextLength;
}

/** The largest context that fits into this device's memory, at most the trained one; 0 for none. */
export function fittingContext(inspection: InspectionView): number {
  const { memory, budgetBytes, contextLength } = inspection;
  const [need] = memory;
  if (need === undefined || contextLength === null) return 0;
  const left = budgetBytes - need.weightBytes - need.workBytes;
  const positions = need.bytesPerPosition === 0 ? contextLength : left / need.bytesPerPosition;
  return Math.max(0, Math.min(contextLength, Math.floor(positions)));
}

/** The precisions whose need differs: one row of numbers where it does not. */
export function distinctNeeds(
  memory: readonly InspectedMemoryView[],
): readonly InspectedMemoryView[] {
  const [first, ...others] = memory;
  if (first === undefined) return [];
  const same = others.every(
    (other) =>
      other.weightBytes === first.weightBytes &&
      other.workBytes === first.workBytes &&
      other.bytesPerPosition === first.bytesPerPosition,
  );
  return same ? [first] : memory;
}
