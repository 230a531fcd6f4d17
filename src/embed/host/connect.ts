/** The host's end of a widget: the handshake with its frame, commands, tools, and the page API. */
import { AppError } from '../../common/errors.ts';
import { Peer, type RequestOptions } from '../peer.ts';
import {
  methods,
  parseHandshake,
  PROTOCOL_VERSION,
  type Handshake,
  type ToolCallRequest,
  type ToolDescription,
  type WidgetConfiguration,
} from '../protocol.ts';
import { createClient, type HermitClient } from './client.ts';

/** WebMCP's dictionary: what `navigator.modelContext.registerTool` takes works here too. */
export interface HostTool extends ToolDescription {
  /** Text goes to the model as it is, anything else as JSON. */
  execute(input: Readonly<Record<string, unknown>>, agent?: unknown): unknown;
}

/** `hermit` in the frame, and what a host may do with the widget itself. */
export interface HermitWidget extends HermitClient {
  configure(configuration: WidgetConfiguration): void;
  /** Puts a question into the field; only the person can send it. */
  fill(text: string): void;
  /** Offers a tool to the model. The person confirms each tool's first call. Returns how to take it back. */
  registerTool(tool: HostTool): () => void;
  unregisterTool(name: string): void;
  /** Asks the person for the use of the page API now, not at the first call. */
  requestAccess(): Promise<boolean>;
  disconnect(): void;
}

export interface ConnectOptions {
  readonly configuration?: WidgetConfiguration;
  /** The frame is Hermit and speaks; it may take a while until it is ready. */
  readonly onHello?: () => void;
  /** The person closed the chat inside the frame. */
  readonly onClose?: () => void;
  /** The person is asked something that a call of this page waits for: show them the frame. */
  readonly onAttention?: () => void;
}

const connected = new WeakMap<HTMLIFrameElement, Promise<HermitWidget>>();

/**
 * The widget in an iframe whose `src` is Hermit's `/widget`; the same one for the same iframe. It
 * connects again by itself when the frame is loaded again.
 * @throws AppError `embed/refused` where this site may not embed Hermit, or their versions differ
 */
export function connect(
  iframe: HTMLIFrameElement,
  options: ConnectOptions = {},
): Promise<HermitWidget> {
  let connection = connected.get(iframe);
  if (connection === undefined) {
    connection = new Connection(iframe, options).widget;
    connected.set(iframe, connection);
  }
  return connection;
}

class Connection {
  readonly #iframe: HTMLIFrameElement;
  readonly #origin: string;
  readonly #options: ConnectOptions;
  readonly #tools = new Map<string, HostTool>();
  readonly widget: Promise<HermitWidget>;
  readonly #widget: HermitWidget;
  #onReady: (widget: HermitWidget) => void = () => undefined;
  #onRefused: (error: AppError) => void = () => undefined;
  #configuration: WidgetConfiguration;
  #peer: Peer | null = null;

  constructor(iframe: HTMLIFrameElement, options: ConnectOptions) {
    this.#iframe = iframe;
    this.#origin = new URL(iframe.src, location.href).origin;
    this.#options = options;
    this.#configuration = options.configuration ?? {};
    this.#widget = this.#makeWidget();
    this.widget = new Promise((resolve, reject) => {
      this.#onReady = resolve;
      this.#onRefused = reject;
    });
    addEventListener('message', this.#onMessage);
    // The frame may have said hello before anybody listened.
    this.#say({ hermit: 'knock', version: PROTOCOL_VERSION });
  }

  /** Window messages count only from this very frame while it shows Hermit. */
  readonly #onMessage = ({ source, origin, data }: MessageEvent<unknown>): void => {
    if (source === null || source !== this.#iframe.contentWindow || origin !== this.#origin) return;
    const message = parseHandshake(data);
    if (message?.hermit === 'refused') this.#refused(message.reason);
    else if (message?.hermit === 'hello') {
      this.#options.onHello?.();
      if (message.version === PROTOCOL_VERSION) this.#answer(message.nonce);
      else this.#refused('version');
    }
  };

  #answer(nonce: string): void {
    this.#peer?.close();
    const { port1, port2 } = new MessageChannel();
    this.#peer = new Peer(port1, { serve: (method, params) => this.#serve(method, params) });
    this.#say({ hermit: 'connect', version: PROTOCOL_VERSION, nonce }, [port2]);
  }

  #say(message: Handshake, ports: MessagePort[] = []): void {
    this.#iframe.contentWindow?.postMessage(message, this.#origin, ports);
  }

  #refused(reason: string): void {
    const why =
      reason === 'origin'
        ? `${this.#origin} does not allow ${location.origin} to show Hermit. Its owner can add this site to embed-origins.json.`
        : 'This page was made for another version of Hermit. Reload it.';
    this.#onRefused(new AppError('embed/refused', why, { details: { reason } }));
  }

  #serve(method: string, params: unknown): unknown {
    switch (method) {
      case methods.ready:
        this.#peer?.notify(methods.configure, this.#configuration);
        for (const tool of this.#tools.values()) this.#describe(tool);
        this.#onReady(this.#widget);
        return null;
      case methods.close:
        this.#options.onClose?.();
        return null;
      case methods.attention:
        this.#options.onAttention?.();
        return null;
      case methods.callTool:
        return this.#callTool(params as ToolCallRequest);
      default:
        throw new AppError('not-supported', `This page knows no "${method}".`);
    }
  }

  async #callTool({ name, arguments: input }: ToolCallRequest): Promise<string> {
    const tool = this.#tools.get(name);
    if (tool === undefined) throw new AppError('not-supported', `There is no tool "${name}".`);
    const result: unknown = await tool.execute(input);
    return typeof result === 'string' ? result : (JSON.stringify(result) ?? '');
  }

  #describe({ name, title, description, inputSchema, annotations }: HostTool): void {
    const described = { name, title, description, inputSchema, annotations };
    this.#peer?.notify(methods.registerTool, described);
  }

  #makeWidget(): HermitWidget {
    const request = (method: string, params: unknown, options?: RequestOptions) => {
      if (this.#peer === null) throw new AppError('embed/closed', 'Hermit is not connected.');
      return this.#peer.request(method, params, options);
    };
    const unregisterTool = (name: string): void => {
      if (this.#tools.delete(name)) this.#peer?.notify(methods.unregisterTool, { name });
    };
    return {
      ...createClient(request),
      configure: (change) => {
        this.#configuration = { ...this.#configuration, ...change };
        this.#peer?.notify(methods.configure, this.#configuration);
      },
      fill: (text) => this.#peer?.notify(methods.fill, { text }),
      registerTool: (tool) => {
        this.#tools.set(tool.name, tool);
        this.#describe(tool);
        return () => {
          unregisterTool(tool.name);
        };
      },
      unregisterTool,
      requestAccess: async () => (await request(methods.requestAccess, {})) === true,
      disconnect: () => {
        removeEventListener('message', this.#onMessage);
        connected.delete(this.#iframe);
        this.#peer?.close();
        this.#peer = null;
      },
    };
  }
}
