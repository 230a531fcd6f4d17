/** Where it is remembered that a version was reloaded once: `sessionStorage`. */
export interface ReloadMemory {
  getItem(key: string): string | null;
  setItem(key: string, value: string): void;
}

export interface PreloadErrorGuardOptions {
  /** Where Vite announces that a part of the app could not be loaded: the window. */
  readonly events: EventTarget;
  readonly memory: ReloadMemory;
  /** The version that runs now. */
  readonly version: string;
  readonly isOnline: () => boolean;
  /** Keeps what would be lost, above all the text being typed. */
  readonly saveDraft: () => Promise<void>;
  readonly reload: () => void;
  /** Called where a reload would not help; the part stays missing and its caller rejects. */
  readonly report: (error: unknown) => void;
}

const KEY = 'hermit:reloaded-for-missing-part';

/**
 * Reloads the page, once per version, when a part of it is gone from the server: an old page that
 * asks for a file of its version after a new one was published. Offline nothing is reloaded,
 * because the part is then unreachable and not gone. Returns a function that stops watching.
 */
export function reloadWhenPartsAreMissing(options: PreloadErrorGuardOptions): () => void {
  const { events, memory, version } = options;
  const onError = (event: Event): void => {
    const error = (event as Event & { readonly payload?: unknown }).payload;
    if (!options.isOnline() || memory.getItem(KEY) === version) {
      options.report(error);
      return;
    }
    // Prevented, Vite does not throw: the page is about to go.
    event.preventDefault();
    memory.setItem(KEY, version);
    options.saveDraft().catch(options.report).finally(options.reload);
  };
  events.addEventListener('vite:preloadError', onError);
  return () => {
    events.removeEventListener('vite:preloadError', onError);
  };
}
