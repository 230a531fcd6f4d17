import type { ReactiveController, ReactiveControllerHost } from 'lit';

/**
 * Takes files dropped anywhere on the page.
 *
 * The host is updated when `dragging` changes. Browsers open a dropped file in place of the page
 * unless every drag over it is refused; that is done here for the whole window.
 */
export class FileDrop implements ReactiveController {
  readonly #host: ReactiveControllerHost;
  readonly #onFiles: (files: readonly File[]) => void;
  #depth = 0;

  constructor(host: ReactiveControllerHost, onFiles: (files: readonly File[]) => void) {
    this.#host = host;
    this.#onFiles = onFiles;
    host.addController(this);
  }

  /** Whether files hover over the page now. */
  get dragging(): boolean {
    return this.#depth > 0;
  }

  hostConnected(): void {
    window.addEventListener('dragenter', this.#onEnter);
    window.addEventListener('dragleave', this.#onLeave);
    window.addEventListener('dragover', this.#onOver);
    window.addEventListener('drop', this.#onDrop);
  }

  hostDisconnected(): void {
    window.removeEventListener('dragenter', this.#onEnter);
    window.removeEventListener('dragleave', this.#onLeave);
    window.removeEventListener('dragover', this.#onOver);
    window.removeEventListener('drop', this.#onDrop);
  }

  /** Enter and leave come once for every element on the way; only their balance matters. */
  #step(depth: number): void {
    this.#depth = Math.max(0, depth);
    this.#host.requestUpdate();
  }

  readonly #onEnter = (event: DragEvent): void => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    this.#step(this.#depth + 1);
  };

  readonly #onLeave = (event: DragEvent): void => {
    if (carriesFiles(event)) this.#step(this.#depth - 1);
  };

  readonly #onOver = (event: DragEvent): void => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer !== null) event.dataTransfer.dropEffect = 'copy';
  };

  readonly #onDrop = (event: DragEvent): void => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    this.#step(0);
    this.#onFiles([...(event.dataTransfer?.files ?? [])]);
  };
}

function carriesFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes('Files') === true;
}
