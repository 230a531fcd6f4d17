/**
 * Recipes: which type each tensor of a model becomes. The mixtures follow the practice of llama.cpp:
 * what every later layer depends on (values of the attention, the second half of the feed-forward,
 * the output) is kept higher, most of all in the first and last eighth of the layers.
 */
import { AppError } from '../../common/errors.ts';
import type { TensorType } from '../graph/dtype.ts';
import { rowBytes, quantType } from '../formats/quants/registry.ts';
import type { TensorPlace } from './tensor-class.ts';

export const recipeNames = ['Q8_0', 'Q6_K', 'Q5_K_M', 'Q4_K_M', 'Q4_0'] as const;
export type RecipeName = (typeof recipeNames)[number];

/** A named mixture, or as many bits a weight as there may be, spent where errors were measured largest. */
export type Recipe = RecipeName | { readonly bitsPerWeight: number };

/**
 * A recipe from outside.
 * @throws AppError `invalid-argument` naming the recipes there are
 */
export function recipeOf(value: unknown): Recipe {
  const name = recipeNames.find((candidate) => candidate === value);
  if (name !== undefined) return name;
  const bits = value !== null && typeof value === 'object' && 'bitsPerWeight' in value;
  if (bits && typeof value.bitsPerWeight === 'number')
    return { bitsPerWeight: value.bitsPerWeight };
  throw new AppError(
    'invalid-argument',
    `A recipe is ${recipeNames.join(', ')} or { bitsPerWeight: a number }.`,
    { details: { recipe: String(value), recipes: recipeNames } },
  );
}

/** How it is written into files and shown: "Q4_K_M", "4.8 bits". */
export function recipeLabel(recipe: Recipe): string {
  return typeof recipe === 'string' ? recipe : `${recipe.bitsPerWeight} bits`;
}

/** Numbers of `general.file_type` (llama.cpp's `llama_ftype`). */
export const fileTypes: Readonly<Record<RecipeName, number>> = {
  Q4_0: 2,
  Q8_0: 7,
  Q4_K_M: 15,
  Q5_K_M: 17,
  Q6_K: 18,
};

/** What a recipe wants for a tensor, before the size of its rows and its source are looked at. */
export function wantedType(recipe: RecipeName, place: TensorPlace): TensorType {
  const { role } = place;
  switch (recipe) {
    case 'Q8_0':
      return 'Q8_0';
    case 'Q6_K':
      return role === 'output' ? 'Q8_0' : 'Q6_K';
    case 'Q5_K_M':
      return mixture(place, 'Q5_K');
    case 'Q4_K_M':
      return role === 'fused-attention' ? 'Q5_K' : mixture(place, 'Q4_K');
    case 'Q4_0':
      return role === 'output' ? 'Q6_K' : 'Q4_0';
  }
}

function mixture({ role, layer, layers }: TensorPlace, base: TensorType): TensorType {
  switch (role) {
    case 'output':
      return 'Q6_K';
    case 'attention-value':
    case 'feed-forward-down':
      return isSensitiveLayer(layer, layers) ? 'Q6_K' : base;
    case 'embedding':
    case 'fused-attention':
    case 'matrix':
      return base;
  }
}

/** The first and last eighth of the layers and every third between them. */
function isSensitiveLayer(layer: number, layers: number): boolean {
  const eighth = Math.floor(layers / 8);
  return layer < eighth || layer >= layers - eighth || (layer - eighth) % 3 === 2;
}

/** Types for rows that are no whole number of 256 values, then for rows that are none of 32. */
const fallbacks: Readonly<Partial<Record<TensorType, TensorType>>> = {
  Q4_K: 'Q5_0',
  Q5_K: 'Q5_1',
  Q6_K: 'Q8_0',
};

/**
 * The type nearest to `wanted` that rows of `columns` values can have and that is smaller than
 * `source`; `source` itself where there is none: nothing becomes better by being stored larger.
 */
export function possibleType(wanted: TensorType, source: TensorType, columns: number): TensorType {
  const fits = (type: TensorType): boolean => columns % quantType(type).blockElements === 0;
  let type = wanted;
  if (!fits(type)) type = fallbacks[type] ?? 'F16';
  if (!fits(type)) type = 'F16';
  return rowBytes(type, columns) < rowBytes(source, columns) ? type : source;
}
