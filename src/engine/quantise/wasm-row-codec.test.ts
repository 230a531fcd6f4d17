import { readFile } from 'node:fs/promises';
import { beforeAll, describe, expect, it } from 'vitest';
import { randomBlocks } from '../../../test/fixtures/random-blocks.ts';
import { randomValues } from '../../../test/fixtures/random-values.ts';
import { kernelBuildTimeoutMs } from '../../../test/fixtures/wasm-backend.ts';
import { buildWasm, builtFile } from '../../../wasm/build.mjs';
import { quantizer, rowBytes } from '../formats/quants/registry.ts';
import type { TensorType } from '../graph/dtype.ts';
import { relativeError, ScalarRowCodec } from './row-codec.ts';
import { WasmRowCodec } from './wasm-row-codec.ts';

const columns = 512;
const scalar = new ScalarRowCodec();
let fast: WasmRowCodec;

beforeAll(async () => {
  await buildWasm();
  fast = await WasmRowCodec.create(new Uint8Array(await readFile(builtFile('hermit-simd.wasm'))));
}, kernelBuildTimeoutMs);

function rowsOf(type: TensorType, count: number): Uint8Array {
  if (type === 'Q5_1' || type === 'IQ4_XS') {
    return randomBlocks(type, (count * columns) / (type === 'Q5_1' ? 32 : 256), 3);
  }
  const bytes = new Uint8Array(count * rowBytes(type, columns));
  quantizer(type)(randomValues(count * columns, 5), bytes);
  return bytes;
}

describe.each(['F32', 'F16', 'BF16', 'Q8_0', 'Q5_1', 'IQ4_XS'] as const)('from %s', (from) => {
  it.each(['Q8_0', 'Q4_0', 'Q4_K', 'Q5_K', 'Q6_K', 'Q5_0', 'F16'] as const)(
    'to %s loses no more than the scalar way, and knows what it loses',
    (to) => {
      // rows of other sizes between: memory is used again
      fast.encode(rowsOf(from, 9), from, to, columns, undefined);
      for (const importance of [undefined, new Float32Array(columns).fill(2.5)]) {
        const rows = rowsOf(from, 3);
        const ours = fast.encode(rows, from, to, columns, importance);
        const theirs = scalar.encode(rows, from, to, columns, importance);
        expect(ours.bytes.length).toBe(theirs.bytes.length);
        expect(relativeError(ours)).toBeLessThanOrEqual(relativeError(theirs) * 1.02);
        expect(ours.power / theirs.power).toBeCloseTo(1, 4);
        if (to === 'Q8_0') expect(Buffer.from(ours.bytes).equals(theirs.bytes)).toBe(true);
      }
    },
  );
});

it('shows numbers that are not finite in the sums', () => {
  for (const from of ['F32', 'F16', 'BF16'] as const) {
    const rows = rowsOf(from, 1);
    rows.fill(0x7f, 0, 4); // NaN in all of them
    expect(Number.isFinite(fast.encode(rows, from, 'Q4_K', columns, undefined).power)).toBe(false);
  }
});
