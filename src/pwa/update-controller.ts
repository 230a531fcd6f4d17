import { AppError } from '../common/errors.ts';
import { ObservableValue, type Observable } from '../common/observable.ts';

/** `ready`: an update may be applied; `waiting`: it may be once the work under way has ended. */
export type UpdateState = 'none' | 'ready' | 'waiting';

/** What is used of workbox-window's `Workbox`. */
export interface ServiceWorkerClient {
  register(): Promise<unknown>;
  addEventListener(type: 'waiting' | 'controlling', listener: () => void): void;
  messageSkipWaiting(): void;
}

export interface UpdateControllerOptions {
  /** Null where there is no service worker: there are no updates then. */
  readonly client: ServiceWorkerClient | null;
  /** True while an answer is written, a model is fetched or loaded: a reload would lose work. */
  readonly busy: Observable<boolean>;
  /** Loads the page anew; the new version serves it. */
  readonly reload: () => void;
}

/**
 * Knows whether a new version of Hermit is installed and waits, and switches to it when told to.
 *
 * Nothing here acts on its own: a new service worker stays waiting until `apply` is called, and a
 * tab that did not ask goes on with its old version when another tab switches.
 */
export class UpdateController {
  readonly #client: ServiceWorkerClient | null;
  readonly #busy: Observable<boolean>;
  readonly #reload: () => void;
  readonly #state = new ObservableValue<UpdateState>('none');
  readonly #stopObserving: () => void;
  #installed = false;
  #applying = false;

  constructor({ client, busy, reload }: UpdateControllerOptions) {
    this.#client = client;
    this.#busy = busy;
    this.#reload = reload;
    client?.addEventListener('waiting', () => {
      this.#installed = true;
      this.#publish();
    });
    client?.addEventListener('controlling', () => {
      if (this.#applying) this.#reload();
    });
    this.#stopObserving = busy.subscribe(() => {
      this.#publish();
    });
  }

  get state(): Observable<UpdateState> {
    return this.#state;
  }

  /**
   * Registers the service worker, which makes Hermit work offline from the next visit on.
   *
   * @throws AppError `not-supported` when the browser refuses; Hermit works without it, online.
   */
  async start(): Promise<void> {
    try {
      await this.#client?.register();
    } catch (cause) {
      throw new AppError(
        'not-supported',
        'Hermit could not be prepared for use without a network. It works while you are online; free some storage space and reload the page to try again.',
        { cause },
      );
    }
  }

  /** Switches to the new version and reloads, or does nothing while none is ready or work is under way. */
  apply(): void {
    if (this.#state.value !== 'ready' || this.#applying) return;
    this.#applying = true;
    this.#client?.messageSkipWaiting();
  }

  dispose(): void {
    this.#stopObserving();
  }

  #publish(): void {
    if (!this.#installed) return;
    this.#state.set(this.#busy.value ? 'waiting' : 'ready');
  }
}
