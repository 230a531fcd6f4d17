import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { foldedStyles } from '../folded.styles.ts';
import { formatDuration } from '../format.ts';
import { HermitElement } from '../hermit-element.ts';
import { chevronRightIcon } from '../icons.ts';
import '../markdown/markdown-view.ts';
import type { ReasoningView } from '../services.ts';
import { baseStyles } from '../shared.styles.ts';

/**
 * `<hermit-answer-reasoning>`: what a model thought before it answered, folded away.
 *
 * Properties: `reasoning`, `active` whether it is still thinking.
 * Events, slots, parts: none.
 */
export class AnswerReasoning extends HermitElement {
  static override readonly styles = [baseStyles, foldedStyles];
  static override readonly properties = {
    reasoning: { attribute: false },
    active: { type: Boolean },
  };

  declare reasoning: ReasoningView | null;
  declare active: boolean;

  constructor() {
    super();
    this.reasoning = null;
    this.active = false;
  }

  protected override render(): unknown {
    const { reasoning, active } = this;
    if (reasoning === null) return nothing;
    return html`<details>
      <summary>
        ${chevronRightIcon}<span class=${active ? 'active' : ''}
          >${active ? msg('Thinking…', { id: 'reasoning.active' }) : doneLabel(reasoning)}</span
        >
      </summary>
      <hermit-markdown class="body" .text=${reasoning.text} .streaming=${active}></hermit-markdown>
    </details>`;
  }
}

function doneLabel({ durationMs }: ReasoningView): string {
  if (durationMs === null) return msg('How it thought about this', { id: 'reasoning.done' });
  // "0 sec" would be no time at all, which thinking never takes.
  const time = formatDuration(Math.max(1, durationMs / 1000));
  return msg(str`Thought for ${time}`, { id: 'reasoning.doneIn' });
}

customElements.define('hermit-answer-reasoning', AnswerReasoning);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-answer-reasoning': AnswerReasoning;
  }
}
