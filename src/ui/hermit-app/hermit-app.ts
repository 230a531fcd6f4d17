import { ContextProvider } from '@lit/context';
import { msg, updateWhenLocaleChanges } from '@lit/localize';
import { html, LitElement, nothing } from 'lit';
import type { PropertyValues } from 'lit';
import '../app-banners/app-banners.ts';
import '../chat-sidebar/chat-sidebar.ts';
import type { ChatView } from '../chat-view/chat-view.ts';
import '../confirm-dialog/confirm-dialog.ts';
import { servicesContext } from '../context.ts';
import { type DroppedFolder, FileDrop } from '../file-drop.ts';
import { formatPercent } from '../format.ts';
import { fileIcon, menuIcon, newChatIcon } from '../icons.ts';
import { applyLanguage } from '../localization.ts';
import '../model-picker/model-picker.ts';
import '../power-chip/power-chip.ts';
import {
  announce,
  type InspectionRequest,
  modelAdded,
  perform,
  reportProblem,
  showHint,
} from '../requests.ts';
import { Router } from '../router.ts';
import type { Route } from '../router.ts';
import type { ModelView, Services, Settings } from '../services.ts';
import { baseStyles, buttonStyles } from '../shared.styles.ts';
import '../status-chip/status-chip.ts';
import '../toast-stack/toast-stack.ts';
import '../welcome-view/welcome-view.ts';
import { FirstModel } from './first-model.ts';
import { hermitAppStyles } from './hermit-app.styles.ts';

/** Below this width the sidebar is a drawer over the page. Also in the styles. */
const narrowQuery = '(max-width: 55.99rem)';

/**
 * `<hermit-app>`: the whole page. Provides the services to everything inside, follows the address,
 * applies theme and language, and answers what components request.
 *
 * Properties: `services`; nothing is shown before it is set. Methods: `addFiles(files)`. Events, slots,
 * parts: none.
 */
export class HermitApp extends LitElement {
  static override readonly styles = [baseStyles, buttonStyles, hermitAppStyles];
  static override readonly properties = {
    services: { attribute: false },
    narrow: { state: true },
    sidebarShown: { state: true },
    announcement: { state: true },
  };

  declare services: Services | undefined;
  declare private narrow: boolean;
  /** On a wide page only; the drawer is the dialog's own business. */
  declare private sidebarShown: boolean;
  declare private announcement: string;

  readonly #provider = new ContextProvider(this, { context: servicesContext });
  readonly #router = new Router(window);
  readonly #narrowList = window.matchMedia(narrowQuery);
  readonly #drop = new FileDrop(this, (files, folder) => {
    void this.addFiles(files, folder);
  });
  #firstModel: FirstModel | undefined;
  #stops: (() => void)[] = [];

  constructor() {
    super();
    this.services = undefined;
    this.narrow = this.#narrowList.matches;
    this.sidebarShown = true;
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
    this.addEventListener('hermit-inspect', (event) => {
      void this.#openInspector(event.detail);
    });
    this.addEventListener('hermit-make-smaller', (event) => {
      void this.#openSmallerDialog(event.detail);
    });
    this.addEventListener('hermit-add-url', () => void this.#openUrlDialog());
    this.addEventListener('hermit-add-file', () => {
      this.renderRoot.querySelector<HTMLInputElement>('#file')?.click();
    });
    this.addEventListener('hermit-add-folder', () => {
      this.renderRoot.querySelector<HTMLInputElement>('#folder')?.click();
    });
    this.addEventListener('hermit-model-added', (event) => {
      this.#firstModel?.expect(event.detail);
      announce(this, msg('The model was added.', { id: 'app.modelAdded' }));
    });
    this.addEventListener('hermit-close-sidebar', this.#closeSidebar);
    this.addEventListener('hermit-install', this.#install);
  }

  override connectedCallback(): void {
    super.connectedCallback();
    this.#router.start();
    this.#narrowList.addEventListener('change', this.#onNarrow);
    document.addEventListener('keydown', this.#onKeyDown);
    if (this.services !== undefined) this.#connectServices(this.services);
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#router.stop();
    this.#narrowList.removeEventListener('change', this.#onNarrow);
    document.removeEventListener('keydown', this.#onKeyDown);
    this.#disconnectServices();
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    if (!changed.has('services') || this.services === undefined) return;
    this.#provider.setValue(this.services);
    if (this.isConnected) this.#connectServices(this.services);
  }

  protected override updated(): void {
    if (this.services !== undefined) this.#setTitle(this.services);
  }

  protected override render(): unknown {
    if (this.services === undefined) return nothing;
    const route = this.#router.route.value;
    const sidebar = html`<hermit-chat-sidebar
      .route=${route}
      .drawer=${this.narrow}
    ></hermit-chat-sidebar>`;
    return html`<a class="skip" href="#main" @click=${this.#skip}
        >${msg('Skip to the content', { id: 'app.skip' })}</a
      >
      <div class="layout">
        ${
          this.narrow
            ? html`<dialog
                class="drawer"
                aria-label=${msg('Chats and pages', { id: 'app.drawer' })}
                @click=${this.#onDrawerClick}
              >
                ${sidebar}
              </dialog>`
            : html`<aside ?hidden=${!this.sidebarShown}>${sidebar}</aside>`
        }
        <div class="column">
          <hermit-app-banners></hermit-app-banners>
          ${this.#header()}
          <main id="main" tabindex="-1">${this.#page(this.services, route)}</main>
        </div>
      </div>
      <hermit-toast-stack></hermit-toast-stack>
      <hermit-confirm-dialog></hermit-confirm-dialog>
      <hermit-add-url-dialog></hermit-add-url-dialog>
      <hermit-smaller-model-dialog></hermit-smaller-model-dialog>
      <hermit-inspector-dialog></hermit-inspector-dialog>
      <input id="file" type="file" accept=".gguf" multiple hidden @change=${this.#onFileChosen} />
      <input id="folder" type="file" webkitdirectory hidden @change=${this.#onFileChosen} />
      <div class="visually-hidden" role="status">${this.announcement}</div>
      <div class="drop" ?hidden=${!this.#drop.dragging}>
        <p>
          ${fileIcon}${msg('Drop a .gguf file or a model’s folder to add it', { id: 'app.drop' })}
        </p>
      </div>`;
  }

  #header(): unknown {
    const sidebarHidden = this.narrow || !this.sidebarShown;
    const newChat = msg('New chat', { id: 'sidebar.newChat' });
    return html`<header>
      ${
        sidebarHidden
          ? html`<button
                type="button"
                class="icon-button"
                aria-label=${msg('Open the sidebar', { id: 'app.openSidebar' })}
                @click=${this.#openSidebar}
              >
                ${menuIcon}
              </button>
              <a
                class="icon-button"
                href="#/"
                aria-label=${newChat}
                title=${newChat}
                @click=${this.#newChat}
                >${newChatIcon}</a
              >`
          : nothing
      }
      <hermit-model-picker></hermit-model-picker>
      <span class="gap"></span>
      <hermit-power-chip></hermit-power-chip>
      <hermit-status-chip></hermit-status-chip>
    </header>`;
  }

  #page(services: Services, route: Route): unknown {
    switch (route.page) {
      case 'models':
        return html`<hermit-models-view></hermit-models-view>`;
      case 'settings':
        return html`<hermit-settings-view></hermit-settings-view>`;
      case 'storage':
        return html`<hermit-storage-view></hermit-storage-view>`;
      case 'chat': {
        const fresh = route.id === null && services.chats.current.value.messages.length === 0;
        return fresh && services.models.models.value.length === 0
          ? html`<hermit-welcome-view></hermit-welcome-view>`
          : html`<hermit-chat-view></hermit-chat-view>`;
      }
    }
  }

  // Services, address, theme

  #connectServices(services: Services): void {
    this.#disconnectServices();
    const update = (): void => {
      this.requestUpdate();
    };
    this.#firstModel = new FirstModel(services.models, (error) => {
      reportProblem(this, error);
    });
    this.#stops = [
      this.#router.route.subscribe((route) => {
        void this.#onRoute(services, route);
      }),
      services.chats.current.subscribe(() => {
        this.#onChat(services);
      }),
      services.models.models.subscribe(update),
      services.settings.settings.subscribe((settings) => {
        this.#applySettings(settings);
      }),
      () => this.#firstModel?.stop(),
    ];
    this.#applySettings(services.settings.settings.value);
    void this.#onRoute(services, this.#router.route.value);
  }

  #disconnectServices(): void {
    for (const stop of this.#stops) stop();
    this.#stops = [];
  }

  #applySettings(settings: Settings): void {
    const root = document.documentElement;
    if (settings.theme === 'system') delete root.dataset['theme'];
    else root.dataset['theme'] = settings.theme;
    applyLanguage(settings.language).catch((error: unknown) => {
      reportProblem(this, error);
    });
  }

  async #onRoute(services: Services, route: Route): Promise<void> {
    this.requestUpdate();
    this.#closeDrawer();
    await this.#loadPage(route);
    // Gone elsewhere meanwhile: that change of address has its own call of this.
    if (this.#router.route.value !== route) return;
    if (route.page === 'chat') await this.#showChat(services, route.id);
    await this.updateComplete;
    this.#focusPage();
  }

  async #showChat(services: Services, id: string | null): Promise<void> {
    const { chats } = services;
    if (chats.current.value.id === id) return;
    if (id === null) {
      chats.startNew();
      return;
    }
    const opened = await perform(
      this,
      chats.open(id).then(() => true),
    );
    const { value: now } = this.#router.route;
    // A chat that cannot be opened leaves the person at a new one, with the reason on screen.
    if (opened === undefined && now.page === 'chat' && now.id === id) {
      this.#router.go({ page: 'chat', id: null });
    }
  }

  /** The parts that a first visit does not need at once are fetched when they are. */
  async #loadPage(route: Route): Promise<void> {
    try {
      if (route.page === 'models') await import('../models-view/models-view.ts');
      else if (route.page === 'settings') await import('../settings-view/settings-view.ts');
      else if (route.page === 'storage') await import('../storage-view/storage-view.ts');
      else await import('../chat-view/chat-view.ts');
    } catch (error) {
      reportProblem(this, error);
    }
  }

  #onChat(services: Services): void {
    const { value: route } = this.#router.route;
    const { id } = services.chats.current.value;
    if (route.page === 'chat' && route.id === null && id !== null) {
      this.#router.rename({ page: 'chat', id });
    }
    this.requestUpdate();
  }

  #setTitle(services: Services): void {
    const { page } = this.#router.route.value;
    const name = {
      models: msg('Models', { id: 'sidebar.models' }),
      settings: msg('Settings', { id: 'sidebar.settings' }),
      storage: msg('Storage', { id: 'settings.storage' }),
      chat: services.chats.current.value.title,
    }[page];
    const parts = [this.#downloadPercent(services), name, 'Hermit'];
    document.title = parts.filter((part) => part !== '').join(' · ');
  }

  /** How far downloads are, for whoever looks at the tab from another one; empty without any. */
  #downloadPercent(services: Services): string {
    const active = services.models.models.value.flatMap(({ state, bytesTotal }) =>
      state.kind === 'downloading' && bytesTotal !== null
        ? [{ done: state.bytesDone, total: bytesTotal }]
        : [],
    );
    const total = active.reduce((sum, each) => sum + each.total, 0);
    if (total === 0) return '';
    return formatPercent(active.reduce((sum, each) => sum + each.done, 0) / total);
  }

  // Focus, keyboard, sidebar

  /** Null too while its module is on its way, when the element has no methods yet. */
  get #chatView(): ChatView | null {
    const view = this.renderRoot.querySelector('hermit-chat-view');
    const type = customElements.get('hermit-chat-view');
    return type !== undefined && view instanceof type ? view : null;
  }

  /** After a change of page: its heading, or the composer where that opens no keyboard on screen. */
  #focusPage(): void {
    if (this.renderRoot.querySelector('dialog[open]') !== null) return;
    if (this.#chatView !== null) {
      if (window.matchMedia('(pointer: fine)').matches) this.#chatView.focusComposer();
      return;
    }
    const view = this.renderRoot.querySelector('main > *');
    view?.shadowRoot?.querySelector<HTMLElement>('h1')?.focus({ preventScroll: true });
  }

  readonly #skip = (event: Event): void => {
    event.preventDefault();
    this.renderRoot.querySelector<HTMLElement>('main')?.focus();
  };

  readonly #onKeyDown = (event: KeyboardEvent): void => {
    if ((event.ctrlKey || event.metaKey) && event.shiftKey && event.code === 'KeyO') {
      event.preventDefault();
      this.#newChat();
      this.#router.go({ page: 'chat', id: null });
      this.#chatView?.focusComposer();
    } else if (event.key === 'Escape' && !event.defaultPrevented && !this.#overlayOpen()) {
      if (this.#chatView?.stop() === true) event.preventDefault();
    }
  };

  /** Escape first closes what lies on top; only then does it stop an answer. */
  #overlayOpen(): boolean {
    const open = (root: ParentNode): boolean =>
      [...root.querySelectorAll('*')].some(
        (element) =>
          element.matches('dialog[open], :popover-open') ||
          (element.shadowRoot !== null && open(element.shadowRoot)),
      );
    return open(this.renderRoot);
  }

  readonly #newChat = (): void => {
    this.services?.chats.startNew();
  };

  readonly #onNarrow = (event: MediaQueryListEvent): void => {
    this.narrow = event.matches;
  };

  readonly #openSidebar = (): void => {
    if (this.narrow) this.renderRoot.querySelector<HTMLDialogElement>('.drawer')?.showModal();
    else this.sidebarShown = true;
  };

  readonly #closeSidebar = (): void => {
    if (this.narrow) this.#closeDrawer();
    else this.sidebarShown = false;
  };

  #closeDrawer(): void {
    this.renderRoot.querySelector<HTMLDialogElement>('.drawer[open]')?.close();
  }

  readonly #onDrawerClick = (event: Event): void => {
    // Only a press on the backdrop has the dialog itself as its target.
    if (event.target === event.currentTarget) this.#closeDrawer();
  };

  // What components ask for

  async #openUrlDialog(): Promise<void> {
    try {
      await import('../add-url-dialog/add-url-dialog.ts');
    } catch (error) {
      reportProblem(this, error);
      return;
    }
    await this.renderRoot.querySelector('hermit-add-url-dialog')?.open();
  }

  async #openSmallerDialog(model: ModelView): Promise<void> {
    try {
      await import('../smaller-model-dialog/smaller-model-dialog.ts');
    } catch (error) {
      reportProblem(this, error);
      return;
    }
    await this.renderRoot.querySelector('hermit-smaller-model-dialog')?.open(model);
  }

  async #openInspector(inspection: InspectionRequest): Promise<void> {
    try {
      await import('../inspector-dialog/inspector-dialog.ts');
    } catch (error) {
      reportProblem(this, error);
      return;
    }
    await this.renderRoot.querySelector('hermit-inspector-dialog')?.open(inspection);
  }

  readonly #onFileChosen = (event: Event): void => {
    const input = event.target as HTMLInputElement;
    const files = [...(input.files ?? [])];
    input.value = '';
    void this.addFiles(files);
  };

  /** Adds the models among files that were chosen, dropped, or opened with the app. */
  async addFiles(files: readonly File[], folder?: DroppedFolder): Promise<void> {
    const { services } = this;
    if (services === undefined) return;
    if (files.some(({ name }) => name.endsWith('.safetensors'))) {
      const id = await perform(
        this,
        services.models.convertFolder(folder?.files ?? files, folder?.name),
      );
      if (id !== undefined) modelAdded(this, id);
      return;
    }
    const models = (await perform(this, services.models.modelsIn(files))) ?? [];
    for (const [file, ...more] of models) {
      if (file === undefined) continue;
      const id = await perform(this, services.models.addFromFile(file, ...more));
      if (id !== undefined) modelAdded(this, id);
    }
  }

  readonly #install = (): void => {
    const { services } = this;
    if (services === undefined) return;
    if (services.app.install.value === 'available') {
      void perform(this, services.app.promptInstall());
      return;
    }
    showHint(
      this,
      msg(
        'To install Hermit: open the browser’s Share or File menu and choose “Add to Home Screen” or “Add to Dock”.',
        { id: 'app.installManual' },
      ),
    );
  };
}

customElements.define('hermit-app', HermitApp);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-app': HermitApp;
  }
}
