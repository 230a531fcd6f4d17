/**
 * Fetches one model from its source into the store and sees to it that a failure costs little.
 *
 * Bytes are collected into blocks; a block is stored as soon as it is full, while the next one
 * arrives. Bytes of an unfinished block survive a failed connection in memory, so a retry goes on at
 * the very byte; after a kill at most two blocks are fetched again. The caller holds the model's exclusive lock.
 */
import { throwIfAborted } from '../common/abort.ts';
import { AppError, hasCode } from '../common/errors.ts';
import type { BlockRange } from '../store/block-layout.ts';
import type { ModelManifest } from '../store/manifest.ts';
import { type ModelStore, needsRestart } from '../store/model-store.ts';
import type { ModelWriter } from '../store/model-writer.ts';
import { checkModelStart, sniffBytes } from './content-sniffer.ts';
import type { HeaderTap } from './header-tap.ts';
import {
  type ModelSource,
  noValidators,
  type OpenedRange,
  type ResolvedFile,
  validatorsOf,
} from './model-source.ts';
import { type PieceReader, pieceReader } from './piece-reader.ts';
import { SpeedMeter } from './progress.ts';
import { type Clock, RetryPolicy, stallTimeoutMs, withWatchdog } from './retry.ts';

export interface Network {
  online(): boolean;
  /** Resolves as soon as there is a connection. @throws AppError `aborted` */
  whenOnline(signal: AbortSignal): Promise<void>;
}

export type DownloadEvent =
  | {
      readonly kind: 'progress';
      readonly bytesDone: number;
      readonly bytesTotal: number | null;
      readonly bytesPerSecond: number;
      readonly secondsLeft: number | null;
      readonly resumable: boolean;
    }
  /** Waiting to try again after `error`, until `retryAt` (milliseconds since the epoch). */
  | { readonly kind: 'waiting'; readonly retryAt: number; readonly error: AppError }
  | { readonly kind: 'offline'; readonly error: AppError }
  | { readonly kind: 'verifying'; readonly bytesDone: number; readonly bytesTotal: number };

export interface DownloadOptions {
  readonly store: ModelStore;
  readonly modelId: string;
  readonly source: ModelSource;
  readonly clock: Clock;
  readonly network: Network;
  readonly signal: AbortSignal;
  readonly report: (event: DownloadEvent) => void;
  /** Looks at the header as it passes, and refuses a model that could not be used. */
  readonly header?: HeaderTap | null;
}

interface StoringBlock {
  readonly index: number;
  readonly block: Uint8Array<ArrayBuffer>;
  /** What the store does not count yet: none once it has the block. */
  bytesPending: number;
  readonly done: Promise<void>;
}

/** Asked for at once of a server that may be faster than the disk. */
const blocksAtOnce = 2;
/** Below this many bytes a second the network is the slow part on any disk. */
const slowNetworkSpeed = 32e6;

/** One run of one download. */
export class Downloader {
  readonly #options: DownloadOptions;
  readonly #retry: RetryPolicy;
  readonly #speed: SpeedMeter;
  #writer: ModelWriter | null = null;
  #resolved = false;
  #resumable = true;
  #repairs = 0;
  /** Whether the last request waited for the server rather than for the disk. */
  #networkIsSlow = false;
  /** The furthest byte ever reached: only beyond it is there progress. */
  #furthest = 0;
  /** The block under way and how many of its bytes are in the buffer. */
  #buffer = new Uint8Array(0);
  #filled = 0;
  /** The block before, while it is being stored; never more than one. */
  #storing: StoringBlock | null = null;
  /** Memory of the last block that was stored, for the next but one. */
  #spare: Uint8Array<ArrayBuffer> | null = null;

  constructor(options: DownloadOptions) {
    this.#options = options;
    this.#retry = new RetryPolicy(options.clock);
    this.#speed = new SpeedMeter(() => options.clock.now());
  }

  /**
   * Resolves when the model is `ready`.
   * @throws AppError `download/*`, `store/*`, `model-file/*`, `engine/out-of-memory` (what its header
   * says cannot be used here), `aborted`
   */
  async run(): Promise<ModelManifest> {
    const { store, modelId, signal } = this.#options;
    if (needsRestart(await store.get(modelId))) await store.restart(modelId);
    try {
      for (;;) {
        try {
          throwIfAborted(signal);
          if (await this.#resolveOnce()) return await store.get(modelId);
          const writer = (this.#writer ??= await this.#openWriter());
          await this.#fetchMissing(writer);
          return await this.#finish(writer);
        } catch (error) {
          throwIfAborted(signal);
          await this.#recoverFrom(error as Error);
        }
      }
    } finally {
      this.#closeWriter();
    }
  }

  async #recoverFrom(error: Error): Promise<void> {
    const restart = await this.#recover(error);
    if (restart) {
      await this.#options.store.restart(this.#options.modelId);
      this.#filled = 0;
    }
    // Blocks may have been found damaged, or dropped: the writer's view is old.
    if (restart || hasCode(error, 'store/damaged')) this.#closeWriter();
  }

  #closeWriter(): void {
    this.#writer?.close();
    this.#writer = null;
  }

  async #openWriter(): Promise<ModelWriter> {
    const writer = await this.#options.store.openWriter(this.#options.modelId);
    this.#buffer = new Uint8Array(writer.blockBytes);
    this.#spare = new Uint8Array(writer.blockBytes);
    this.#filled = 0;
    return writer;
  }

  /** Waits as the failure demands. @returns whether to begin from the first byte; throws what is final */
  async #recover(thrown: Error): Promise<boolean> {
    const { clock, network, signal, report } = this.#options;
    if (!(thrown instanceof AppError)) throw thrown;
    if (thrown.code === 'download/offline') {
      report({ kind: 'offline', error: thrown });
      await network.whenOnline(signal);
      return false;
    }
    // Found by reading back what was stored: fetched again like any missing block, but a disk that
    // loses the same block twice will lose it again.
    const repair = thrown.code === 'store/damaged' && this.#repairs++ === 0;
    const wait = repair ? 0 : this.#retry.waitAfter(thrown);
    if (wait === null) throw thrown;
    if (wait > 0) {
      report({ kind: 'waiting', retryAt: clock.now() + wait, error: thrown });
      await clock.sleep(wait, signal);
    }
    return thrown.details['restart'] === true;
  }

  /** Pins the version. @returns true when the file turned out to be stored already */
  async #resolveOnce(): Promise<boolean> {
    if (this.#resolved) return false;
    const { store, modelId, source, clock, signal } = this.#options;
    const manifest = await store.get(modelId);
    const pinned = manifest.origin.commit !== null && manifest.size !== null;
    if (!pinned) {
      const file = await withWatchdog(source.resolve(signal), stallTimeoutMs, clock);
      checkPublished(manifest, file);
      await store.update(modelId, {
        origin: { ...manifest.origin, commit: file.commit },
        expectedSize: file.size ?? manifest.expectedSize,
        expectedSha256: file.sha256 ?? manifest.expectedSha256,
        licence: manifest.licence ?? file.licence,
      });
    }
    this.#resolved = true;
    return manifest.state !== 'damaged' && (await store.shareIfStored(modelId));
  }

  async #fetchMissing(writer: ModelWriter): Promise<void> {
    const next = (): BlockRange | null => writer.nextMissing(this.#storing?.index);
    for (let block = next(); block !== null; block = next()) await this.#fetchFrom(writer, block);
    await this.#stored();
  }

  /**
   * One request: from the first missing byte as far as the server goes on, at most to the chunk's end.
   * Its last block may still be on its way to the disk afterwards.
   */
  async #fetchFrom(writer: ModelWriter, first: BlockRange): Promise<void> {
    const { source, store, modelId, clock, signal } = this.#options;
    const { origin, expectedSize } = await store.get(modelId);
    const start = first.offset + this.#filled;
    const fresh = writer.isEmpty && this.#filled === 0 && this.#storing === null;
    const end = Math.min(writer.endOfGap(first.index), first.offset + this.#requestBytes(writer));
    // Ends the request when this attempt ends, for whatever reason.
    const attempt = new AbortController();
    const stop = (): void => {
      attempt.abort(signal.reason);
    };
    signal.addEventListener('abort', stop, { once: true });
    try {
      const opening = source.open(
        {
          start,
          end,
          total: writer.size ?? expectedSize,
          validators: fresh ? noValidators : validatorsOf(origin),
        },
        attempt.signal,
      );
      const opened = await withWatchdog(opening, stallTimeoutMs, clock);
      this.#resumable = opened.resumable;
      if (opened.total !== null) await writer.setSize(opened.total);
      if (fresh) await store.update(modelId, { origin: { ...origin, ...opened.validators } });
      await this.#readInto(writer, first, opened, { start, end });
    } catch (error) {
      // Whoever tries again asks what is stored.
      await this.#stored();
      throw error;
    } finally {
      signal.removeEventListener('abort', stop);
      attempt.abort();
    }
  }

  /**
   * How much to ask for at once. Browsers receive ahead of the reader (Chromium 156: 60 MB), so a
   * server that is faster than the disk is asked for little at a time. A slow one never gets ahead,
   * and pays for every request.
   */
  #requestBytes(writer: ModelWriter): number {
    return this.#networkIsSlow ? Infinity : blocksAtOnce * writer.blockBytes;
  }

  async #readInto(
    writer: ModelWriter,
    first: BlockRange,
    opened: OpenedRange,
    { start, end }: { readonly start: number; readonly end: number },
  ): Promise<void> {
    const { clock } = this.#options;
    const read = pieceReader(opened.stream);
    const begun = clock.now();
    let waitedMs = 0;
    let index = first.index;
    let position = start;
    for (;;) {
      const asked = clock.now();
      const piece = await this.#readPiece(read);
      waitedMs += clock.now() - asked;
      if (piece === null) break;
      if (opened.end !== null && position + piece.length > opened.end) {
        throw new AppError('download/bad-range', 'The server sent more than was asked for.', {
          details: { askedEnd: opened.end },
        });
      }
      await this.#options.header?.take(position, piece, writer.size);
      index = await this.#take(writer, index, piece);
      position += piece.length;
      this.#note(writer, position, piece.length);
    }
    if (opened.end !== null && position < opened.end) {
      throw new AppError(
        'download/network',
        'The connection broke off. The download tries again by itself.',
        { details: { received: position - start, promised: opened.end - start } },
      );
    }
    const waitedMost = waitedMs > (clock.now() - begun) / 2;
    this.#networkIsSlow = waitedMost && this.#speed.bytesPerSecond < slowNetworkSpeed;
    // Without a promise of length, the end of the stream is the end of the file.
    if (opened.end === null && (!opened.resumable || position < end)) {
      await this.#stored();
      await writer.setSize(position);
    }
    if (this.#filled > 0 && writer.size === position) {
      await this.#store(writer, index);
    }
  }

  async #readPiece(read: PieceReader): Promise<Uint8Array | null> {
    const { source, clock } = this.#options;
    try {
      return await withWatchdog(read(), stallTimeoutMs, clock);
    } catch (error) {
      throw source.explain(error);
    }
  }

  /** Puts received bytes into blocks. @returns the block under way afterwards */
  async #take(writer: ModelWriter, first: number, piece: Uint8Array): Promise<number> {
    let index = first;
    let rest = piece;
    while (rest.length > 0) {
      const room = writer.range(index).bytes - this.#filled;
      const part = rest.subarray(0, room);
      this.#buffer.set(part, this.#filled);
      const before = this.#filled;
      this.#filled += part.length;
      rest = rest.subarray(part.length);
      if (index === 0 && before < sniffBytes && this.#filled >= sniffBytes) {
        const { fileName } = await this.#options.store.get(writer.modelId);
        checkModelStart(this.#buffer.subarray(0, this.#filled), fileName);
      }
      if (part.length < room) break;
      await this.#store(writer, index);
      index++;
    }
    return index;
  }

  /** Begins to store the full block once the one before is stored: a slow disk slows the network. */
  async #store(writer: ModelWriter, index: number): Promise<void> {
    await this.#stored();
    const block = this.#buffer;
    const bytes = this.#filled;
    const done = writer.write(index, block.subarray(0, bytes)).then(() => {
      storing.bytesPending = 0;
    });
    const storing: StoringBlock = { index, block, bytesPending: bytes, done };
    // Asked for in `#stored`; until then a failure is nobody's.
    done.catch(() => undefined);
    this.#storing = storing;
    this.#buffer = this.#spare ?? new Uint8Array(block.length);
    this.#spare = null;
    this.#filled = 0;
  }

  /** Waits until every full block is stored. @throws what storing it threw, once */
  async #stored(): Promise<void> {
    const storing = this.#storing;
    if (storing === null) return;
    try {
      await storing.done;
    } finally {
      this.#storing = null;
      this.#spare = storing.block;
    }
  }

  #note(writer: ModelWriter, position: number, bytes: number): void {
    this.#speed.add(bytes);
    if (position > this.#furthest) {
      this.#furthest = position;
      this.#retry.progressed();
    }
    const bytesDone = writer.bytesStored + (this.#storing?.bytesPending ?? 0) + this.#filled;
    this.#options.report({
      kind: 'progress',
      bytesDone,
      bytesTotal: writer.size,
      bytesPerSecond: this.#speed.bytesPerSecond,
      secondsLeft: this.#speed.secondsLeft(writer.size === null ? null : writer.size - bytesDone),
      resumable: this.#resumable,
    });
  }

  async #finish(writer: ModelWriter): Promise<ModelManifest> {
    const total = writer.size ?? 0;
    if (total < sniffBytes) {
      const { fileName } = await this.#options.store.get(writer.modelId);
      checkModelStart(new Uint8Array(0), fileName);
    }
    await this.#options.header?.settle(total);
    this.#options.report({ kind: 'verifying', bytesDone: 0, bytesTotal: total });
    return writer.finish((bytesDone, bytesTotal) => {
      this.#options.report({ kind: 'verifying', bytesDone, bytesTotal });
    });
  }
}

/** What the publisher says now must not contradict what was known when the model was added. */
function checkPublished(known: ModelManifest, file: ResolvedFile): void {
  const hashDiffers =
    known.expectedSha256 !== null && file.sha256 !== null && known.expectedSha256 !== file.sha256;
  const sizeDiffers =
    known.expectedSize !== null && file.size !== null && known.expectedSize !== file.size;
  if (!hashDiffers && !sizeDiffers) return;
  throw new AppError(
    hashDiffers ? 'download/hash-mismatch' : 'download/changed-upstream',
    `"${known.fileName}" is not the file that was expected: its publisher gives another checksum or size.`,
    {
      details: {
        expected: known.expectedSha256,
        actual: file.sha256,
        expectedBytes: known.expectedSize,
        actualBytes: file.size,
      },
    },
  );
}
