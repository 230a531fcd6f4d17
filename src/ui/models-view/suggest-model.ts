import type { CatalogModelView } from '../services.ts';

/** Tokens a second: about 240 words a minute and a third more tokens than words. */
const READING_SPEED = 5;

/**
 * The model proposed to a newcomer: the catalogue's first that needs no sign-in, fits well and is
 * expected to write faster than people read; without such one the first that fits. The catalogue is
 * in the order in which its authors recommend.
 */
export function suggestModel(models: readonly CatalogModelView[]): CatalogModelView | null {
  const open = models.filter(({ licence, fit }) => !licence.gated && fit.kind !== 'exceeds');
  const pleasant = ({ fit }: CatalogModelView): boolean =>
    fit.kind === 'fits' && (fit.speed?.tokensPerSecond ?? READING_SPEED) >= READING_SPEED;
  return open.find(pleasant) ?? open[0] ?? null;
}
