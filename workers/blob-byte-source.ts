import { throwIfAborted } from '../src/common/abort.ts';
import { type ByteSource, checkRange } from '../src/common/byte-source.ts';
import { AppError } from '../src/common/errors.ts';

/** A `ByteSource` over a file of the person's; it is read where it lies. */
export class BlobByteSource implements ByteSource {
  readonly size: number;
  readonly #blob: Blob;
  readonly #name: string;

  constructor(blob: Blob, name: string) {
    this.size = blob.size;
    this.#blob = blob;
    this.#name = name;
  }

  async read(
    offset: number,
    length: number,
    signal?: AbortSignal,
  ): Promise<Uint8Array<ArrayBuffer>> {
    throwIfAborted(signal);
    checkRange(this.size, offset, length);
    try {
      return new Uint8Array(await this.#blob.slice(offset, offset + length).arrayBuffer());
    } catch (cause) {
      throw new AppError(
        'download/local-file-changed',
        `"${this.#name}" was changed, moved or deleted while it was being read. Choose the files again.`,
        { details: { fileName: this.#name }, cause },
      );
    }
  }
}
