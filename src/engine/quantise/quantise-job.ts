/** One model made smaller, from its header to the last byte: measure, choose, write. */
import type { ByteSource } from '../../common/byte-source.ts';
import type { GgufFile } from '../formats/gguf/gguf-file.ts';
import type { ObservableBackend } from '../backend/backend.ts';
import { calibrate, type CalibrationText } from './calibrate.ts';
import { readImportanceFile } from './importance-file.ts';
import type { ImportanceOfModel } from './importance.ts';
import { candidateTypes, planQuantisation } from './plan.ts';
import { layoutOf, quantiseModel, type QuantiseReport } from './quantise-model.ts';
import type { Recipe } from './recipe.ts';
import type { RowCodec } from './row-codec.ts';
import { surveyTensors } from './survey.ts';

/** How the importance of columns is found: from a text, or from a file that says it. */
export type Calibration =
  | (CalibrationText & { readonly kind: 'text'; readonly budgetBytes: number })
  | { readonly kind: 'file'; readonly name: string; readonly source: ByteSource };

export type QuantisePhase = 'calibrating' | 'measuring' | 'writing';

export type QuantiseJobEvent =
  | {
      readonly kind: 'progress';
      readonly phase: QuantisePhase;
      /** Of this phase, 0 to 1. */
      readonly fraction: number;
    }
  /** Told once, before the first byte is written. */
  | { readonly kind: 'planned'; readonly sizeBytes: number; readonly fromQuantised: boolean };

export interface QuantiseJob {
  readonly source: ByteSource;
  readonly file: GgufFile;
  readonly recipe: Recipe;
  readonly codec: RowCodec;
  readonly calibration: Calibration | null;
  /** For measuring on a text. */
  readonly createBackend: () => Promise<ObservableBackend>;
  readonly signal: AbortSignal;
  readonly emit: (event: QuantiseJobEvent) => void;
  readonly write: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
}

/** @throws as `surveyTensors`, `planQuantisation` and `quantiseModel` */
export async function runQuantiseJob(job: QuantiseJob): Promise<QuantiseReport> {
  const { file, recipe, emit } = job;
  const report =
    (phase: QuantisePhase) =>
    (done: number, total: number): void => {
      emit({ kind: 'progress', phase, fraction: total === 0 ? 1 : done / total });
    };
  const importance = await findImportance(job, report('calibrating'));
  const survey = await surveyTensors({
    ...job,
    importance: importance?.columns ?? null,
    candidates: (tensor) => candidateTypes(file, tensor, [recipe]),
    onProgress: report('measuring'),
  });
  const plan = planQuantisation(file, recipe, survey);
  const { sizeBytes } = layoutOf(file, plan, importance);
  emit({ kind: 'planned', sizeBytes, fromQuantised: plan.fromQuantised });
  return quantiseModel({ ...job, plan, importance, onProgress: report('writing') });
}

async function findImportance(
  { calibration, ...job }: QuantiseJob,
  onProgress: (done: number, total: number) => void,
): Promise<ImportanceOfModel | null> {
  switch (calibration?.kind) {
    case undefined:
      return null;
    case 'text':
      return calibrate({ ...job, ...calibration, onProgress });
    case 'file':
      return readImportanceFile(calibration.source, calibration.name);
  }
}
