/** Tools as chat templates and the page's API know them: the form of the OpenAI API. */

export interface ToolDefinition {
  readonly type: 'function';
  readonly function: {
    readonly name: string;
    readonly description: string;
    /** A JSON schema of an object. */
    readonly parameters: Readonly<Record<string, unknown>>;
  };
}

/** A call inside an assistant message; `arguments` is JSON text. */
export interface MessageToolCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: string };
}

/** An id for a call, new in every answer. */
export function newCallId(): string {
  return `call_${crypto.randomUUID().replaceAll('-', '').slice(0, 24)}`;
}
