import { html } from 'lit';
import { HermitElement } from '../hermit-element.ts';
import { baseStyles } from '../shared.styles.ts';
import { markdownStyles } from './markdown-view.styles.ts';
import { renderMarkdown } from './render-markdown.ts';
import { settleTail } from './streaming.ts';

/**
 * `<hermit-markdown>`: an answer, formatted.
 *
 * Properties: `text` the Markdown, `streaming` whether more is coming (the ragged end is then
 * smoothed; the complete text is rendered as it stands).
 * Events, slots, parts: none.
 */
export class MarkdownView extends HermitElement {
  static override readonly styles = [baseStyles, markdownStyles];
  static override readonly properties = {
    text: { attribute: false },
    streaming: { attribute: false },
  };

  declare text: string;
  declare streaming: boolean;

  constructor() {
    super();
    this.text = '';
    this.streaming = false;
  }

  protected override render(): unknown {
    const text = this.streaming ? settleTail(this.text) : this.text;
    return html`<div class="markdown">${renderMarkdown(text)}</div>`;
  }
}

customElements.define('hermit-markdown', MarkdownView);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-markdown': MarkdownView;
  }
}
