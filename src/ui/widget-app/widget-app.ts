import { ContextProvider } from '@lit/context';
import { msg, str, updateWhenLocaleChanges } from '@lit/localize';
import { html, LitElement, nothing } from 'lit';
import type { PropertyValues } from 'lit';
import type { ChatView } from '../chat-view/chat-view.ts';
import '../chat-view/chat-view.ts';
import '../confirm-dialog/confirm-dialog.ts';
import '../copy-picker/copy-picker.ts';
import { servicesContext } from '../context.ts';
import { FirstModel } from '../hermit-app/first-model.ts';
import { closeIcon, hermitMark, newChatIcon, shieldIcon } from '../icons.ts';
import { applyLanguage, resolveLocale } from '../localization.ts';
import '../permission-dialog/permission-dialog.ts';
import '../power-chip/power-chip.ts';
import { siteName } from '../permission-dialog/permission-dialog.ts';
import { announce, askConfirmation, modelAdded, perform, reportProblem } from '../requests.ts';
import type { Services } from '../services.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import '../toast-stack/toast-stack.ts';
import '../widget-start/widget-start.ts';
import { widgetAppStyles } from './widget-app.styles.ts';
import type {
  PermissionAnswer,
  WidgetLook,
  WidgetService,
  WidgetStatus,
} from './widget-service.ts';

/**
 * `<hermit-widget-app>`: Hermit inside a frame of another page: one chat, what the page may do, and
 * nothing of the library or the settings. Shows no chat before a listed page has introduced itself.
 *
 * Properties: `widget`, needed at once; `services`, given when the page was accepted. Events, slots,
 * parts: none.
 */
export class WidgetApp extends LitElement {
  static override readonly styles = [baseStyles, buttonStyles, widgetAppStyles];
  static override readonly properties = {
    services: { attribute: false },
    widget: { attribute: false },
    announcement: { state: true },
  };

  declare services: Services | undefined;
  declare widget: WidgetService | undefined;
  declare private announcement: string;

  readonly #provider = new ContextProvider(this, { context: servicesContext });
  #firstModel: FirstModel | undefined;
  #stops: (() => void)[] = [];

  constructor() {
    super();
    this.services = undefined;
    this.widget = undefined;
    this.announcement = '';
    updateWhenLocaleChanges(this);
    this.addEventListener('hermit-announce', (event) => {
      this.announcement = event.detail;
    });
    this.addEventListener('hermit-problem', (event) => {
      this.renderRoot.querySelector('hermit-toast-stack')?.showProblem(event.detail);
    });
    this.addEventListener('hermit-hint', (event) => {
      this.renderRoot.querySelector('hermit-toast-stack')?.showHint(event.detail);
    });
    this.addEventListener('hermit-confirm', (event) => {
      void this.renderRoot.querySelector('hermit-confirm-dialog')?.ask(event.detail);
    });
    this.addEventListener('hermit-model-added', (event) => {
      this.#firstModel?.expect(event.detail);
      announce(this, msg('The model was added.', { id: 'app.modelAdded' }));
    });
    this.addEventListener('hermit-copy', (event) => void this.#giveCopy(event.detail));
    this.addEventListener('hermit-fetch-copy', () => void this.#fetchCopy());
    document.addEventListener('keydown', this.#onKeyDown);
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (changed.has('services') && this.services !== undefined) this.#connect(this.services);
    if (changed.has('widget') && this.widget !== undefined) this.#follow(this.widget);
  }

  protected override render(): unknown {
    const { widget, services } = this;
    if (widget === undefined) return nothing;
    const status = widget.status.value;
    const shown = status.kind !== 'connecting' && status.kind !== 'refused';
    return html`${this.#header(widget, services)}
      <main id="main" tabindex="-1">
        ${shown ? this.#content(widget, services) : notice(status)}
      </main>
      <hermit-toast-stack></hermit-toast-stack>
      <hermit-confirm-dialog></hermit-confirm-dialog>
      <hermit-permission-dialog
        .question=${widget.question.value}
        @hermit-permission=${this.#onPermission}
      ></hermit-permission-dialog>
      <div class="visually-hidden" role="status">${this.announcement}</div>`;
  }

  #header(widget: WidgetService, services: Services | undefined): unknown {
    const { kind } = widget.status.value;
    const { api, tools } = widget.grants.value;
    const active = services?.models.active.value;
    const name = active === undefined || active.kind === 'none' ? '' : active.name;
    const newChat = msg('New chat', { id: 'sidebar.newChat' });
    const close = msg('Close', { id: 'widget.close' });
    const permissions = msg('What this page may do', { id: 'widget.permissions' });
    return html`<header>
      ${hermitMark}
      <p><strong>Hermit</strong><span>${name}</span></p>
      ${services === undefined ? nothing : html`<hermit-power-chip compact></hermit-power-chip>`}
      ${
        api || tools.length > 0
          ? html`<button
              type="button"
              class="icon-button granted"
              aria-label=${permissions}
              title=${permissions}
              @click=${this.#onPermissions}
            >
              ${shieldIcon}
            </button>`
          : nothing
      }
      ${
        services === undefined || kind === 'copying'
          ? nothing
          : html`<button
              type="button"
              class="icon-button"
              aria-label=${newChat}
              title=${newChat}
              @click=${() => {
                services.chats.startNew();
                this.#chat?.focusComposer();
              }}
            >
              ${newChatIcon}
            </button>`
      }
      ${
        !widget.look.value.closable || kind === 'alone' || kind === 'copying'
          ? nothing
          : html`<button
              type="button"
              class="icon-button"
              aria-label=${close}
              title=${close}
              @click=${() => {
                widget.close();
              }}
            >
              ${closeIcon}
            </button>`
      }
    </header>`;
  }

  #content(widget: WidgetService, services: Services | undefined): unknown {
    if (services === undefined) return notice({ kind: 'connecting' });
    const status = widget.status.value;
    if (status.kind === 'copying') return html`<hermit-copy-picker></hermit-copy-picker>`;
    const fresh = services.chats.current.value.messages.length === 0;
    if (fresh && services.models.models.value.length === 0) {
      return html`<hermit-widget-start
        .suggested=${widget.look.value.model}
        .apart=${status.kind === 'connected' && !status.own}
      ></hermit-widget-start>`;
    }
    return html`<hermit-chat-view
      compact
      .placeholder=${widget.look.value.placeholder}
    ></hermit-chat-view>`;
  }

  protected override updated(): void {
    const { widget } = this;
    const preset = widget?.preset.value ?? null;
    if (preset === null || preset === this.#shownPreset || this.#chat === null) return;
    this.#shownPreset = preset;
    // The composer below renders after this component.
    void this.#chat.updateComplete.then(() => this.#chat?.fill(preset));
  }
  #shownPreset: string | null = null;

  get #chat(): ChatView | null {
    return this.renderRoot.querySelector('hermit-chat-view');
  }

  #connect(services: Services): void {
    this.#provider.setValue(services);
    this.#firstModel = new FirstModel(services.models, (error) => {
      reportProblem(this, error);
    });
    const { chats, models } = services;
    for (const changing of [chats.current, models.models, models.active]) {
      this.#stops.push(
        changing.subscribe(() => {
          this.requestUpdate();
        }),
      );
    }
  }

  #follow(widget: WidgetService): void {
    const update = (): void => {
      this.requestUpdate();
    };
    this.#stops.push(
      widget.status.subscribe(update),
      widget.question.subscribe(update),
      widget.grants.subscribe(update),
      widget.preset.subscribe(update),
      widget.look.subscribe((look) => {
        this.#applyLook(look);
        update();
      }),
    );
    this.#applyLook(widget.look.value);
  }

  #applyLook({ theme, locale }: WidgetLook): void {
    const root = document.documentElement;
    if (theme === 'system') delete root.dataset['theme'];
    else root.dataset['theme'] = theme;
    const language = resolveLocale('system', locale === null ? navigator.languages : [locale]);
    applyLanguage(language).catch((error: unknown) => {
      reportProblem(this, error);
    });
  }

  readonly #onPermission = (event: CustomEvent<PermissionAnswer>): void => {
    const question = this.widget?.question.value ?? null;
    if (question !== null) this.widget?.answer(question.id, event.detail);
  };

  readonly #onPermissions = async (): Promise<void> => {
    const { widget } = this;
    const status = widget?.status.value;
    if (widget === undefined || status?.kind !== 'connected') return;
    const { api, tools } = widget.grants.value;
    const parts = [
      ...(api ? [msg('This page may use the models here.', { id: 'widget.hasApi' })] : []),
      ...(tools.length > 0
        ? [msg(str`It offers these tools: ${tools.join(', ')}.`, { id: 'widget.hasTools' })]
        : []),
      msg('It cannot read your chats.', { id: 'permission.apiNot' }),
    ];
    const revoked = await askConfirmation(this, {
      heading: siteName(status.origin),
      body: parts.join(' '),
      confirmLabel: msg('Take it back', { id: 'widget.revoke' }),
      danger: true,
    });
    if (revoked) widget.revoke();
  };

  readonly #onKeyDown = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape' || event.defaultPrevented) return;
    if (this.renderRoot.querySelector(':popover-open') !== null) return;
    if (this.#chat?.stop() === true) event.preventDefault();
    else this.widget?.close();
  };

  async #giveCopy(id: string): Promise<void> {
    const files = await perform(this, this.services?.models.exportFiles(id) ?? Promise.resolve([]));
    if (files !== undefined) this.widget?.giveCopy(files);
  }

  async #fetchCopy(): Promise<void> {
    const { widget, services } = this;
    if (widget === undefined || services === undefined) return;
    const files = (await perform(this, widget.fetchFromHermit())) ?? [];
    const [file, ...more] = files;
    if (file === undefined) return;
    const id = await perform(this, services.models.addFromFile(file, ...more));
    if (id !== undefined) modelAdded(this, id);
  }
}

function notice(status: WidgetStatus): unknown {
  if (status.kind === 'connecting') {
    return html`<div class="notice" role="status">
      <p>${msg('Connecting with the page…', { id: 'widget.connecting' })}</p>
    </div>`;
  }
  if (status.kind !== 'refused') return nothing;
  return html`<div class="notice" role="alert">
    <h1>${msg('Hermit cannot be used here', { id: 'widget.refused' })}</h1>
    <p>${refusedText(status)}</p>
    <a class="button" href="/" target="_blank" rel="noopener"
      >${msg('Open Hermit in its own window', { id: 'widget.openOwn' })}</a
    >
  </div>`;
}

function refusedText({ origin, reason }: Extract<WidgetStatus, { kind: 'refused' }>): string {
  const site = siteName(origin ?? '');
  switch (reason) {
    case 'origin':
      return msg(
        str`${site} is not among the sites that may show Hermit. Nothing was shared with it.`,
        { id: 'widget.refusedOrigin' },
      );
    case 'version':
      return msg('The page was made for another version of Hermit. Reload it.', {
        id: 'widget.refusedVersion',
      });
    case 'silent':
      return msg('The page that shows Hermit did not say who it is. Nothing was shared with it.', {
        id: 'widget.refusedSilent',
      });
    case 'sandbox':
      return msg(
        'The page keeps Hermit in a sandbox without storage of its own, where it cannot work.',
        { id: 'widget.refusedSandbox' },
      );
    case 'declined':
      return msg(str`You did not let ${site} show Hermit. Reload the page to be asked again.`, {
        id: 'widget.refusedDeclined',
      });
  }
}

customElements.define('hermit-widget-app', WidgetApp);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-widget-app': WidgetApp;
  }
}
