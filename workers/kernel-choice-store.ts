import relaxedUrl from '../build/wasm/hermit-relaxed.wasm?url';
import type { ChoiceStore } from '../src/engine/backend/wasm/kernel-choice.ts';

const CACHE = 'hermit-kernels';

/**
 * Remembers which kernels this device gets, under the address of the kernels, which contains a hash of
 * them: a new build is tried anew. Only the choice for the present build is kept.
 */
export const kernelChoices: ChoiceStore = {
  read: async () => {
    const response = await (await caches.open(CACHE)).match(keyOfBuild());
    const choice: unknown = await response?.json();
    return choice;
  },
  write: async (choice) => {
    await caches.delete(CACHE);
    await (await caches.open(CACHE)).put(keyOfBuild(), Response.json(choice));
  },
};

function keyOfBuild(): string {
  return `${relaxedUrl}?choice-for-${navigator.hardwareConcurrency}-cores`;
}
