/**
 * Brings garbage collection about, for Blobs that nobody needs any more.
 *
 * A Blob cannot be closed. As long as its JavaScript handle is alive, the browser holds what it
 * stands for: a Blob that was made, in memory, even after it was written to a database; a Blob that
 * was read, its file, even after its deletion. The handle itself is tiny, so an idle worker may not
 * collect it for minutes (Chromium 156: 1 GB of written Blobs stayed in the browser process). Memory
 * that is allocated and dropped makes the engine think again; it is never written to, so it costs
 * address space, not RAM.
 */
import { MEBIBYTE } from '../common/bytes.ts';

type Sleep = (milliseconds: number) => Promise<void>;

const roundBytes = 32 * MEBIBYTE;

/** Three rounds pass what Chromium lets pile up (64 MB) before it collects. */
const roundsPerCollection = 3;

/**
 * Makes a collection likely. It looks at no handle: a handle that is looked at while a collection is
 * marking, step by step, is taken for one in use.
 */
export async function encourageCollection(sleep: Sleep): Promise<void> {
  for (let round = 0; round < roundsPerCollection; round++) {
    allocateAndDrop();
    await sleep(0);
  }
}

/** Rounds. Chromium needs two or three. */
const longestWait = 16;

/** Not `new ArrayBuffer(...)`: the bundler takes that for an expression without effect and drops it. */
function allocateAndDrop(): void {
  Reflect.construct(ArrayBuffer, [roundBytes]);
}

/** The Blobs read of one content. */
export class BlobHandles {
  readonly #sleep: Sleep;
  #handles: WeakRef<Blob>[] = [];

  constructor(sleep: Sleep) {
    this.#sleep = sleep;
  }

  add(blob: Blob): void {
    this.#handles = this.#handles.filter((handle) => handle.deref() !== undefined);
    this.#handles.push(new WeakRef(blob));
  }

  /** Ends when all are collected, or after a number of rounds, in case an engine does not. */
  async letGo(): Promise<void> {
    const handles = this.#handles.splice(0);
    for (let round = 0; round < longestWait; round++) {
      if (handles.every((handle) => handle.deref() === undefined)) return;
      // A handle that was looked at lives to the end of the task, so the collection must be later.
      await this.#sleep(0);
      allocateAndDrop();
      await this.#sleep(0);
    }
  }
}
