/** What a person gave to measure on, told apart by its first bytes. */
import { BufferByteSource } from '../../common/byte-source.ts';
import type { Calibration } from './quantise-job.ts';

/** About 15,000 tokens: more does not make the numbers better. */
const largestTextLength = 60_000;

/** A text, or the bytes of a text or of an importance file. */
export function calibrationOf({
  name,
  from,
  budgetBytes,
}: {
  readonly name: string;
  readonly from: string | Uint8Array;
  readonly budgetBytes: number;
}): Calibration {
  const isGguf =
    typeof from !== 'string' && new TextDecoder().decode(from.subarray(0, 4)) === 'GGUF';
  if (isGguf) return { kind: 'file', name, source: new BufferByteSource(from) };
  const text = typeof from === 'string' ? from : new TextDecoder().decode(from);
  return { kind: 'text', name, text: text.slice(0, largestTextLength), budgetBytes };
}
