/** Holds a lock on the models in this tab's memory, so that another tab does not delete them. */
import { type Locks, modelUseLockName } from '../store/locks.ts';

export class ModelsInUse {
  readonly #locks: Locks;
  /** By what uses a model: the model, and how to let it go. */
  readonly #held = new Map<string, { readonly modelId: string; readonly release: () => void }>();

  constructor(locks: Locks) {
    this.#locks = locks;
  }

  /** What `user` (for example the model that answers) has in memory now; null: nothing. */
  use(user: string, modelId: string | null): void {
    const before = this.#held.get(user);
    if (before?.modelId === modelId) return;
    before?.release();
    this.#held.delete(user);
    if (modelId === null) return;
    let release = (): void => undefined;
    const used = new Promise<void>((resolve) => {
      release = resolve;
    });
    this.#held.set(user, { modelId, release });
    // Waits while another tab deletes it, and then finds nothing to load.
    this.#locks.hold(modelUseLockName(modelId), 'shared', () => used).catch(() => undefined);
  }
}
