import type { CatalogModelView } from '../services.ts';

/**
 * The model proposed to a newcomer: the catalogue's first that needs no sign-in. The catalogue is in
 * the order in which its authors recommend.
 */
export function suggestModel(models: readonly CatalogModelView[]): CatalogModelView | null {
  return models.find((model) => !model.licence.gated) ?? null;
}
