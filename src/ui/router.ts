import { ObservableValue } from '../common/observable.ts';
import type { Observable } from '../common/observable.ts';

/** Where the person is. A chat without an id is one not begun. */
export type Route =
  | { readonly page: 'chat'; readonly id: string | null }
  | { readonly page: 'models' }
  | { readonly page: 'settings' }
  | { readonly page: 'storage' };

/** Anything unknown leads to a new chat, so that an old or mistyped address never shows an error. */
export function parseRoute(hash: string): Route {
  const [page, id] = hash.replace(/^#?\/?/, '').split('/');
  if (page === 'models' || page === 'settings' || page === 'storage') return { page };
  if (page === 'chat' && id !== undefined && id !== '') {
    try {
      return { page: 'chat', id: decodeURIComponent(id) };
    } catch {
      // A broken percent sequence names no chat.
      return { page: 'chat', id: null };
    }
  }
  return { page: 'chat', id: null };
}

export function formatRoute(route: Route): string {
  if (route.page !== 'chat') return `#/${route.page}`;
  return route.id === null ? '#/' : `#/chat/${encodeURIComponent(route.id)}`;
}

/** Follows the address's hash; the hash works from any folder of any static host, and offline. */
export class Router {
  readonly #route: ObservableValue<Route>;
  readonly #window: Window;
  readonly #onHashChange = (): void => {
    this.#route.set(parseRoute(this.#window.location.hash));
  };

  constructor(target: Window) {
    this.#window = target;
    this.#route = new ObservableValue(parseRoute(target.location.hash));
  }

  get route(): Observable<Route> {
    return this.#route;
  }

  start(): void {
    this.#window.addEventListener('hashchange', this.#onHashChange);
  }

  stop(): void {
    this.#window.removeEventListener('hashchange', this.#onHashChange);
  }

  /** Goes there, with an entry in the history. */
  go(route: Route): void {
    this.#window.location.hash = formatRoute(route);
  }

  /** The same place got a better name (a new chat was stored): no entry in the history. */
  rename(route: Route): void {
    this.#window.history.replaceState(null, '', formatRoute(route));
    this.#route.set(route);
  }
}
