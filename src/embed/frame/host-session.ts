/**
 * The conversation with one accepted host: its commands, its tools, and its calls of the page API. No
 * message of a chat ever goes to the host from here; what the page API answers is all it gets.
 */
import { AppError } from '../../common/errors.ts';
import { Peer, type ServedCall } from '../peer.ts';
import {
  limits,
  methods,
  PROTOCOL_VERSION,
  type ToolDescription,
  type WidgetConfiguration,
} from '../protocol.ts';
import { RateLimit } from '../rate-limit.ts';
import type { AcceptedHost } from './accept-host.ts';
import { HostTools, type ToolConsent } from './host-tools.ts';
import type { SiteMemory } from './site-memory.ts';

/** Asks the person; each resolves when they have decided. */
export interface Consent {
  connect(origin: string): Promise<boolean>;
  api(origin: string): Promise<boolean>;
  tool(
    origin: string,
    tool: ToolDescription,
    argumentsText: string,
    signal: AbortSignal,
  ): Promise<ToolConsent>;
}

/** A method of the page API by its dotted name. */
export type ApiMethod = (params: readonly unknown[], call: ServedCall) => Promise<unknown>;

export interface HostSessionOptions {
  readonly host: AcceptedHost;
  /** Pages of Hermit's own origin could reach into the frame anyway: they connect unasked. */
  readonly own: boolean;
  readonly memory: SiteMemory;
  readonly consent: Consent;
  readonly api: ReadonlyMap<string, ApiMethod>;
  readonly onConfigure: (configuration: WidgetConfiguration) => void;
  readonly onFill: (text: string) => void;
  /** Tools or permissions are others now. */
  readonly onChange: () => void;
}

export class HostSession {
  readonly tools: HostTools;
  readonly #options: HostSessionOptions;
  readonly #peer: Peer;
  readonly #origin: string;
  #connecting: Promise<boolean> | null = null;
  #decided = false;
  #asking: Promise<boolean> | null = null;
  /** A person who said no is not asked again before the page is loaded anew. */
  #refused = false;

  constructor(options: HostSessionOptions) {
    this.#options = options;
    this.#origin = options.host.origin;
    this.tools = new HostTools({
      confirm: (tool, text, signal) => {
        this.callAttention();
        return options.consent.tool(this.#origin, tool, text, signal);
      },
      run: (request, signal) => this.#peer.request(methods.callTool, request, { signal }),
      onChange: options.onChange,
    });
    this.#peer = new Peer(options.host.port, {
      rate: new RateLimit(limits.burst, limits.messagesPerSecond),
      serve: (method, params, call) => this.#serve(method, params, call),
      onClose: () => {
        this.tools.clear();
      },
    });
    this.#peer.notify(methods.ready, { version: PROTOCOL_VERSION });
    void this.#connected();
  }

  get origin(): string {
    return this.#origin;
  }

  get apiGranted(): boolean {
    return this.#options.memory.of(this.#origin).api;
  }

  /** The person closed the chat. */
  close(): void {
    this.#peer.notify(methods.close, {});
  }

  /** What the host waits for is the person's answer, and they may not see the frame. */
  callAttention(): void {
    this.#peer.notify(methods.attention, {});
  }

  revoke(): void {
    this.#options.memory.change(this.#origin, { api: false });
    this.#refused = true;
    this.#options.onChange();
  }

  async #serve(method: string, params: unknown, call: ServedCall): Promise<unknown> {
    const api = this.#options.api.get(method);
    if (api === undefined && call.length > limits.commandLength) {
      throw new AppError('embed/limit', 'This is more than a command may say.', {
        details: { limit: limits.commandLength, length: call.length },
      });
    }
    // Looks are harmless, and the first prompt should have them already.
    if (method === methods.configure) {
      this.#options.onConfigure(parseConfiguration(params));
      return null;
    }
    // A page that lends tools waits until the person looks; one that asks for answers needs theirs.
    if (api !== undefined || method === methods.requestAccess) this.#hurry();
    if (!(await this.#connected())) throw refused();
    if (api !== undefined) {
      if (!(await this.#grantApi())) throw refused();
      return api(Array.isArray(params) ? params : [], call);
    }
    const named = (params ?? {}) as Readonly<Record<string, unknown>>;
    switch (method) {
      case methods.fill:
        this.#options.onFill(textOf(named['text'], limits.presetLength));
        return null;
      case methods.registerTool:
        this.tools.register(params);
        return null;
      case methods.unregisterTool:
        this.tools.unregister(textOf(named['name'], limits.toolNameLength));
        return null;
      case methods.requestAccess:
        return this.#grantApi();
      default:
        throw new AppError('not-supported', `Hermit has no method "${method.slice(0, 100)}".`);
    }
  }

  #connected(): Promise<boolean> {
    const { own, memory, consent, onChange } = this.#options;
    if (own || memory.of(this.#origin).connected) return Promise.resolve(true);
    this.#connecting ??= consent.connect(this.#origin).then((connected) => {
      this.#decided = true;
      if (connected) memory.change(this.#origin, { connected });
      onChange();
      return connected;
    });
    return this.#connecting;
  }

  #hurry(): void {
    if (this.#connecting !== null && !this.#decided) this.callAttention();
  }

  #grantApi(): Promise<boolean> {
    if (this.apiGranted) return Promise.resolve(true);
    if (this.#refused) return Promise.resolve(false);
    if (this.#asking === null) this.callAttention();
    this.#asking ??= this.#options.consent.api(this.#origin).then((api) => {
      this.#asking = null;
      if (api) this.#options.memory.change(this.#origin, { api });
      else this.#refused = true;
      this.#options.onChange();
      return api;
    });
    return this.#asking;
  }
}

function refused(): AppError {
  return new AppError('embed/refused', 'The person did not allow this page to do that.');
}

function textOf(value: unknown, length: number): string {
  if (typeof value === 'string' && value.length <= length) return value;
  throw new AppError('invalid-argument', `This must be a text of at most ${length} characters.`);
}

/** Fields that are missing or wrong are left out: looks are no reason to fail. */
export function parseConfiguration(value: unknown): WidgetConfiguration {
  if (typeof value !== 'object' || value === null) return {};
  const { theme, locale, placeholder, model, closable } = value as Readonly<
    Record<string, unknown>
  >;
  const text = (part: unknown, length: number): part is string =>
    typeof part === 'string' && part !== '' && part.length <= length;
  return {
    ...(theme === 'light' || theme === 'dark' || theme === 'system' ? { theme } : {}),
    ...(text(locale, 35) ? { locale } : {}),
    ...(text(placeholder, limits.placeholderLength) ? { placeholder } : {}),
    ...(text(model, 2000) ? { model } : {}),
    ...(typeof closable === 'boolean' ? { closable } : {}),
  };
}
