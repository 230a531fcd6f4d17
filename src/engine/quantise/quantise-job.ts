/** One model made smaller, from its header to the last byte: measure, choose, write. */
import type { ByteSource } from '../../common/byte-source.ts';
import type { GgufFile } from '../formats/gguf/gguf-file.ts';
import type { ImportanceOfModel } from './importance.ts';
import { candidateTypes, planQuantisation } from './plan.ts';
import { layoutOf, quantiseModel, type QuantiseReport } from './quantise-model.ts';
import type { Recipe } from './recipe.ts';
import type { RowCodec } from './row-codec.ts';
import { surveyTensors } from './survey.ts';

export type QuantisePhase = 'measuring' | 'writing';

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
  readonly importance: ImportanceOfModel | null;
  readonly signal: AbortSignal;
  readonly emit: (event: QuantiseJobEvent) => void;
  readonly write: (bytes: Uint8Array<ArrayBuffer>) => Promise<void>;
}

/** @throws as `surveyTensors`, `planQuantisation` and `quantiseModel` */
export async function runQuantiseJob(job: QuantiseJob): Promise<QuantiseReport> {
  const { file, recipe, importance, emit } = job;
  const report =
    (phase: QuantisePhase) =>
    (done: number, total: number): void => {
      emit({ kind: 'progress', phase, fraction: total === 0 ? 1 : done / total });
    };
  const survey = await surveyTensors({
    ...job,
    importance: importance?.columns ?? null,
    candidates: (tensor) => candidateTypes(file, tensor, [recipe]),
    onProgress: report('measuring'),
  });
  const plan = planQuantisation(file, recipe, survey);
  const { sizeBytes } = layoutOf(file, plan, importance);
  emit({ kind: 'planned', sizeBytes, fromQuantised: plan.fromQuantised });
  return quantiseModel({ ...job, plan, onProgress: report('writing') });
}
