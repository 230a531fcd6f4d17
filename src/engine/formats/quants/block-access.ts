/** Little-endian numbers at any address inside a block. */
import { float16ToNumber, numberToFloat16 } from '../../../common/float16.ts';

export function readUint16(bytes: Uint8Array, offset: number): number {
  return (bytes[offset] as number) | ((bytes[offset + 1] as number) << 8);
}

export function writeUint16(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value & 0xff;
  bytes[offset + 1] = value >>> 8;
}

/** Four bytes as a 32-bit pattern; the sign carries no meaning. */
export function readBits32(bytes: Uint8Array, offset: number): number {
  return readUint16(bytes, offset) | (readUint16(bytes, offset + 2) << 16);
}

export function writeBits32(bytes: Uint8Array, offset: number, bits: number): void {
  writeUint16(bytes, offset, bits & 0xffff);
  writeUint16(bytes, offset + 2, bits >>> 16);
}

export function readFloat16(bytes: Uint8Array, offset: number): number {
  return float16ToNumber(readUint16(bytes, offset));
}

export function writeFloat16(bytes: Uint8Array, offset: number, value: number): void {
  writeUint16(bytes, offset, numberToFloat16(value));
}
