import type { ModelsService } from '../services.ts';

/**
 * Makes a model that the person added in this visit the one that answers, once it is complete, if none
 * does yet: whoever waited for a download wants to talk, not to press another button.
 */
export class FirstModel {
  readonly #models: ModelsService;
  readonly #onError: (error: unknown) => void;
  readonly #expected = new Set<string>();
  readonly stop: () => void;

  constructor(models: ModelsService, onError: (error: unknown) => void) {
    this.#models = models;
    this.#onError = onError;
    this.stop = models.models.subscribe(() => {
      this.#check();
    });
  }

  expect(id: string): void {
    this.#expected.add(id);
    this.#check();
  }

  #check(): void {
    if (this.#expected.size === 0 || this.#models.active.value.kind !== 'none') return;
    const ready = this.#models.models.value.find(
      // Not before it is known that it can answer.
      ({ id, state, purpose }) =>
        state.kind === 'ready' && purpose === 'chat' && this.#expected.has(id),
    );
    if (ready === undefined) return;
    this.#expected.clear();
    this.#models.select(ready.id).catch(this.#onError);
  }
}
