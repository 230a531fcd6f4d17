/** Text of an answer reaches the screen at most this often: faster than this nobody reads. */
const SHOW_EVERY_MS = 33;

/** Gathers the text of an answer and shows it no faster than anybody reads. */
export class AnswerText {
  readonly #show: (whole: string) => void;
  #whole = '';
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(show: (whole: string) => void) {
    this.#show = show;
  }

  /** Whether there is any text yet, shown or not. */
  get begun(): boolean {
    return this.#whole !== '';
  }

  append(text: string): void {
    if (text === '') return;
    this.#whole += text;
    this.#timer ??= setTimeout(() => {
      this.show();
    }, SHOW_EVERY_MS);
  }

  /** Shows what there is now. */
  show(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#show(this.#whole);
  }
}
