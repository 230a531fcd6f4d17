import type { ReactiveController, ReactiveControllerHost } from 'lit';

/** Closer to the end than this, in px, counts as being at the end. */
const tolerance = 40;

/**
 * Keeps a scrolling element at its end while its content grows, until the person scrolls up.
 *
 * `attach` is called once the elements exist; the host is updated when `following` changes.
 */
export class FollowScroll implements ReactiveController {
  readonly #host: ReactiveControllerHost;
  #scroller: HTMLElement | null = null;
  #observer: ResizeObserver | null = null;
  #lastTop = 0;
  #following = true;

  constructor(host: ReactiveControllerHost) {
    this.#host = host;
    host.addController(this);
  }

  get following(): boolean {
    return this.#following;
  }

  attach(scroller: HTMLElement, content: HTMLElement): void {
    if (this.#scroller === scroller) return;
    this.hostDisconnected();
    this.#scroller = scroller;
    scroller.addEventListener('scroll', this.#onScroll, { passive: true });
    this.#observer = new ResizeObserver(() => {
      if (this.#following) this.#toEnd('instant');
    });
    this.#observer.observe(content);
    this.#observer.observe(scroller);
  }

  hostDisconnected(): void {
    this.#scroller?.removeEventListener('scroll', this.#onScroll);
    this.#observer?.disconnect();
    this.#scroller = null;
    this.#observer = null;
  }

  /** Goes to the end and stays there. */
  jump(behavior: 'smooth' | 'instant' = 'instant'): void {
    this.#set(true);
    this.#toEnd(behavior);
  }

  #toEnd(behavior: 'smooth' | 'instant'): void {
    this.#scroller?.scrollTo({ top: this.#scroller.scrollHeight, behavior });
  }

  #set(following: boolean): void {
    if (following === this.#following) return;
    this.#following = following;
    this.#host.requestUpdate();
  }

  readonly #onScroll = (): void => {
    const scroller = this.#scroller;
    if (scroller === null) return;
    const atEnd = scroller.scrollHeight - scroller.scrollTop - scroller.clientHeight < tolerance;
    // Only a way up is the person's wish; content that grows below moves nothing.
    if (atEnd) this.#set(true);
    else if (scroller.scrollTop < this.#lastTop) this.#set(false);
    this.#lastTop = scroller.scrollTop;
  };
}
