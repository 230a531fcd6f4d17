/** What each recipe would make of a model: its size, and what it would lose. */
import type { ByteSource } from '../../common/byte-source.ts';
import type { GgufFile } from '../formats/gguf/gguf-file.ts';
import { candidateTypes, planQuantisation, usefulRecipes } from './plan.ts';
import { layoutOf } from './quantise-model.ts';
import type { Recipe } from './recipe.ts';
import type { RowCodec } from './row-codec.ts';
import { surveyTensors } from './survey.ts';

export interface RecipeEstimate {
  readonly recipe: Recipe;
  readonly sizeBytes: number;
  readonly bitsPerWeight: number;
  /** Root mean square of the matrices' relative errors, measured on samples of their rows. */
  readonly expectedError: number;
  readonly fromQuantised: boolean;
}

export interface EstimateOptions {
  readonly source: ByteSource;
  readonly file: GgufFile;
  readonly codec: RowCodec;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** The size of Q4_K_M is what most devices can hold: the same, spent where it is needed most. */
export const automaticBitsPerWeight = 4.9;

/**
 * From large to small; none where the model is small already.
 * @throws ModelFileError `model-file/invalid-numbers`; `aborted`; what the source throws
 */
export async function estimateRecipes(
  options: EstimateOptions,
): Promise<readonly RecipeEstimate[]> {
  const { file } = options;
  const names = usefulRecipes(file);
  const recipes: readonly Recipe[] = names.includes('Q4_K_M')
    ? [...names, { bitsPerWeight: automaticBitsPerWeight }]
    : names;
  const survey = await surveyTensors({
    ...options,
    importance: null,
    candidates: (tensor) => candidateTypes(file, tensor, recipes),
  });
  return recipes
    .map((recipe) => {
      const plan = planQuantisation(file, recipe, survey);
      const { bitsPerWeight, expectedError, fromQuantised } = plan;
      const { sizeBytes } = layoutOf(file, plan, null);
      return { recipe, sizeBytes, bitsPerWeight, expectedError, fromQuantised };
    })
    .sort((a, b) => b.sizeBytes - a.sizeBytes);
}
