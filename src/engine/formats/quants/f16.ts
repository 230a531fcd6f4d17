/** IEEE 754 half precision; a "block" is one value. */
import { float16ToNumber, numberToFloat16 } from '../../../common/float16.ts';
import { readUint16, writeUint16 } from './block-access.ts';
import { countBlocks, type QuantType } from './quant-type.ts';

export const f16: QuantType = {
  type: 'F16',
  blockElements: 1,
  blockBytes: 2,

  dequantize(bytes, out) {
    const count = countBlocks(f16, bytes.length, out.length);
    for (let i = 0; i < count; i++) out[i] = float16ToNumber(readUint16(bytes, 2 * i));
  },

  quantize(values, out) {
    const count = countBlocks(f16, out.length, values.length);
    for (let i = 0; i < count; i++) writeUint16(out, 2 * i, numberToFloat16(values[i] as number));
  },
};
