/**
 * From a source to writers of weights: tensors are read in pieces, one read always under way while the
 * caller works, and handed over in whole groups of rows.
 */
import type { ByteSource } from '../../common/byte-source.ts';
import { MEBIBYTE } from '../../common/bytes.ts';
import { ModelFileError, hasCode } from '../../common/errors.ts';
import type { WeightHandle, WeightWriter } from '../backend/backend.ts';
import type { GgufTensor } from '../formats/gguf/gguf-file.ts';
import { rowBytes } from '../formats/quants/registry.ts';
import type { ModelTensor } from '../models/model-definition.ts';

/** Large enough that a read is efficient, small enough that three cost nothing that matters. */
const pieceBytes = 4 * MEBIBYTE;

/** A piece of a tensor's bytes. */
export interface Piece {
  readonly weight: ModelTensor;
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Whether it ends its tensor. */
  readonly last: boolean;
}

/** All bytes of the tensors in the order given, one read always under way while the caller works. */
export async function* readAhead(
  source: ByteSource,
  weights: readonly ModelTensor[],
  signal: AbortSignal | undefined,
): AsyncGenerator<Piece, void> {
  const ranges = weights.flatMap((weight) => {
    const places = weight.apart ?? [weight.tensor];
    return places.flatMap(({ offsetBytes, sizeBytes }, place) =>
      Array.from({ length: Math.ceil(sizeBytes / pieceBytes) }, (_, index) => {
        const start = index * pieceBytes;
        const length = Math.min(pieceBytes, sizeBytes - start);
        const last = place === places.length - 1 && start + length === sizeBytes;
        return { weight, offset: offsetBytes + start, length, last };
      }),
    );
  });
  const read = (
    index: number,
    spare?: ArrayBuffer,
  ): Promise<Uint8Array<ArrayBuffer>> | undefined => {
    const range = ranges[index];
    const bytes = range && source.read(range.offset, range.length, signal, spare);
    // when the caller fails first nobody awaits this read any more
    bytes?.catch(() => undefined);
    return bytes;
  };
  let next = read(0);
  // Of the piece before, whose last rows the caller may still hold; and of the one before that.
  let previous: ArrayBuffer | undefined;
  let spare: ArrayBuffer | undefined;
  for (const [index, { weight, last }] of ranges.entries()) {
    const bytes = await next;
    if (bytes === undefined) return;
    next = read(index + 1, spare);
    yield { weight, bytes, last };
    spare = previous;
    previous = bytes.buffer;
  }
}

/** Hands the bytes of one tensor to its writer in the groups of rows the writer asks for. */
export class RowFeeder {
  readonly #tensor: GgufTensor;
  readonly #writer: WeightWriter;
  readonly #groupBytes: number;
  #rest = new Uint8Array(0);

  constructor({ tensor, columns }: ModelTensor, writer: WeightWriter) {
    this.#tensor = tensor;
    this.#writer = writer;
    this.#groupBytes = writer.rowsPerPiece * rowBytes(tensor.type, columns);
  }

  push(bytes: Uint8Array<ArrayBuffer>): void {
    const group = this.#groupBytes;
    let start = 0;
    if (this.#rest.byteLength > 0) {
      // only the group that two pieces share is copied together
      start = Math.min(bytes.byteLength, group - this.#rest.byteLength);
      this.#rest = joined(this.#rest, bytes.subarray(0, start));
      if (this.#rest.byteLength < group) return;
      this.#writer.write(this.#rest);
    }
    for (; start + group <= bytes.byteLength; start += group) {
      this.#writer.write(bytes.subarray(start, start + group));
    }
    this.#rest = bytes.subarray(start);
  }

  finish(): WeightHandle {
    if (this.#rest.byteLength > 0) this.#writer.write(this.#rest);
    try {
      return this.#writer.finish();
    } catch (error) {
      if (!hasCode(error, 'model-file/invalid-numbers')) throw error;
      const { name, offsetBytes } = this.#tensor;
      throw new ModelFileError(
        'model-file/invalid-numbers',
        error.message,
        { field: name, offsetBytes },
        { details: error.details, cause: error },
      );
    }
  }

  abandon(): void {
    this.#writer.abandon();
  }
}

function joined(first: Uint8Array, second: Uint8Array): Uint8Array<ArrayBuffer> {
  const both = new Uint8Array(first.byteLength + second.byteLength);
  both.set(first);
  both.set(second, first.byteLength);
  return both;
}
