import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import type { PropertyValues } from 'lit';
import { formatBytes } from '../format.ts';
import { HermitElement } from '../hermit-element.ts';
import { shieldIcon } from '../icons.ts';
import { baseStyles, buttonStyles, dialogStyles } from '../shared.styles.ts';
import type { PermissionAnswer, PermissionQuestion } from '../widget-app/widget-service.ts';
import { permissionDialogStyles } from './permission-dialog.styles.ts';
import { watchVisible } from './visible-consent.ts';

/**
 * `<hermit-permission-dialog>`: asks whether a page around the widget may do something, and shows
 * exactly what. The buttons that allow wait until the dialog was seen for a moment.
 *
 * Properties: `question`, or null. Events: `hermit-permission` with the answer; closing it says no.
 * Slots, parts: none.
 */
export class PermissionDialog extends HermitElement {
  static override readonly styles = [
    baseStyles,
    buttonStyles,
    dialogStyles,
    permissionDialogStyles,
  ];
  static override readonly properties = {
    question: { attribute: false },
    seen: { state: true },
  };

  declare question: PermissionQuestion | null;
  declare private seen: boolean;
  #stopWatching: () => void = () => undefined;

  constructor() {
    super();
    this.question = null;
    this.seen = false;
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#stopWatching();
  }

  protected override render(): unknown {
    const { question } = this;
    return html`<dialog
      class="sheet"
      role="alertdialog"
      aria-labelledby="heading"
      aria-describedby="what"
      @close=${() => {
        this.#answer('no');
      }}
    >
      ${question === null ? nothing : this.#content(question)}
    </dialog>`;
  }

  #content(question: PermissionQuestion): unknown {
    const site = siteName(question.origin);
    return html`<p class="site">${shieldIcon}<bdi>${site}</bdi></p>
      <h2 id="heading">${heading(question, site)}</h2>
      <div id="what">${what(question)}</div>
      <div class="dialog-actions">
        <button
          type="button"
          class="button"
          autofocus
          @click=${() => {
            this.#answer('no');
          }}
        >
          ${msg('Don’t allow', { id: 'permission.no' })}
        </button>
        <div class="allows">
          ${
            question.kind === 'tool'
              ? this.#allow('once', msg('Allow once', { id: 'permission.once' }), false)
              : nothing
          }
          ${this.#allow('always', allowLabel(question), true)}
        </div>
      </div>`;
  }

  #allow(answer: PermissionAnswer, label: string, primary: boolean): unknown {
    return html`<button
      type="button"
      class="button ${primary ? 'primary' : ''}"
      ?disabled=${!this.seen}
      @click=${() => {
        this.#answer(answer);
      }}
    >
      ${label}
    </button>`;
  }

  protected override updated(changed: PropertyValues<this>): void {
    const dialog = this.renderRoot.querySelector('dialog');
    if (!changed.has('question') || dialog === null) return;
    this.#stopWatching();
    this.seen = false;
    if (this.question === null) {
      dialog.close();
      return;
    }
    if (!dialog.open) dialog.showModal();
    // Not the whole row: in a frame that reaches below the window, what allows may be all one sees of it.
    const allows = dialog.querySelector('.allows');
    if (allows === null) return;
    this.#stopWatching = watchVisible(allows, (visible) => {
      this.seen = visible;
    });
  }

  #answer(answer: PermissionAnswer): void {
    if (this.question === null) return;
    this.dispatchEvent(new CustomEvent('hermit-permission', { detail: answer }));
  }
}

/** What a person knows a site by. */
export function siteName(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).host : origin;
}

function heading(question: PermissionQuestion, site: string): string {
  switch (question.kind) {
    case 'connect':
      return msg(str`${site} would like to show Hermit`, { id: 'permission.connect' });
    case 'api':
      return msg(str`Let ${site} use your models?`, { id: 'permission.api' });
    case 'tool':
      return msg(str`Let the model use “${question.title}”?`, { id: 'permission.tool' });
    case 'install':
      return msg(str`Add the model ${question.name}?`, { id: 'permission.install' });
  }
}

function what(question: PermissionQuestion): unknown {
  switch (question.kind) {
    case 'connect':
      return html`<p>
          ${msg('What you write here is computed on this device. The page cannot read it.', { id: 'permission.connectPrivate' })}
        </p>
        <p>
          ${msg('The page may put a question into the field, which you send or not, and offer tools, which you confirm.', { id: 'permission.connectMay' })}
        </p>`;
    case 'api':
      return html`<ul class="may">
        <li>
          ${msg('It may send texts to the models here and gets their answers.', { id: 'permission.apiMay' })}
        </li>
        <li>
          ${msg('It sees which models are here and what this device can do.', { id: 'permission.apiSees' })}
        </li>
        <li>${msg('It cannot read your chats.', { id: 'permission.apiNot' })}</li>
      </ul>`;
    case 'tool':
      return html`<p>${question.description}</p>
        <p>
          ${msg('The page runs it and is given exactly this:', { id: 'permission.toolArguments' })}
        </p>
        <pre tabindex="0">${question.argumentsText}</pre>`;
    case 'install':
      return html`<p>${installCost(question)}</p>
        ${question.apart ? html`<p>${keptHere()}</p>` : nothing}`;
  }
}

function installCost(question: Extract<PermissionQuestion, { kind: 'install' }>): string {
  if (question.shared && question.bytes !== null) {
    return msg(
      str`This browser has it from another site: nothing is downloaded. It takes ${formatBytes(question.bytes)} here.`,
      { id: 'permission.installShared' },
    );
  }
  return question.bytes === null
    ? msg(str`It is downloaded from ${question.host}; its size is not known yet.`, {
        id: 'permission.installUnknown',
      })
    : msg(str`${formatBytes(question.bytes)} are downloaded from ${question.host}.`, {
        id: 'permission.installBytes',
      });
}

/** Storage in frames of other sites is one per site. */
export function keptHere(): string {
  return msg('It is kept in this browser, for Hermit inside this site alone.', {
    id: 'widget.keptHere',
  });
}

function allowLabel(question: PermissionQuestion): string {
  switch (question.kind) {
    case 'connect':
      return msg('Continue', { id: 'permission.continue' });
    case 'api':
      return msg('Allow', { id: 'permission.allow' });
    case 'tool':
      return msg('Allow from now on', { id: 'permission.always' });
    case 'install':
      return question.shared
        ? msg('Add', { id: 'permission.add' })
        : msg('Download', { id: 'common.download' });
  }
}

customElements.define('hermit-permission-dialog', PermissionDialog);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-permission-dialog': PermissionDialog;
  }
  interface HTMLElementEventMap {
    'hermit-permission': CustomEvent<PermissionAnswer>;
  }
}
