import type { WidgetConfiguration } from '../protocol.ts';
import type { HermitWidget, HostTool } from './connect.ts';
import { hermitChatStyles } from './hermit-chat.styles.ts';

/** Where this script came from, which is where Hermit is. */
const home = new URL(/* @vite-ignore */ '.', import.meta.url);

const words = {
  en: {
    open: 'Open the chat',
    close: 'Close the chat',
    title: 'Chat with Hermit',
    refused: 'Hermit cannot be shown here:',
    link: 'Open Hermit in its own window',
  },
  zh: {
    open: '打开聊天',
    close: '关闭聊天',
    title: '与 Hermit 聊天',
    refused: '无法在此处显示 Hermit：',
    link: '在独立窗口中打开 Hermit',
  },
};

/** After the frame was loaded it says hello within moments, or the browser has refused to show it. */
const HELLO_TIMEOUT_MS = 6000;

/**
 * `<hermit-chat>`: a button in the corner of a page that opens a chat with Hermit; `inline` shows the
 * chat alone, where the element stands. Nothing is requested before it is opened the first time.
 *
 * Attributes: `open`, `inline`, `model` (a suggestion), `theme` (light, dark, system), `locale` (en,
 * zh-Hans), `placeholder`, `allow` (further permissions for the frame, for example "microphone").
 * Properties: `open`, `iframe` (null before it was opened). Methods: `connect()` opens nothing but
 * loads the frame, and resolves with the widget; `fill(text)`, `registerTool(tool)`.
 * Events: `toggle` when `open` changed. Slots: none. Parts: `launcher`, `panel`.
 * Custom properties: `--hermit-accent`, `--hermit-offset`.
 */
export class HermitChat extends HTMLElement {
  static readonly observedAttributes = ['open', 'theme', 'locale', 'placeholder', 'model'];

  iframe: HTMLIFrameElement | null = null;
  readonly #panel = make('div', { part: 'panel', hidden: '' });
  readonly #launcher = make('button', { part: 'launcher', type: 'button' });
  #widget: Promise<HermitWidget> | null = null;

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open', delegatesFocus: true });
    const styles = new CSSStyleSheet();
    styles.replaceSync(hermitChatStyles);
    root.adoptedStyleSheets = [styles];
    this.#launcher.append(mark());
    this.#launcher.addEventListener('click', () => (this.open = !this.open));
    root.append(this.#panel, this.#launcher);
  }

  get open(): boolean {
    return this.hasAttribute('open');
  }
  set open(open: boolean) {
    this.toggleAttribute('open', open);
  }

  connectedCallback(): void {
    this.#show();
  }

  attributeChangedCallback(name: string, before: string | null, after: string | null): void {
    if (before === after || !this.isConnected) return;
    if (name === 'open') {
      this.#show();
      this.dispatchEvent(new Event('toggle'));
    } else {
      this.#label();
      this.#withWidget((widget) => {
        widget.configure(this.#configuration());
      });
    }
  }

  /** @throws AppError `embed/refused` */
  connect(): Promise<HermitWidget> {
    this.#widget ??= this.#load();
    return this.#widget;
  }

  /** Opens the chat with a question in its field, for the person to send. */
  fill(text: string): void {
    this.open = true;
    void this.connect().then(
      (widget) => {
        widget.fill(text);
      },
      () => undefined, // the panel says why it cannot be shown
    );
  }

  async registerTool(tool: HostTool): Promise<() => void> {
    return (await this.connect()).registerTool(tool);
  }

  #show(): void {
    const shown = this.open || this.hasAttribute('inline');
    if (shown) this.connect().catch(() => undefined); // the panel says why it cannot be shown
    this.#panel.hidden = !shown;
    this.#launcher.setAttribute('aria-expanded', String(this.open));
    this.#label();
    if (this.open) this.iframe?.focus();
  }

  #label(): void {
    this.#launcher.setAttribute('aria-label', this.open ? this.#words.close : this.#words.open);
  }

  get #words(): (typeof words)['en'] {
    return (this.getAttribute('locale') ?? navigator.language).startsWith('zh')
      ? words.zh
      : words.en;
  }

  #withWidget(use: (widget: HermitWidget) => void): void {
    this.#widget?.then(use, () => undefined);
  }

  #configuration(): WidgetConfiguration {
    const of = (name: string): string => this.getAttribute(name) ?? '';
    return {
      theme: (of('theme') || 'system') as 'system',
      locale: of('locale'),
      placeholder: of('placeholder'),
      model: of('model'),
      closable: !this.hasAttribute('inline'),
    };
  }

  async #load(): Promise<HermitWidget> {
    const own = home.origin === location.origin;
    const theme = this.getAttribute('theme') ?? '';
    const locale = this.getAttribute('locale') ?? '';
    const iframe = make('iframe', {
      title: this.#words.title,
      // In the fragment, so that they are not sent: the first paint has the right colours and words.
      src: `${home.href}widget#${String(new URLSearchParams({ theme, locale }))}`,
      allow: `clipboard-write; compute-pressure; cross-origin-isolated; ${this.getAttribute('allow') ?? ''}`,
      referrerpolicy: 'no-referrer',
      // Of one's own site, a sandbox that allows scripts and the origin would keep nothing in.
      ...(own
        ? {}
        : {
            sandbox:
              'allow-scripts allow-same-origin allow-forms allow-popups allow-popups-to-escape-sandbox allow-downloads allow-storage-access-by-user-activation',
          }),
    });
    this.iframe = iframe;
    let waiting = 0;
    const unanswered = new Promise<never>((_, reject) => {
      iframe.onload = () => {
        waiting = window.setTimeout(() => {
          reject(new Error(`${home.origin} ↛ ${location.origin}`));
        }, HELLO_TIMEOUT_MS);
      };
    });
    this.#panel.replaceChildren(iframe);
    const { connect } = await import('./connect.ts');
    const connection = connect(iframe, {
      configuration: this.#configuration(),
      onHello: () => {
        iframe.onload = null;
        clearTimeout(waiting);
      },
      onClose: () => {
        this.open = false;
        this.#launcher.focus();
      },
      onAttention: () => {
        if (!this.hasAttribute('inline')) this.open = true;
        this.scrollIntoView({ block: 'nearest' });
      },
    });
    try {
      return await Promise.race([connection, unanswered]);
    } catch (error) {
      this.#explain(error);
      throw error;
    }
  }

  #explain(error: unknown): void {
    const text = make('p', {});
    text.textContent = `${this.#words.refused} ${(error as Error).message}`;
    const link = make('a', { href: home.href, target: '_blank', rel: 'noopener' });
    link.textContent = this.#words.link;
    const note = make('div', { class: 'note', role: 'alert' });
    note.append(text, link);
    this.#panel.replaceChildren(note);
  }
}

function make<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  attributes: Readonly<Record<string, string>>,
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  return element;
}

/** Hermit's mark, as in `src/ui/icons.ts`. */
function mark(): SVGElement {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('viewBox', '0 0 48 48');
  svg.setAttribute('aria-hidden', 'true');
  for (const d of [
    'M24 4C14 4 6 12 6 23v17a4 4 0 0 0 4 4h28a4 4 0 0 0 4-4V23C42 12 34 4 24 4z',
    'M33 44V26.5a9 9 0 0 0-18 0 6.500 6.500 0 0 0 13 .5 3.800 3.800 0 0 0-7-1',
  ]) {
    const path = document.createElementNS(svg.namespaceURI, 'path');
    path.setAttribute('d', d);
    svg.append(path);
  }
  return svg;
}

declare global {
  interface HTMLElementTagNameMap {
    'hermit-chat': HermitChat;
  }
}
