/**
 * Reads a stream into one piece of memory again and again.
 *
 * The usual reader hands out a fresh array for every packet. Those of a model are gigabytes, which
 * the garbage collection follows at a distance of 100 MB and more.
 */
import { MEBIBYTE } from '../common/bytes.ts';

/** The next bytes, valid until the next call; null at the end. Rejects with what the stream throws. */
export type PieceReader = () => Promise<Uint8Array | null>;

const scratchBytes = MEBIBYTE;

export function pieceReader(stream: ReadableStream<Uint8Array>): PieceReader {
  const reader = byteReader(stream);
  return reader === null ? freshPieces(stream.getReader()) : reusedPieces(reader);
}

/** Null where the browser does not let the reader bring its memory. */
function byteReader(stream: ReadableStream<Uint8Array>): ReadableStreamBYOBReader | null {
  try {
    return stream.getReader({ mode: 'byob' });
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

function reusedPieces(reader: ReadableStreamBYOBReader): PieceReader {
  let scratch = new ArrayBuffer(scratchBytes);
  return async () => {
    const { done, value } = await reader.read(new Uint8Array(scratch));
    if (value !== undefined) scratch = value.buffer;
    return done ? null : value;
  };
}

function freshPieces(reader: ReadableStreamDefaultReader<Uint8Array>): PieceReader {
  return async () => {
    const { done, value } = await reader.read();
    return done ? null : value;
  };
}
