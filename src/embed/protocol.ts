/**
 * What an embedding page (the host) and the Hermit in its frame say to each other.
 *
 * First window messages: the frame says `hello` with a nonce, the host answers `connect` with the
 * nonce and one end of a MessageChannel. Everything after that is JSON-RPC 2.0
 * (https://www.jsonrpc.org/specification) in text on that channel, see `peer.ts`. Whoever did not get
 * the port cannot say a word: siblings, openers and extensions of the page are not even listened to.
 */

/** Raised when an older side could not understand a newer one; both name it in their first word. */
export const PROTOCOL_VERSION = 1;

export type Handshake =
  /** Host to frame: say hello again, I was not listening yet. */
  | { readonly hermit: 'knock'; readonly version: number }
  | { readonly hermit: 'hello'; readonly version: number; readonly nonce: string }
  /** Host to frame, together with one MessagePort. */
  | { readonly hermit: 'connect'; readonly version: number; readonly nonce: string }
  | { readonly hermit: 'refused'; readonly version: number; readonly reason: Refusal };

/** `origin`: not in the list of sites that may embed; `version`: the sides do not understand each other. */
export type Refusal = 'origin' | 'version';

/** A UUID has 36 characters; nothing in a handshake is longer. */
const LONGEST_FIELD = 64;

/** The handshake in a window message, or null for whatever else pages say to each other. */
export function parseHandshake(data: unknown): Handshake | null {
  if (typeof data !== 'object' || data === null) return null;
  const { hermit, version, nonce, reason } = data as Readonly<Record<string, unknown>>;
  if (typeof version !== 'number') return null;
  if (hermit === 'knock') return { hermit, version };
  if (hermit === 'refused' && (reason === 'origin' || reason === 'version')) {
    return { hermit, version, reason };
  }
  if (typeof nonce !== 'string' || nonce.length > LONGEST_FIELD) return null;
  return hermit === 'hello' || hermit === 'connect' ? { hermit, version, nonce } : null;
}

/** Methods and notifications on the channel, beside those of the page API (`chat.completions.create`). */
export const methods = {
  /** Frame to host: the handshake is complete. */
  ready: 'ui.ready',
  /** Host to frame: what the attributes of `<hermit-chat>` say. */
  configure: 'ui.configure',
  /** Host to frame: put a question into the field. Never sent by itself. */
  fill: 'ui.fill',
  /** Frame to host: the person closed the chat. */
  close: 'ui.close',
  /** Frame to host: the person is asked something that the host waits for, and must see the frame. */
  attention: 'ui.attention',
  registerTool: 'tools.register',
  unregisterTool: 'tools.unregister',
  /** Frame to host: run a tool that the person agreed to. */
  callTool: 'tools.call',
  /** Host to frame: ask the person for the use of the page API. */
  requestAccess: 'access.request',
} as const;

export interface WidgetConfiguration {
  readonly theme?: 'system' | 'light' | 'dark';
  readonly locale?: string;
  readonly placeholder?: string;
  /** False where the page shows the chat all the time. */
  readonly closable?: boolean;
  /** A model the page suggests: an address of a .gguf file, or the id of an entry of the catalogue. */
  readonly model?: string;
}

/** A tool as it travels: WebMCP's dictionary (https://webmachinelearning.github.io/webmcp) without its function. */
export interface ToolDescription {
  readonly name: string;
  readonly title?: string;
  readonly description: string;
  /** A JSON schema of an object. */
  readonly inputSchema?: Readonly<Record<string, unknown>>;
  readonly annotations?: { readonly readOnlyHint?: boolean };
}

export interface ToolCallRequest {
  readonly name: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

export const limits = {
  /** Characters of one message on the channel; a longer one ends the connection. */
  messageLength: 1024 * 1024,
  /** Characters of a message that is no call of the page API. */
  commandLength: 64 * 1024,
  presetLength: 8 * 1024,
  placeholderLength: 120,
  /** Messages in a burst, and how many a second come back. */
  burst: 200,
  messagesPerSecond: 100,
  /** Calls under way at the same time. */
  openCalls: 64,
  tools: 32,
  toolNameLength: 64,
  toolDescriptionLength: 1024,
  toolResultLength: 32 * 1024,
  /** A page that does not answer must not hold up the chat. */
  toolTimeoutMs: 30_000,
} as const;
