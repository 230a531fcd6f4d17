import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { foldedStyles } from '../folded.styles.ts';
import { HermitElement } from '../hermit-element.ts';
import { chevronRightIcon, toolIcon } from '../icons.ts';
import type { CallView } from '../services.ts';
import { baseStyles } from '../shared.styles.ts';
import { toolCallStyles } from './tool-call.styles.ts';

/**
 * `<hermit-tool-call>`: a tool that an answer called, folded to its name; inside, what it was given
 * and what it gave back.
 *
 * Properties: `call`. Events, slots, parts: none.
 */
export class ToolCallCard extends HermitElement {
  static override readonly styles = [baseStyles, foldedStyles, toolCallStyles];
  static override readonly properties = {
    call: { attribute: false },
  };

  declare call: CallView | null;

  constructor() {
    super();
    this.call = null;
  }

  protected override render(): unknown {
    const { call } = this;
    if (call === null) return nothing;
    const { name, result } = call;
    return html`<details>
      <summary>
        ${chevronRightIcon}${toolIcon}<span
          >${msg(str`Called the tool ${name}`, { id: 'toolCall.called' })}</span
        >
      </summary>
      <dl class="body">
        <dt>${msg('Arguments', { id: 'toolCall.arguments' })}</dt>
        <dd><pre tabindex="0">${indented(call.arguments)}</pre></dd>
        <dt>${msg('Result', { id: 'toolCall.result' })}</dt>
        <dd>
          ${
            result === null
              ? html`<p>
                  ${msg('Not run: this chat has no such tool.', { id: 'toolCall.notRun' })}
                </p>`
              : html`<pre tabindex="0">${result}</pre>`
          }
        </dd>
      </dl>
    </details>`;
  }
}

function indented(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    // Damaged in storage: shown as it is.
    return json;
  }
}

customElements.define('hermit-tool-call', ToolCallCard);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-tool-call': ToolCallCard;
  }
}
