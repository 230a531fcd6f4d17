/** bfloat16, the upper half of a float32; a "block" is one value. Rounds to nearest, ties to even. */
import { readUint16, writeUint16 } from './block-access.ts';
import { countBlocks, type QuantType } from './quant-type.ts';

export const bf16: QuantType = {
  type: 'BF16',
  blockElements: 1,
  blockBytes: 2,

  dequantize(bytes, out) {
    const count = countBlocks(bf16, bytes.length, out.length);
    const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
    for (let i = 0; i < count; i++) bits[i] = readUint16(bytes, 2 * i) << 16;
  },

  quantize(values, out) {
    const count = countBlocks(bf16, out.length, values.length);
    const source = new Uint32Array(values.buffer, values.byteOffset, values.length);
    for (let i = 0; i < count; i++) writeUint16(out, 2 * i, roundBits(source[i] as number));
  },
};

function roundBits(bits: number): number {
  // Rounding could carry a NaN into infinity; it keeps its upper half and becomes quiet instead.
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 64;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
