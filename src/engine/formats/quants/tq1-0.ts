/**
 * TQ1_0: 256 ternary digits, five to a byte, and one scale; value = d * (q - 1).
 *
 *   byte  0                       32                   48                   52      54
 *         | digits 0 .. 159        | digits 160 .. 239  | digits 240 .. 255  | d f16 |
 *
 * A byte is a fraction in 1/256: times 3^k, modulo 1, its first ternary place is digit k. Digit i of
 * a part of n bytes lies in byte i % n with k = floor(i / n).
 */
import { readFloat16 } from './block-access.ts';
import { readOnlyType } from './quant-type.ts';

const parts = [
  { byte: 0, bytes: 32, digit: 0, places: 5 },
  { byte: 32, bytes: 16, digit: 160, places: 5 },
  { byte: 48, bytes: 4, digit: 240, places: 4 },
] as const;

export const tq1_0 = readOnlyType(
  { type: 'TQ1_0', blockElements: 256, blockBytes: 54 },
  (bytes, at, out, first) => {
    const d = readFloat16(bytes, at + 52);
    for (const part of parts) {
      for (let place = 0, power = 1; place < part.places; place++, power *= 3) {
        for (let j = 0; j < part.bytes; j++) {
          const fraction = ((bytes[at + part.byte + j] as number) * power) & 255;
          const digit = (fraction * 3) >> 8;
          out[first + part.digit + place * part.bytes + j] = d * (digit - 1);
        }
      }
    }
  },
);
