/** One folder made a GGUF file, from its configuration to the last byte: as it is, or quantised on the way. */
import { throwIfAborted } from '../../common/abort.ts';
import { MEBIBYTE } from '../../common/bytes.ts';
import type { ObservableBackend } from '../backend/backend.ts';
import { readGguf } from '../formats/gguf/reader.ts';
import { defineModel } from '../models/registry.ts';
import { runQuantiseJob, type QuantiseJobEvent } from '../quantise/quantise-job.ts';
import type { QuantiseReport } from '../quantise/quantise-model.ts';
import type { Recipe } from '../quantise/recipe.ts';
import type { RowCodec } from '../quantise/row-codec.ts';
import type { ModelFolder } from './conversion-plan.ts';
import { convertFolder } from './converted-model.ts';

const pieceBytes = 2 * MEBIBYTE;

export interface ConversionJob {
  readonly folder: ModelFolder;
  /** Null: every tensor keeps its type. */
  readonly recipe: Recipe | null;
  readonly createCodec: () => Promise<RowCodec>;
  readonly createBackend: () => Promise<ObservableBackend>;
  readonly signal: AbortSignal;
  readonly emit: (event: QuantiseJobEvent) => void;
  readonly write: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
}

/** @throws ModelFileError as `convertFolder` and `defineModel`; as `runQuantiseJob` */
export async function runConversionJob(job: ConversionJob): Promise<QuantiseReport> {
  const { folder, recipe, signal, emit, write } = job;
  const source = await convertFolder(folder, signal);
  const file = await readGguf(source);
  // a model that could not be run is refused before it is written
  defineModel(file);
  if (recipe !== null) {
    const codec = await job.createCodec();
    return runQuantiseJob({ ...job, source, file, recipe, codec, calibration: null });
  }
  emit({ kind: 'planned', sizeBytes: source.size, fromQuantised: false });
  for (let offset = 0; offset < source.size; offset += pieceBytes) {
    throwIfAborted(signal);
    await write(await source.read(offset, Math.min(pieceBytes, source.size - offset), signal));
    emit({ kind: 'progress', phase: 'writing', fraction: offset / source.size });
  }
  return { sizeBytes: source.size, tensors: [] };
}
