/** The store worker's helper: the SHA-256 of a file while it arrives. It connects nowhere. */
import { serveHash } from '../src/store/hash-thread.ts';

serveHash(self);
