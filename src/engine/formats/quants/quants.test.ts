import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { hasCode } from '../../../common/errors.ts';
import { tensorTypeIds, type TensorType } from '../../graph/dtype.ts';
import { randomBlocks } from '../../../../test/fixtures/random-blocks.ts';
import { randomValues } from '../../../../test/fixtures/random-values.ts';
import { sharedModelPath, sharedModels } from '../../../../test/fixtures/shared-models.ts';
import { quantizer, quantType, rowBytes, writableTypes } from './registry.ts';

const types = Object.keys(tensorTypeIds) as TensorType[];
const packedTypes: readonly TensorType[] = ['Q8_0', 'Q5_1', 'Q5_0', 'Q4_1', 'Q4_0'];

interface FixtureFile {
  readonly file: string;
  readonly sha256: string;
}
interface CodecIndex {
  readonly types: readonly {
    readonly type: string;
    readonly type_id: number;
    readonly block_size: number;
    readonly type_size: number;
    readonly blocks: FixtureFile;
    readonly values: FixtureFile;
  }[];
  readonly quantisers: readonly {
    readonly type: string;
    readonly input: FixtureFile;
    readonly output: FixtureFile;
  }[];
}

function fixture({ file, sha256 }: FixtureFile): Uint8Array {
  const bytes = readFileSync(sharedModelPath('fixtures', 'codecs', file));
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
  return new Uint8Array(bytes);
}

function isOurs(type: string): type is TensorType {
  return type in tensorTypeIds;
}

/** The bit patterns, so that -0 and 0, and one NaN and another, are told apart. */
function bitsOf(values: Float32Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, values.length);
}

function firstDifference(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  if (actual.length !== expected.length) return Math.min(actual.length, expected.length);
  for (let i = 0; i < actual.length; i++) if (actual[i] !== expected[i]) return i;
  return -1;
}

function pseudoRandomValues(count: number, magnitude: number): Float32Array {
  const values = new Float32Array(count);
  let state = 12345;
  for (let i = 0; i < count; i++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    values[i] = (state / 2 ** 31 - 1) * magnitude;
  }
  return values;
}

describe.skipIf(sharedModels === null)('against the blocks and values of ggml', () => {
  const index: CodecIndex =
    sharedModels === null
      ? { types: [], quantisers: [] }
      : (JSON.parse(
          readFileSync(sharedModelPath('fixtures', 'codecs', 'index.json'), 'utf8'),
        ) as CodecIndex);
  const ours = index.types.filter((entry) => isOurs(entry.type));

  it('has vectors for every type but F32, which needs none', () => {
    expect(ours.map((entry) => entry.type).sort()).toEqual(
      types.filter((type) => type !== 'F32').sort(),
    );
    expect(index.quantisers.map((entry) => entry.type).sort()).toEqual([...packedTypes].sort());
  });

  it.each(ours)('$type dequantises bit for bit', (entry) => {
    const type = entry.type as TensorType;
    const { blockElements, blockBytes, dequantize } = quantType(type);
    expect([entry.type_id, entry.block_size, entry.type_size]).toEqual([
      tensorTypeIds[type],
      blockElements,
      blockBytes,
    ]);
    const expected = new Float32Array(fixture(entry.values).buffer);
    const actual = new Float32Array(expected.length);
    dequantize(fixture(entry.blocks), actual);
    expect(firstDifference(bitsOf(actual), bitsOf(expected))).toBe(-1);
  });

  it.each(index.quantisers)('$type quantises byte for byte', (entry) => {
    const expected = fixture(entry.output);
    const actual = new Uint8Array(expected.length);
    quantizer(entry.type as TensorType)(new Float32Array(fixture(entry.input).buffer), actual);
    expect(firstDifference(actual, expected)).toBe(-1);
  });

  it.each(['F16', 'BF16'] as const)('%s blocks survive a round trip', (type) => {
    const entry = ours.find((candidate) => candidate.type === type);
    if (entry === undefined) throw new Error(`no vectors for ${type}`);
    const blocks = fixture(entry.blocks);
    const values = new Float32Array(blocks.length / 2);
    quantType(type).dequantize(blocks, values);
    const again = new Uint8Array(blocks.length);
    quantizer(type)(values, again);
    expect(firstDifference(again, blocks)).toBe(-1);
  });
});

describe.each(writableTypes())('%s', (type) => {
  const { blockElements, blockBytes, dequantize } = quantType(type);
  const quantize = quantizer(type);

  it('reads from and writes to addresses that are not aligned', () => {
    const values = pseudoRandomValues(4 * blockElements, 3);
    const padded = new Uint8Array(4 * blockBytes + 3).fill(0xaa);
    quantize(values, padded.subarray(1, 1 + 4 * blockBytes));
    const aligned = new Uint8Array(4 * blockBytes);
    quantize(values, aligned);
    expect(padded.slice(1, -2)).toEqual(aligned);
    expect([padded[0], padded.at(-1)]).toEqual([0xaa, 0xaa]);

    const direct = new Float32Array(values.length);
    const shifted = new Float32Array(values.length + 2);
    dequantize(aligned, direct);
    dequantize(padded.subarray(1, 1 + 4 * blockBytes), shifted.subarray(1, -1));
    expect(shifted.slice(1, -1)).toEqual(direct);
    expect([shifted[0], shifted.at(-1)]).toEqual([0, 0]);
  });

  it('keeps values within half a step of its scale', () => {
    // Half a step of a range of -2 .. 2 relative to 2; the scale's own rounding is added below.
    const steps: Readonly<Partial<Record<TensorType, number>>> = {
      F32: 0,
      F16: 1 / 2048,
      BF16: 1 / 256,
      Q8_0: 1 / 254,
      Q5_1: 1 / 31,
      Q5_0: 1 / 16,
      Q4_1: 1 / 15,
      Q4_0: 1 / 8,
      // the scale with the least error may cut the extremes, and is rounded to 6 or 8 bits
      Q4_K: 1.5 / 15 + 1 / 63,
      Q5_K: 1.5 / 31 + 1 / 63,
      Q6_K: 1.5 / 32 + 1 / 128,
    };
    const values = pseudoRandomValues(64 * blockElements, 2);
    const bytes = new Uint8Array(64 * blockBytes);
    const decoded = new Float32Array(values.length);
    quantize(values, bytes);
    dequantize(bytes, decoded);
    const worst = values.reduce(
      (most, value, i) => Math.max(most, Math.abs(value - (decoded[i] as number))),
      0,
    );
    const scaleRounding = blockElements > 1 ? 2 ** -11 : 0;
    expect(worst).toBeLessThanOrEqual(2 * ((steps[type] ?? NaN) + scaleRounding));
    if (type !== 'F32') expect(worst).toBeGreaterThan(0);
  });

  it('refuses arrays that do not belong together', () => {
    const bytes = new Uint8Array(blockBytes + 1);
    const values = new Float32Array(blockElements);
    for (const call of [
      () => {
        dequantize(bytes, values);
      },
      () => {
        quantize(values, bytes);
      },
    ]) {
      expect(call).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    }
  });
});

describe('the K-quantisers', () => {
  const decoded = (type: TensorType, values: Float32Array): Float32Array => {
    const bytes = new Uint8Array(rowBytes(type, values.length));
    const result = new Float32Array(values.length);
    quantizer(type)(values, bytes);
    quantType(type).dequantize(bytes, result);
    return result;
  };
  const error = (type: TensorType, values: Float32Array): number => {
    const result = decoded(type, values);
    const squares = values.reduce((sum, value, i) => sum + (value - (result[i] ?? NaN)) ** 2, 0);
    return Math.sqrt(squares / values.reduce((sum, value) => sum + value ** 2, 0));
  };

  it('lose less than the plain types of their size, and zeros stay zeros', () => {
    for (const seed of [1, 2, 3]) {
      const values = randomValues(8192, seed).map((value) => value * 0.02);
      expect(error('Q4_K', values)).toBeLessThan(0.9 * error('Q4_0', values));
      expect(error('Q5_K', values)).toBeLessThan(0.6 * error('Q4_K', values));
      expect(error('Q6_K', values)).toBeLessThan(0.6 * error('Q5_0', values));
      expect(error('Q6_K', values)).toBeGreaterThan(error('Q8_0', values));
    }
    const zeros = new Float32Array(512);
    expect(decoded('Q4_K', zeros).every((value) => value === 0)).toBe(true);
    expect(decoded('Q6_K', zeros).every((value) => value === 0)).toBe(true);
  });

  it.each(['Q4_K', 'Q6_K'] as const)('%s keeps sub-blocks of different size apart', (type) => {
    const values = randomValues(256, 5).map((value, i) => (value + 1) * 2 ** -(i >> 6));
    expect(error(type, values)).toBeLessThan(type === 'Q4_K' ? 0.08 : 0.03);
    const ofOneSign = values.map((value) => Math.abs(value) + 1);
    expect(error(type, ofOneSign)).toBeLessThan(type === 'Q4_K' ? 0.08 : 0.03);
  });

  it('Q4_K has what it decoded to as a fixed point, but for rounded scales', () => {
    const once = decoded('Q4_K', randomValues(1024, 6));
    expect(error('Q4_K', once)).toBeLessThan(0.01);
  });
});

describe('importance', () => {
  const columns = 512;
  const values = randomValues(8 * columns, 9);
  // every fourth column is read by an input a hundred times as strong
  const importance = Float32Array.from({ length: columns }, (_, i) => (i % 4 === 0 ? 1e4 : 1));
  const weightedError = (type: TensorType, given?: Float32Array): number => {
    const bytes = new Uint8Array(8 * rowBytes(type, columns));
    const result = new Float32Array(values.length);
    quantizer(type)(values, bytes, given);
    quantType(type).dequantize(bytes, result);
    return values.reduce(
      (sum, value, i) => sum + (importance[i % columns] ?? NaN) * (value - (result[i] ?? NaN)) ** 2,
      0,
    );
  };

  it.each(['Q4_0', 'Q4_K', 'Q5_K', 'Q6_K'] as const)(
    'makes %s err where it matters less',
    (type) => {
      expect(weightedError(type, importance)).toBeLessThan(0.9 * weightedError(type));
    },
  );

  it.each(['Q8_0', 'F16'] as const)('does not change %s', (type) => {
    expect(weightedError(type, importance)).toBe(weightedError(type));
  });
});

describe('types that can only be read', () => {
  const readOnly = types.filter((type) => !writableTypes().includes(type));

  it.each(readOnly)('%s reads addresses that are not aligned', (type) => {
    const { blockElements, blockBytes, dequantize } = quantType(type);
    const blocks = randomBlocks(type, 3, 7);
    const aligned = new Float32Array(3 * blockElements);
    dequantize(blocks, aligned);
    const padded = new Uint8Array(3 * blockBytes + 3).fill(0xaa);
    padded.set(blocks, 1);
    const shifted = new Float32Array(aligned.length + 2);
    dequantize(padded.subarray(1, 1 + 3 * blockBytes), shifted.subarray(1, -1));
    expect(shifted.slice(1, -1)).toEqual(aligned);
    expect([shifted[0], shifted.at(-1)]).toEqual([0, 0]);
  });

  it.each(readOnly)('%s refuses arrays that do not belong together', (type) => {
    const { blockElements, blockBytes, dequantize } = quantType(type);
    expect(() => {
      dequantize(new Uint8Array(blockBytes + 1), new Float32Array(blockElements));
    }).toThrow(expect.objectContaining({ code: 'invalid-argument' }) as Error);
  });

  it.each(readOnly)('%s says which types can be written', (type) => {
    expect(() => quantizer(type)).toThrow(
      expect.objectContaining({
        code: 'not-supported',
        message: expect.stringMatching(/Q8_0/) as string,
      }) as Error,
    );
  });
});

describe('rowBytes', () => {
  it('counts whole blocks', () => {
    expect(rowBytes('F32', 5)).toBe(20);
    expect(rowBytes('Q4_0', 64)).toBe(36);
    expect(rowBytes('Q8_0', 0)).toBe(0);
  });

  it.each([33, -32, 0.5, 2 ** 53])('refuses %s columns of Q8_0', (columns) => {
    let thrown: unknown;
    try {
      rowBytes('Q8_0', columns);
    } catch (error) {
      thrown = error;
    }
    expect(hasCode(thrown, 'invalid-argument')).toBe(true);
  });
});

describe('BF16 rounding', () => {
  it('goes to the nearest, ties to even, and keeps infinities and NaN apart', () => {
    const values = new Float32Array([1 + 2 ** -8, 1 + 3 * 2 ** -8, -Infinity, NaN, 3.4e38]);
    const bytes = new Uint8Array(10);
    quantizer('BF16')(values, bytes);
    const decoded = new Float32Array(5);
    quantType('BF16').dequantize(bytes, decoded);
    expect([...decoded]).toEqual([1, 1 + 2 ** -6, -Infinity, NaN, Infinity]);
  });
});
