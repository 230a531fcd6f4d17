import type { ErrorCode } from '../../common/errors.ts';
import type { ActiveModelView, ModelView } from '../services.ts';

/** Whether a message can be answered, and what stands in the way. */
export type Readiness =
  | { readonly kind: 'ready' }
  | { readonly kind: 'no-model' }
  /** A model is here but not the one that answers: the last one used is proposed. */
  | { readonly kind: 'choose'; readonly model: ModelView }
  /** A model is on its way. */
  | { readonly kind: 'arriving'; readonly model: ModelView };

/**
 * A model being loaded counts as ready: the message is answered as soon as it is there. So does one
 * that was lost with its worker, which the next message brings back. One that cannot be loaded is not
 * proposed again while there is another, and one that makes vectors never.
 */
export function readinessOf(models: readonly ModelView[], active: ActiveModelView): Readiness {
  if (active.kind === 'ready' || active.kind === 'loading') return { kind: 'ready' };
  if (active.kind === 'failed' && wasLost(active.error.code)) return { kind: 'ready' };
  const refused = active.kind === 'failed' ? active.id : null;
  const able = models.filter(({ purpose }) => purpose !== 'embedding');
  const usable = able
    .filter((model) => model.state.kind === 'ready')
    .toSorted((a, b) => (b.lastUsedAt ?? b.addedAt) - (a.lastUsedAt ?? a.addedAt));
  const latest = usable.find(({ id }) => id !== refused) ?? usable[0];
  if (latest !== undefined) return { kind: 'choose', model: latest };
  const arriving = able.find((model) => model.state.kind !== 'deleting');
  return arriving === undefined ? { kind: 'no-model' } : { kind: 'arriving', model: arriving };
}

function wasLost(code: ErrorCode): boolean {
  return code === 'engine/worker-died' || code === 'engine/worker-silent';
}
