/** The hash that tells whether a block is what was stored. */
import { sha256 } from 'hash-wasm';
import { KIBIBYTE, toHex } from '../common/bytes.ts';

/**
 * Pieces that blocks are hashed in. Web Crypto copies what it hashes into fresh memory, and memory of
 * this size is used again: 1360 MB/s in Chromium 156, against 550 for a whole block of 8 MiB.
 */
export const hashPieceBytes = 256 * KIBIBYTE;

/** So many pieces are hashed at once: Web Crypto holds a copy of each. */
const piecesAtOnce = 4;

const digestBytes = 32;

/**
 * Lower-case hexadecimal SHA-256 of the SHA-256s of a block's pieces, or of the block itself where
 * `pieceBytes` is undefined. The bytes may be reused once the promise is settled.
 */
export async function hashBlock(
  bytes: Uint8Array<ArrayBuffer>,
  pieceBytes: number | undefined,
): Promise<string> {
  if (pieceBytes === undefined) return toHex(await digest(bytes));
  const count = Math.ceil(bytes.byteLength / pieceBytes);
  const digests = new Uint8Array(count * digestBytes);
  let next = 0;
  const hashPieces = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      const start = index * pieceBytes;
      const piece = await digest(bytes.subarray(start, start + pieceBytes));
      digests.set(piece, index * digestBytes);
    }
  };
  await Promise.all(Array.from({ length: piecesAtOnce }, hashPieces));
  return toHex(await digest(digests));
}

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
  // Web Crypto works beside this thread, but pages served without TLS do not have it.
  if (typeof crypto === 'undefined' || typeof crypto.subtle === 'undefined') {
    return sha256Here(bytes);
  }
  return new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
}

async function sha256Here(bytes: Uint8Array): Promise<Uint8Array> {
  const hexadecimal = await sha256(bytes);
  return Uint8Array.from(hexadecimal.match(/../gu) ?? [], (digits) => parseInt(digits, 16));
}
