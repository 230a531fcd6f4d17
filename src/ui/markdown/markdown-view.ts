import { msg } from '@lit/localize';
import { html, nothing } from 'lit';
import { HermitElement } from '../hermit-element.ts';
import { chevronRightIcon } from '../icons.ts';
import { baseStyles } from '../shared.styles.ts';
import { markdownStyles } from './markdown-view.styles.ts';
import { renderMarkdown } from './render-markdown.ts';
import { settleTail, splitThinking } from './streaming.ts';

/**
 * `<hermit-markdown>`: an answer, formatted; thinking at its start is folded away.
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
    const { thinking, thinkingDone, answer } = splitThinking(this.text, this.streaming);
    const settle = (text: string): string => (this.streaming ? settleTail(text) : text);
    return html`${thinking === null ? nothing : this.#thinking(thinking, thinkingDone)}
      <div class="markdown">${renderMarkdown(settle(answer))}</div>`;
  }

  #thinking(text: string, done: boolean): unknown {
    const summary = done
      ? msg('How it thought about this', { id: 'markdown.thought' })
      : msg('Thinking…', { id: 'markdown.thinking' });
    return html`<details class="thinking">
      <summary>${chevronRightIcon}<span class=${done ? '' : 'active'}>${summary}</span></summary>
      <div class="markdown">${renderMarkdown(done ? text : settleTail(text))}</div>
    </details>`;
  }
}

customElements.define('hermit-markdown', MarkdownView);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-markdown': MarkdownView;
  }
}
