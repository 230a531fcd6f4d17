import { ObservableValue, type Observable } from '../common/observable.ts';

/** `manual`: the browser installs only from its own menu, so that all one can do is say where. */
export type InstallState = 'unavailable' | 'available' | 'manual' | 'installed';

/** Chromium's event, which TypeScript's library does not know. */
interface BeforeInstallPromptEvent extends Event {
  prompt(): Promise<{ outcome: 'accepted' | 'dismissed' }>;
}

export interface InstallPromptOptions {
  /** Where `beforeinstallprompt` and `appinstalled` arrive: the window. */
  readonly events: EventTarget;
  /** Whether this page runs as an installed app: `matchMedia('(display-mode: standalone)')`. */
  readonly standalone: boolean;
  /**
   * `navigator.standalone`, which only Safari has (false in a tab, true as an app): the sign that
   * installing goes through the share menu.
   */
  readonly safariStandalone: boolean | undefined;
}

/** Keeps the browser's offer to install Hermit until somebody asks for it. */
export class InstallPrompt {
  readonly #state: ObservableValue<InstallState>;
  readonly #listening = new AbortController();
  #offer: BeforeInstallPromptEvent | null = null;

  constructor({ events, standalone, safariStandalone }: InstallPromptOptions) {
    this.#state = new ObservableValue<InstallState>(initialState(standalone, safariStandalone));
    const { signal } = this.#listening;
    const listen = (type: string, listener: (event: Event) => void): void => {
      events.addEventListener(type, listener, { signal });
    };
    listen('beforeinstallprompt', (event) => {
      // The browser's own banner would come at a moment of its choosing.
      event.preventDefault();
      this.#offer = event as BeforeInstallPromptEvent;
      this.#state.set('available');
    });
    listen('appinstalled', () => {
      this.#offer = null;
      this.#state.set('installed');
    });
  }

  get state(): Observable<InstallState> {
    return this.#state;
  }

  /** Shows the browser's dialog; call it from a click. Resolves with whether the person accepted. */
  async prompt(): Promise<boolean> {
    const offer = this.#offer;
    if (offer === null) return false;
    // An offer can be used once; after a refusal the browser decides when it makes another.
    this.#offer = null;
    this.#state.set('unavailable');
    const { outcome } = await offer.prompt();
    return outcome === 'accepted';
  }

  dispose(): void {
    this.#listening.abort();
  }
}

function initialState(standalone: boolean, safariStandalone: boolean | undefined): InstallState {
  if (standalone || safariStandalone === true) return 'installed';
  return safariStandalone === false ? 'manual' : 'unavailable';
}
