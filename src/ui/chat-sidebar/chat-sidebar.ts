import { msg, str } from '@lit/localize';
import { html, nothing } from 'lit';
import { repeat } from 'lit/directives/repeat.js';
import { offerFile } from '../file-download.ts';
import { HermitElement, Observed } from '../hermit-element.ts';
import {
  closeIcon,
  downloadIcon,
  hermitMark,
  modelsIcon,
  newChatIcon,
  pencilIcon,
  settingsIcon,
  sidebarIcon,
  trashIcon,
} from '../icons.ts';
import { menuItemStyles } from '../popover-menu/popover-menu.styles.ts';
import type { PopoverMenu } from '../popover-menu/popover-menu.ts';
import '../popover-menu/popover-menu.ts';
import { askConfirmation, perform } from '../requests.ts';
import { formatRoute } from '../router.ts';
import type { Route } from '../router.ts';
import type { ChatSummaryView } from '../services.ts';
import { baseStyles, buttonStyles, fieldStyles } from '../shared.styles.ts';
import { chatSidebarStyles } from './chat-sidebar.styles.ts';
import { groupChats } from './group-chats.ts';
import type { ChatPeriod } from './group-chats.ts';

/**
 * `<hermit-chat-sidebar>`: new chat, the list of chats, the way to Models and Settings.
 *
 * Properties: `route` where the person is, `drawer` whether it covers the page on a phone.
 * Events: `hermit-close-sidebar` when it should fold away; links change the address.
 * Slots, parts: none.
 */
export class ChatSidebar extends HermitElement {
  static override readonly styles = [
    baseStyles,
    buttonStyles,
    fieldStyles,
    menuItemStyles,
    chatSidebarStyles,
  ];
  static override readonly properties = {
    route: { attribute: false },
    drawer: { attribute: false },
    renaming: { state: true },
  };

  declare route: Route;
  declare drawer: boolean;
  /** Id of the chat whose title is being edited. */
  declare private renaming: string | null;

  readonly #summaries = new Observed(this, (services) => services.chats.summaries);
  readonly #install = new Observed(this, (services) => services.app.install);

  constructor() {
    super();
    this.route = { page: 'chat', id: null };
    this.drawer = false;
    this.renaming = null;
  }

  protected override render(): unknown {
    const { page } = this.route;
    const current = (name: Route['page']): 'page' | typeof nothing =>
      page === name ? 'page' : nothing;
    return html`<div class="top">
        <a class="brand" href="#/" @click=${this.#close}>${hermitMark}<span>Hermit</span></a>
        <button
          type="button"
          class="icon-button"
          aria-label=${msg('Close the sidebar', { id: 'sidebar.close' })}
          @click=${this.#fold}
        >
          ${this.drawer ? closeIcon : sidebarIcon}
        </button>
      </div>
      <a class="row new" href="#/" @click=${this.#startNew}>
        ${newChatIcon}<span>${msg('New chat', { id: 'sidebar.newChat' })}</span>
      </a>
      <nav class="chats" aria-label=${msg('Chats', { id: 'sidebar.chats' })}>${this.#list()}</nav>
      <nav class="pages" aria-label=${msg('Pages', { id: 'sidebar.pages' })}>
        ${this.#installRow()}
        <a class="row" href="#/models" aria-current=${current('models')} @click=${this.#close}>
          ${modelsIcon}<span>${msg('Models', { id: 'sidebar.models' })}</span>
        </a>
        <a class="row" href="#/settings" aria-current=${current('settings')} @click=${this.#close}>
          ${settingsIcon}<span>${msg('Settings', { id: 'sidebar.settings' })}</span>
        </a>
      </nav>`;
  }

  #list(): unknown {
    const summaries = this.#summaries.value;
    if (summaries.length === 0) {
      return html`<p class="empty">
        ${msg('Your chats will be listed here. They stay on this device.', { id: 'sidebar.empty' })}
      </p>`;
    }
    return groupChats(summaries, Date.now()).map(
      ({ period, chats }) =>
        html`<section>
          <h2>${periodText(period)}</h2>
          <ul>
            ${repeat(
              chats,
              (chat) => chat.id,
              (chat) =>
                html`<li>${this.renaming === chat.id ? this.#editor(chat) : this.#chat(chat)}</li>`,
            )}
          </ul>
        </section>`,
    );
  }

  #chat(chat: ChatSummaryView): unknown {
    const open = this.route.page === 'chat' && this.route.id === chat.id;
    return html`<div class="chat" ?data-open=${open}>
      <a
        class="row"
        href=${formatRoute({ page: 'chat', id: chat.id })}
        aria-current=${open ? 'page' : nothing}
        title=${chat.title}
        @click=${this.#close}
        ><span>${chat.title || msg('Untitled chat', { id: 'sidebar.untitled' })}</span></a
      >
      <hermit-popover-menu
        .label=${msg(str`Options for “${chat.title}”`, { id: 'sidebar.options' })}
      >
        <button
          type="button"
          class="menu-item"
          @click=${(event: Event) => this.#rename(event, chat)}
        >
          ${pencilIcon}${msg('Rename', { id: 'sidebar.rename' })}
        </button>
        <button
          type="button"
          class="menu-item"
          @click=${(event: Event) => this.#export(event, chat)}
        >
          ${downloadIcon}${msg('Export', { id: 'sidebar.export' })}
        </button>
        <button
          type="button"
          class="menu-item danger"
          @click=${(event: Event) => this.#remove(event, chat)}
        >
          ${trashIcon}${msg('Delete', { id: 'common.delete' })}
        </button>
      </hermit-popover-menu>
    </div>`;
  }

  #editor(chat: ChatSummaryView): unknown {
    return html`<form
      class="editor"
      @submit=${(event: Event) => this.#commit(event, chat)}
      @focusout=${(event: Event) => this.#commit(event, chat)}
      @keydown=${this.#onEditorKey}
    >
      <input
        type="text"
        maxlength="120"
        .value=${chat.title}
        aria-label=${msg('Title of the chat', { id: 'sidebar.title' })}
      />
    </form>`;
  }

  #installRow(): unknown {
    const install = this.#install.value;
    if (install !== 'available' && install !== 'manual') return nothing;
    return html`<button type="button" class="row" @click=${this.#onInstall}>
      ${downloadIcon}<span>${msg('Install as an app', { id: 'sidebar.install' })}</span>
    </button>`;
  }

  readonly #close = (): void => {
    if (this.drawer) this.#fold();
  };

  readonly #fold = (): void => {
    this.dispatchEvent(new CustomEvent('hermit-close-sidebar', { bubbles: true, composed: true }));
  };

  readonly #startNew = (): void => {
    // The address may already be that of a new chat, then no change of it would be noticed.
    this.services.chats.startNew();
    this.#close();
  };

  readonly #onInstall = (): void => {
    this.dispatchEvent(new CustomEvent('hermit-install', { bubbles: true, composed: true }));
  };

  async #rename(event: Event, chat: ChatSummaryView): Promise<void> {
    closeMenu(event);
    this.renaming = chat.id;
    await this.updateComplete;
    this.renderRoot.querySelector<HTMLInputElement>('.editor input')?.select();
  }

  async #commit(event: Event, chat: ChatSummaryView): Promise<void> {
    event.preventDefault();
    if (this.renaming !== chat.id) return;
    this.renaming = null;
    const title = (
      this.renderRoot.querySelector<HTMLInputElement>('.editor input')?.value ?? ''
    ).trim();
    if (title !== '' && title !== chat.title) {
      await perform(this, this.services.chats.rename(chat.id, title));
    }
  }

  readonly #onEditorKey = (event: KeyboardEvent): void => {
    if (event.key !== 'Escape') return;
    event.stopPropagation();
    event.preventDefault();
    this.renaming = null;
  };

  async #export(event: Event, chat: ChatSummaryView): Promise<void> {
    closeMenu(event);
    const blob = await perform(this, this.services.chats.exportChats(chat.id));
    if (blob !== undefined) offerFile(blob, 'hermit-chat.json');
  }

  async #remove(event: Event, chat: ChatSummaryView): Promise<void> {
    closeMenu(event);
    const confirmed = await askConfirmation(this, {
      heading: msg('Delete this chat?', { id: 'sidebar.deleteHeading' }),
      body: msg(
        str`“${chat.title}” will be gone for good. There is no copy anywhere else, because Hermit keeps chats on this device alone.`,
        { id: 'sidebar.deleteBody' },
      ),
      confirmLabel: msg('Delete', { id: 'common.delete' }),
      danger: true,
    });
    if (!confirmed) return;
    await perform(this, this.services.chats.remove(chat.id));
    if (this.route.page === 'chat' && this.route.id === chat.id) location.hash = '#/';
  }
}

function closeMenu(event: Event): void {
  (event.currentTarget as HTMLElement).closest<PopoverMenu>('hermit-popover-menu')?.close();
}

function periodText(period: ChatPeriod): string {
  switch (period) {
    case 'today':
      return msg('Today', { id: 'period.today' });
    case 'yesterday':
      return msg('Yesterday', { id: 'period.yesterday' });
    case 'week':
      return msg('Last 7 days', { id: 'period.week' });
    case 'month':
      return msg('Last 30 days', { id: 'period.month' });
    case 'older':
      return msg('Older', { id: 'period.older' });
  }
}

customElements.define('hermit-chat-sidebar', ChatSidebar);

declare global {
  interface HTMLElementTagNameMap {
    'hermit-chat-sidebar': ChatSidebar;
  }
  interface HTMLElementEventMap {
    'hermit-close-sidebar': CustomEvent<null>;
    'hermit-install': CustomEvent<null>;
  }
}
