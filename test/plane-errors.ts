/**
 * What reading a tensor type through nibble planes changes, measured on the WASM backend: the root
 * mean square difference from the file's own values, relative to theirs. The values are seeded
 * normal deviates in the type's encoding, or random valid blocks where Hermit cannot write the type.
 */
import { equalLayers } from '../src/engine/backend/backend.ts';
import type { Precision } from '../src/engine/backend/backend.ts';
import { quantType } from '../src/engine/formats/quants/registry.ts';
import type { TensorType } from '../src/engine/graph/dtype.ts';
import { GraphBuilder } from '../src/engine/graph/graph-builder.ts';
import { randomRows } from './fixtures/random-blocks.ts';
import { createWasmBackend } from './fixtures/wasm-backend.ts';

const rows = 64;
const columns = 512;
/** Of the size of weights: their scales are subnormal halves in some types. */
const size = 0.02;

export interface PlaneErrors {
  readonly eightBits: number;
  readonly fourBits: number;
}

export async function measurePlaneErrors(
  types: readonly TensorType[],
): Promise<ReadonlyMap<TensorType, PlaneErrors>> {
  const backend = await createWasmBackend();
  const cache = backend.createCache({
    layers: equalLayers(1, 1, 8),
    capacity: rows,
    type: 'f32',
  });
  const errors = new Map<TensorType, PlaneErrors>();
  for (const type of types) {
    const bytes = randomRows(type, rows, columns, 1, size);
    const expected = new Float32Array(rows * columns);
    quantType(type).dequantize(bytes, expected);
    const writer = backend.beginWeight({ name: 'w', type, rows, columns, storage: 'planes' });
    writer.write(bytes);
    const weight = writer.finish();
    const builder = new GraphBuilder(new Map([['w', weight.spec]]));
    const graph = builder.finish(builder.takeOutputs(builder.embed('w')));
    const weights = new Map([['w', weight]]);
    const options = { weights, maxTokens: rows, maxOutputs: rows };
    const executable = backend.compile(graph, options);
    const tokens = Int32Array.from({ length: rows }, (_, row) => row);
    const read = async (precision: Precision): Promise<number> => {
      const step = { tokens, position: 0, outputs: rows, precision, cache };
      return relativeDifference(await backend.run(executable, step), expected);
    };
    errors.set(type, { eightBits: await read(8), fourBits: await read(4) });
    backend.releaseWeight(weight);
  }
  backend.dispose();
  return errors;
}

function relativeDifference(actual: Float32Array, expected: Float32Array): number {
  let difference = 0;
  let power = 0;
  for (const [index, value] of expected.entries()) {
    difference += ((actual[index] ?? NaN) - value) ** 2;
    power += value ** 2;
  }
  return Math.sqrt(difference / power);
}
