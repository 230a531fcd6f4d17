import { msg, str } from '@lit/localize';
import { formatNumber } from '../format.ts';
import type { RecipeView, SmallerModelView } from '../services.ts';

/** Recipes and what they cost, in words. */

export function recipeName(recipe: RecipeView): string {
  if (typeof recipe !== 'string') {
    return msg(str`Balanced by measurement (${formatNumber(recipe.bitsPerWeight, 1)} bits)`, {
      id: 'smaller.automatic',
    });
  }
  switch (recipe) {
    case 'Q8_0':
      return msg('Nearly the original (Q8_0)', { id: 'smaller.q8' });
    case 'Q6_K':
      return msg('Very close (Q6_K)', { id: 'smaller.q6' });
    case 'Q5_K_M':
      return msg('Close (Q5_K_M)', { id: 'smaller.q5' });
    case 'Q4_K_M':
      return msg('Compact (Q4_K_M)', { id: 'smaller.q4k' });
    case 'Q4_0':
      return msg('Compact and simple (Q4_0)', { id: 'smaller.q4' });
    default:
      return recipe;
  }
}

/**
 * What answers will show of an error of the weights. Experience with such files: below 1 % nobody
 * tells them apart, at 5 to 10 % facts and rare words begin to suffer.
 */
export function lossText({ expectedError }: SmallerModelView): string {
  const percent = `${formatNumber(100 * expectedError, 1)} %`;
  if (expectedError < 0.01) {
    return msg(str`No loss you would notice (weights change by ${percent})`, {
      id: 'smaller.lossNone',
    });
  }
  if (expectedError < 0.03) {
    return msg(str`Hardly any loss (weights change by ${percent})`, { id: 'smaller.lossLittle' });
  }
  if (expectedError < 0.06) {
    return msg(str`A small loss (weights change by ${percent})`, { id: 'smaller.lossSmall' });
  }
  return msg(str`Some loss in details (weights change by ${percent})`, { id: 'smaller.lossSome' });
}
