import { msg } from '@lit/localize';
import { html } from 'lit';
import { checkIcon, copyIcon } from '../icons.ts';
import { HermitElement } from '../hermit-element.ts';
import { announce, reportProblem } from '../requests.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import { codeBlockStyles } from './code-block.styles.ts';

/**
 * `<hermit-code-block>`: a block of code with its language and a button that copies it.
 *
 * Properties: `code` the text, `language` the word after the fence.
 * Events: `hermit-announce` when copied. Slots: none. Parts: `code`.
 */
export class CodeBlock extends HermitElement {
  static override readonly styles = [baseStyles, buttonStyles, codeBlockStyles];
  static override readonly properties = {
    code: { attribute: false },
    language: { attribute: false },
    copied: { state: true },
  };

  declare code: string;
  declare language: string;
  declare private copied: boolean;

  constructor() {
    super();
    this.code = '';
    this.language = '';
    this.copied = false;
  }

  protected override render(): unknown {
    const label = this.copied
      ? msg('Copied', { id: 'code.copied' })
      : msg('Copy code', { id: 'code.copy' });
    return html`<figure>
      <figcaption>
        <span class="language">${this.language || msg('code', { id: 'code.unnamed' })}</span>
        <button type="button" class="copy" @click=${this.#copy}>
          ${this.copied ? checkIcon : copyIcon}<span>${label}</span>
        </button>
      </figcaption>
      <pre part="code" tabindex="0"><code>${this.code}</code></pre>
    </figure>`;
  }

  readonly #copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(this.code);
      this.copied = true;
      announce(this, msg('Copied', { id: 'code.copied' }));
      setTimeout(() => {
        this.copied = false;
      }, 2000);
    } catch (error) {
      reportProblem(this, error);
    }
  };
}

customElements.define('hermit-code-block', CodeBlock);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-code-block': CodeBlock;
  }
}
