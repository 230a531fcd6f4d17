/** The store worker's helper: writes blocks to files and waits for the disk. It connects nowhere. */
import { serveWrites } from '../src/store/block-thread.ts';
import { writeFile } from '../src/store/opfs-chunk-store.ts';

serveWrites(self, writeFile);
