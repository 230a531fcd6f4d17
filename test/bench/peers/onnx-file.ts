/**
 * An ONNX file with one operator, `MatMulNBits` of ONNX Runtime's own set
 * (https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md), written as the
 * protocol buffer that onnx.proto3 describes.
 */

type Field = readonly [number: number, value: number | string | Uint8Array];

const FLOAT = 1;
const UINT8 = 2;
const INT_ATTRIBUTE = 2;

function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return [...bytes, rest];
}

function join(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

/** Numbers as varints; texts and messages with their length before them. */
function message(...fields: readonly Field[]): Uint8Array<ArrayBuffer> {
  const parts = fields.flatMap(([number, value]) => {
    if (typeof value === 'number') {
      return [Uint8Array.from([...varint(8 * number), ...varint(value)])];
    }
    const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
    return [Uint8Array.from([...varint(8 * number + 2), ...varint(bytes.length)]), bytes];
  });
  return join(parts);
}

function tensor(
  name: string,
  type: number,
  dimensions: readonly number[],
  data: Uint8Array,
): Uint8Array<ArrayBuffer> {
  const shape = dimensions.map((size): Field => [1, size]);
  return message(...shape, [2, type], [8, name], [9, data]);
}

function value(name: string, dimensions: readonly number[]): Uint8Array<ArrayBuffer> {
  const shape = message(...dimensions.map((size): Field => [1, message([1, size])]));
  return message([1, name], [2, message([1, message([1, FLOAT], [2, shape])])]);
}

function integer(name: string, number: number): Uint8Array<ArrayBuffer> {
  return message([1, name], [3, number], [20, INT_ATTRIBUTE]);
}

/** `y` (tokens, rows) = `x` (tokens, columns) times a matrix of random 4-bit digits. */
export function fourBitMatmulFile(
  tokens: number,
  rows: number,
  columns: number,
): Uint8Array<ArrayBuffer> {
  const blocks = columns / 32;
  const digits = new Uint8Array((rows * columns) / 2);
  for (let i = 0; i < digits.length; i++) digits[i] = Math.imul(i, 2654435761) >>> 24;
  const scales = new Float32Array(rows * blocks).fill(0.01);
  const node = message(
    [1, 'x'],
    [1, 'digits'],
    [1, 'scales'],
    [2, 'y'],
    [4, 'MatMulNBits'],
    [5, integer('K', columns)],
    [5, integer('N', rows)],
    [5, integer('bits', 4)],
    [5, integer('block_size', 32)],
    // activations in 8 bits, as Hermit and llama.cpp have them
    [5, integer('accuracy_level', 4)],
    [7, 'com.microsoft'],
  );
  const graph = message(
    [1, node],
    [2, 'matmul'],
    [5, tensor('digits', UINT8, [rows, blocks, 16], digits)],
    [5, tensor('scales', FLOAT, [rows * blocks], new Uint8Array(scales.buffer))],
    [11, value('x', [tokens, columns])],
    [12, value('y', [tokens, rows])],
  );
  return message(
    [1, 8],
    [7, graph],
    [8, message([1, ''], [2, 17])],
    [8, message([1, 'com.microsoft'], [2, 1])],
  );
}
