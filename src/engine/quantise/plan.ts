/**
 * From a model's header, a recipe and what was measured to the type of every tensor and the size of
 * the result.
 */
import { AppError } from '../../common/errors.ts';
import type { GgufFile, GgufTensor } from '../formats/gguf/gguf-file.ts';
import { quantType, rowBytes } from '../formats/quants/registry.ts';
import type { TensorType } from '../graph/dtype.ts';
import { possibleType, wantedType, type Recipe, type RecipeName, recipeNames } from './recipe.ts';
import { columnsOf, type Survey } from './survey.ts';
import { tensorPlace } from './tensor-class.ts';

export interface PlannedTensor {
  readonly tensor: GgufTensor;
  readonly type: TensorType;
  /** Relative error measured on a sample, null where the tensor stays as it is. */
  readonly expectedError: number | null;
}

export interface QuantisationPlan {
  readonly recipe: Recipe;
  /** In file order. */
  readonly tensors: readonly PlannedTensor[];
  /** Of all tensors. */
  readonly dataBytes: number;
  readonly bitsPerWeight: number;
  /** Root mean square of the matrices' relative errors, each counting by its number of weights. */
  readonly expectedError: number;
  /** True where tensors were rounded before: what that cost stays, and is not in the error. */
  readonly fromQuantised: boolean;
}

/** From small to large: the steps of recipes with a budget. */
const ladder: readonly TensorType[] = ['Q4_K', 'Q5_K', 'Q6_K', 'Q8_0'];

const floatTypes: ReadonlySet<TensorType> = new Set(['F32', 'F16', 'BF16']);

/** The types that any recipe of `recipes` may choose for a tensor, for the survey. */
export function candidateTypes(
  file: GgufFile,
  tensor: GgufTensor,
  recipes: readonly Recipe[],
): readonly TensorType[] {
  const types = recipes.flatMap((recipe) =>
    typeof recipe === 'string' ? [namedType(file, tensor, recipe)] : steps(file, tensor),
  );
  return [...new Set(types)].filter((type) => type !== tensor.type);
}

/** @throws AppError `invalid-argument` for a budget that is no number of bits */
export function planQuantisation(file: GgufFile, recipe: Recipe, survey: Survey): QuantisationPlan {
  const types =
    typeof recipe === 'string'
      ? [...file.tensors.values()].map((tensor) => namedType(file, tensor, recipe))
      : spendBudget(file, requireBits(recipe.bitsPerWeight), survey);
  const tensors = [...file.tensors.values()].map((tensor, index) => {
    const type = types[index] ?? tensor.type;
    const expectedError = survey.get(tensor.name)?.get(type) ?? null;
    return { tensor, type, expectedError };
  });
  const dataBytes = sum(tensors, ({ tensor, type }) => bytesAs(tensor, type));
  const elements = sum(tensors, ({ tensor }) => tensor.elements);
  const measured = tensors.filter(({ expectedError }) => expectedError !== null);
  const weights = sum(measured, ({ tensor }) => tensor.elements);
  const squares = sum(
    measured,
    ({ tensor, expectedError }) => tensor.elements * (expectedError ?? 0) ** 2,
  );
  return {
    recipe,
    tensors,
    dataBytes,
    bitsPerWeight: elements === 0 ? 0 : (8 * dataBytes) / elements,
    expectedError: weights === 0 ? 0 : Math.sqrt(squares / weights),
    fromQuantised: measured.some(({ tensor }) => !floatTypes.has(tensor.type)),
  };
}

/** Whether a recipe makes a model smaller at all; each `name` of `recipeNames` that does. */
export function usefulRecipes(file: GgufFile): readonly RecipeName[] {
  const before = sum([...file.tensors.values()], ({ sizeBytes }) => sizeBytes);
  return recipeNames.filter((name) => {
    const after = sum([...file.tensors.values()], (tensor) =>
      bytesAs(tensor, namedType(file, tensor, name)),
    );
    return after < 0.95 * before;
  });
}

function namedType(file: GgufFile, tensor: GgufTensor, recipe: RecipeName): TensorType {
  const place = tensorPlace(file, tensor);
  if (place === null) return keptType(tensor);
  return possibleType(wantedType(recipe, place), tensor.type, columnsOf(tensor));
}

/** Vectors are few and added as they are: F32, as every reader expects; matrices stay what they are. */
function keptType({ shape, type }: GgufTensor): TensorType {
  return shape.length === 1 && floatTypes.has(type) ? 'F32' : type;
}

/** What a tensor may be in a recipe with a budget, from small to large. */
function steps(file: GgufFile, tensor: GgufTensor): readonly TensorType[] {
  if (tensorPlace(file, tensor) === null) return [keptType(tensor)];
  const types = ladder.map((type) => possibleType(type, tensor.type, columnsOf(tensor)));
  return [...new Set(types)].sort((a, b) => bytesAs(tensor, a) - bytesAs(tensor, b));
}

interface Climber {
  readonly tensor: GgufTensor;
  readonly types: readonly TensorType[];
  step: number;
}

/**
 * Everything begins at its smallest type; then, as long as the budget allows, the tensor is raised
 * whose error falls most for each byte more. Errors are relative to the tensor's own values (and,
 * with importance, to what it adds to the layer's output), so they can be compared.
 */
function spendBudget(file: GgufFile, bitsPerWeight: number, survey: Survey): readonly TensorType[] {
  const climbers: Climber[] = [...file.tensors.values()].map((tensor) => ({
    tensor,
    types: steps(file, tensor),
    step: 0,
  }));
  const elements = sum(climbers, ({ tensor }) => tensor.elements);
  let left = (bitsPerWeight / 8) * elements - sum(climbers, (c) => bytesAs(c.tensor, typeOf(c, 0)));
  for (;;) {
    let best: Climber | null = null;
    let bestGain = 0;
    let bestCost = 0;
    for (const climber of climbers) {
      if (climber.step + 1 >= climber.types.length) continue;
      const [now, next] = [typeOf(climber, climber.step), typeOf(climber, climber.step + 1)];
      const cost = bytesAs(climber.tensor, next) - bytesAs(climber.tensor, now);
      const errors = survey.get(climber.tensor.name);
      const gain = ((errors?.get(now) ?? 0) ** 2 - (errors?.get(next) ?? 0) ** 2) / cost;
      if (cost <= left && gain > bestGain) [best, bestGain, bestCost] = [climber, gain, cost];
    }
    if (best === null) return climbers.map((climber) => typeOf(climber, climber.step));
    best.step++;
    left -= bestCost;
  }
}

function typeOf({ tensor, types }: Climber, step: number): TensorType {
  return types[step] ?? tensor.type;
}

export function bytesAs({ shape, elements }: GgufTensor, type: TensorType): number {
  const columns = shape[0] ?? 1;
  return (elements / columns) * rowBytes(type, columns);
}

function requireBits(bits: number): number {
  const largest = (8 * quantType('Q8_0').blockBytes) / quantType('Q8_0').blockElements;
  if (Number.isFinite(bits) && bits >= 2 && bits <= largest) return bits;
  throw new AppError(
    'invalid-argument',
    `The bits per weight must be a number from 2 to ${largest}.`,
    { details: { bitsPerWeight: bits } },
  );
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
