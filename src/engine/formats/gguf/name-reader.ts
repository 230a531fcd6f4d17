import { malformed, overLimit, shortened, type FilePlace } from './file-errors.ts';
import type { HeaderCursor } from './header-cursor.ts';

/** Names are identities: bytes that are no UTF-8 would let two different ones look the same. */
const nameDecoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/**
 * A metadata key or a tensor name: 1 to `limit` bytes of UTF-8.
 * @throws ModelFileError
 */
export async function readName(
  cursor: HeaderCursor,
  at: FilePlace,
  limit: number,
): Promise<string> {
  if (!cursor.has(8)) await cursor.fill(8, at.field);
  const length = cursor.uint64();
  if (length > limit) throw overLimit(at, `the length of ${at.field}`, length, limit);
  if (length === 0n) throw malformed(at, `${at.field} is empty`);
  if (!cursor.has(Number(length))) await cursor.fill(Number(length), at.field);
  const bytes = cursor.take(Number(length));
  try {
    return nameDecoder.decode(bytes);
  } catch (error) {
    const shown = shortened(new TextDecoder().decode(bytes));
    throw malformed(at, `${at.field} is not text ("${shown}")`, error);
  }
}
