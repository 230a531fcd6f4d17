import type { ActiveModelView, ModelView } from '../services.ts';

/** Whether a message can be answered, and what stands in the way. */
export type Readiness =
  | { readonly kind: 'ready' }
  | { readonly kind: 'no-model' }
  /** A model is here but not the one that answers: the last one used is proposed. */
  | { readonly kind: 'choose'; readonly model: ModelView }
  /** A model is on its way. */
  | { readonly kind: 'arriving'; readonly model: ModelView };

/** A model being loaded counts as ready: the message is answered as soon as it is there. */
export function readinessOf(models: readonly ModelView[], active: ActiveModelView): Readiness {
  if (active.kind === 'ready' || active.kind === 'loading') return { kind: 'ready' };
  const usable = models
    .filter((model) => model.state.kind === 'ready')
    .toSorted((a, b) => (b.lastUsedAt ?? b.addedAt) - (a.lastUsedAt ?? a.addedAt));
  const [latest] = usable;
  if (latest !== undefined) return { kind: 'choose', model: latest };
  const arriving = models.find((model) => model.state.kind !== 'deleting');
  return arriving === undefined ? { kind: 'no-model' } : { kind: 'arriving', model: arriving };
}
