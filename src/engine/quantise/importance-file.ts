/**
 * Reads importance files that llama.cpp's `llama-imatrix` wrote in its GGUF form: for each matrix
 * `NAME.in_sum2`, (columns, experts), sums of squares, and `NAME.counts`, how many rows were summed.
 */
import type { ByteSource } from '../../common/byte-source.ts';
import { ModelFileError } from '../../common/errors.ts';
import type { GgufFile, GgufTensor } from '../formats/gguf/gguf-file.ts';
import { readGguf } from '../formats/gguf/reader.ts';
import type { ImportanceOfModel } from './importance.ts';

const sumSuffix = '.in_sum2';

/** @throws ModelFileError `model-file/malformed` where it is no importance file; as `readGguf` */
export async function readImportanceFile(
  source: ByteSource,
  name: string,
): Promise<ImportanceOfModel> {
  const file = await readGguf(source);
  const columns = new Map<string, Float32Array>();
  for (const tensor of file.tensors.values()) {
    if (!tensor.name.endsWith(sumSuffix)) continue;
    const matrix = tensor.name.slice(0, -sumSuffix.length);
    columns.set(matrix, await readMeans(source, file, tensor, `${matrix}.counts`));
  }
  if (columns.size === 0 || file.metadata.findString('general.type') !== 'imatrix') {
    throw new ModelFileError(
      'model-file/malformed',
      'This is no importance file. Choose a file that llama-imatrix wrote, or a text.',
      { field: 'general.type', offsetBytes: 0 },
    );
  }
  return { columns, description: `importance file ${name}` };
}

/** Of all experts together: a column that one expert uses much must not be lost for it. */
async function readMeans(
  source: ByteSource,
  file: GgufFile,
  tensor: GgufTensor,
  countsName: string,
): Promise<Float32Array> {
  const counts = file.tensors.get(countsName);
  const columns = tensor.shape[0] ?? 0;
  const experts = tensor.elements / columns;
  if (counts?.type !== 'F32' || tensor.type !== 'F32' || counts.elements !== experts) {
    throw new ModelFileError(
      'model-file/malformed',
      `The importance file lacks the counts of "${tensor.name}". Make it again.`,
      { field: countsName, offsetBytes: tensor.offsetBytes },
    );
  }
  const sums = await readFloats(source, tensor);
  const rows = (await readFloats(source, counts)).reduce((sum, count) => sum + count, 0);
  const means = new Float32Array(columns);
  for (const [index, sum] of sums.entries()) {
    const column = index % columns;
    means[column] = (means[column] as number) + sum / Math.max(1, rows);
  }
  return means;
}

async function readFloats(source: ByteSource, tensor: GgufTensor): Promise<Float32Array> {
  const bytes = await source.read(tensor.offsetBytes, tensor.sizeBytes);
  return new Float32Array(bytes.buffer, bytes.byteOffset, tensor.elements);
}
