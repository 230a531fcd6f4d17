/**
 * What each tensor would lose in each type, measured on a sample of its rows before anything is
 * written: the basis of estimates, of recipes with a budget, and of the errors noted in the file.
 */
import { throwIfAborted } from '../../common/abort.ts';
import type { ByteSource } from '../../common/byte-source.ts';
import { ModelFileError } from '../../common/errors.ts';
import type { GgufFile, GgufTensor } from '../formats/gguf/gguf-file.ts';
import { rowBytes } from '../formats/quants/registry.ts';
import type { TensorType } from '../graph/dtype.ts';
import { columnWeights, type Importance } from './importance.ts';
import { relativeError, type RowCodec, type RowError } from './row-codec.ts';

/** Relative errors by type, by tensor name. */
export type Survey = ReadonlyMap<string, ReadonlyMap<TensorType, number>>;

export interface SurveyOptions {
  readonly source: ByteSource;
  readonly file: GgufFile;
  readonly codec: RowCodec;
  readonly importance: Importance | null;
  /** The types a tensor may become; none: it is not looked at. */
  readonly candidates: (tensor: GgufTensor) => readonly TensorType[];
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/**
 * Values looked at in a tensor. The error of a tensor of like rows is known to about 1 % from so
 * many, and a model of 300 tensors takes seconds.
 */
const sampleValues = 32_768;
/** Places that the sample is taken from, spread over the tensor. */
const samplePlaces = 4;

/** @throws ModelFileError `model-file/invalid-numbers`; `aborted`; what the source throws */
export async function surveyTensors(options: SurveyOptions): Promise<Survey> {
  const { source, file, codec, importance, candidates, signal, onProgress } = options;
  const survey = new Map<string, ReadonlyMap<TensorType, number>>();
  let done = 0;
  for (const tensor of file.tensors.values()) {
    throwIfAborted(signal);
    const types = candidates(tensor);
    if (types.length > 0) {
      const columns = columnsOf(tensor);
      const weights = columnWeights(importance?.get(tensor.name), columns);
      const sums = new Map<TensorType, RowError>();
      for (const rows of await readSample(source, tensor, signal)) {
        for (const type of types) {
          const error = codec.encode(rows, tensor.type, type, columns, weights);
          sums.set(type, addErrors(sums.get(type), error));
        }
      }
      survey.set(
        tensor.name,
        new Map([...sums].map(([type, sum]) => [type, checked(tensor, sum)])),
      );
    }
    onProgress?.(++done, file.tensors.size);
  }
  return survey;
}

export function columnsOf({ shape }: GgufTensor): number {
  return shape[0] ?? 1;
}

export function addErrors(a: RowError | undefined, b: RowError): RowError {
  return {
    squaredError: (a?.squaredError ?? 0) + b.squaredError,
    power: (a?.power ?? 0) + b.power,
  };
}

/** @throws ModelFileError `model-file/invalid-numbers` where values were NaN or infinite */
export function checked(tensor: GgufTensor, sum: RowError): number {
  const error = relativeError(sum);
  if (Number.isFinite(error) && Number.isFinite(sum.power)) return error;
  throw new ModelFileError(
    'model-file/invalid-numbers',
    `The tensor "${tensor.name}" holds numbers that are not finite. The file is damaged or was made by a faulty tool: get it again or choose another one.`,
    { field: tensor.name, offsetBytes: tensor.offsetBytes },
    { details: { tensor: tensor.name } },
  );
}

async function readSample(
  source: ByteSource,
  tensor: GgufTensor,
  signal: AbortSignal | undefined,
): Promise<readonly Uint8Array[]> {
  const columns = columnsOf(tensor);
  const bytes = rowBytes(tensor.type, columns);
  const rows = tensor.elements / columns;
  const wanted = Math.min(rows, Math.max(samplePlaces, Math.ceil(sampleValues / columns)));
  const places = Math.min(samplePlaces, wanted);
  const each = Math.floor(wanted / places);
  return Promise.all(
    Array.from({ length: places }, (_, place) => {
      const first = Math.floor((place * (rows - each)) / Math.max(1, places - 1));
      return source.read(tensor.offsetBytes + first * bytes, each * bytes, signal);
    }),
  );
}
