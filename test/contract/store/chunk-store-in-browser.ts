/** The contract over the stores of a real browser; a worker runs it, for only workers write files. */
import { hashBlock } from '../../../src/store/content-hash.ts';
import { IdbChunkStore } from '../../../src/store/idb-chunk-store.ts';
import { OpfsChunkStore } from '../../../src/store/opfs-chunk-store.ts';
import { probeChunkStore } from '../../../src/store/open-model-store.ts';
import type { ChunkStore } from '../../../src/store/chunk-store.ts';
import { chunkStoreChecks } from './chunk-store-contract.ts';

const kinds: Readonly<Record<string, (name: string) => ChunkStore>> = {
  opfs: (folder) => new OpfsChunkStore({ folder }),
  indexeddb: (namePrefix) => new IdbChunkStore({ namePrefix }),
};

/** What failed, by name; an empty list when every store keeps its promises. */
export async function runStoreContract(): Promise<{ passed: number; failures: string[] }> {
  const failures: string[] = [];
  let passed = 0;
  for (const [kind, open] of Object.entries(kinds)) {
    const checks = {
      ...chunkStoreChecks,
      'the start-up probe': probeChunkStore,
      ...severalThreads,
    };
    for (const [index, [name, check]] of Object.entries(checks).entries()) {
      const store = open(`contract-${index}-`);
      try {
        await check(store);
        passed++;
      } catch (error) {
        failures.push(`${kind}: ${name}: ${String(error)}`);
      }
      store.close();
    }
  }
  return { passed, failures };
}

const severalThreads = {
  'blocks of full size read at once are what was written': async (store: ChunkStore) => {
    const block = new Uint8Array(8 * 1024 * 1024);
    for (let at = 0; at < block.length; at += 65536) {
      crypto.getRandomValues(block.subarray(at, at + 65536));
    }
    const hash = await hashBlock(block, undefined);
    await store.put('large', 0, block);
    const copies = await Promise.all([0, 0, 0, 0].map((index) => store.get('large', index)));
    const hashes = await Promise.all(copies.map((copy) => hashBlock(copy, undefined)));
    if (hashes.some((other) => other !== hash)) throw new Error('Other bytes came back.');
  },
};
