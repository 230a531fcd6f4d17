/** IEEE 754 single precision; a "block" is one value. */
import { countBlocks, type QuantType } from './quant-type.ts';

export const f32: QuantType = {
  type: 'F32',
  blockElements: 1,
  blockBytes: 4,

  dequantize(bytes, out) {
    countBlocks(f32, bytes.length, out.length);
    // A byte copy: the source may lie at any address, a Float32Array may not.
    new Uint8Array(out.buffer, out.byteOffset, out.byteLength).set(bytes);
  },

  quantize(values, out) {
    countBlocks(f32, out.length, values.length);
    out.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
  },
};
