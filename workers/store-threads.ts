/** The threads beside the store worker: one hashes whole files, one writes blocks. */
import { threadedWrites } from '../src/store/block-thread.ts';
import { threadedFileHash } from '../src/store/hash-thread.ts';

const startHashing = (): Worker =>
  new Worker(new URL('./hash.worker.ts', import.meta.url), { type: 'module', name: 'hermit-hash' });
const startWriting = (): Worker =>
  new Worker(new URL('./block.worker.ts', import.meta.url), {
    type: 'module',
    name: 'hermit-block',
  });

export const storeThreads = {
  openHash: threadedFileHash(startHashing),
  write: threadedWrites(startWriting),
};
