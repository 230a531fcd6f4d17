/** One folder made a GGUF file: as it is, or quantised on the way. */
import { throwIfAborted } from '../../common/abort.ts';
import type { ByteSource } from '../../common/byte-source.ts';
import { MEBIBYTE } from '../../common/bytes.ts';
import type { ObservableBackend } from '../backend/backend.ts';
import type { GgufFile } from '../formats/gguf/gguf-file.ts';
import { runQuantiseJob, type QuantiseJobEvent } from '../quantise/quantise-job.ts';
import type { QuantiseReport } from '../quantise/quantise-model.ts';
import type { Recipe } from '../quantise/recipe.ts';
import type { RowCodec } from '../quantise/row-codec.ts';

const pieceBytes = 2 * MEBIBYTE;

export interface ConversionJob {
  /** The folder as the file that it becomes, and its header. */
  readonly source: ByteSource;
  readonly file: GgufFile;
  /** Null: every tensor keeps its type. */
  readonly recipe: Recipe | null;
  readonly createCodec: () => Promise<RowCodec>;
  readonly createBackend: () => Promise<ObservableBackend>;
  readonly signal: AbortSignal;
  readonly emit: (event: QuantiseJobEvent) => void;
  readonly write: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
}

/** @throws as `runQuantiseJob`; as reading the folder's files */
export async function runConversionJob(job: ConversionJob): Promise<QuantiseReport> {
  const { source, recipe, signal, emit, write } = job;
  if (recipe !== null) {
    const codec = await job.createCodec();
    return runQuantiseJob({ ...job, recipe, codec, calibration: null });
  }
  emit({ kind: 'planned', sizeBytes: source.size, fromQuantised: false });
  for (let offset = 0; offset < source.size; offset += pieceBytes) {
    throwIfAborted(signal);
    await write(await source.read(offset, Math.min(pieceBytes, source.size - offset), signal));
    emit({ kind: 'progress', phase: 'writing', fraction: offset / source.size });
  }
  return { sizeBytes: source.size, tensors: [] };
}
