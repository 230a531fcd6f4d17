/** Tools that a chat may use, and the rounds of calls they are used in. */
import type { MessageCall } from '../conversation/conversation-types.ts';
import type { ToolDefinition } from '../conversation/tool-definitions.ts';

export interface ChatTools {
  /** Those there are now; they may change between two answers. */
  definitions(): readonly ToolDefinition[];
  /** The result as text, a failure included. @throws AppError `aborted` alone */
  call(name: string, argumentsText: string, signal: AbortSignal): Promise<string>;
}

/** A model that calls tools for ever is stopped by the person; one that nobody watches, by this. */
export const MOST_CALLS_A_TURN = 8;

/** Runs the calls of one answer, one after the other: each may want to be confirmed. */
export async function runCalls(
  tools: ChatTools,
  calls: readonly MessageCall[],
  signal: AbortSignal,
): Promise<readonly { readonly callId: string; readonly text: string }[]> {
  const results: { callId: string; text: string }[] = [];
  for (const { id, name, arguments: argumentsText } of calls) {
    signal.throwIfAborted();
    results.push({ callId: id, text: await tools.call(name, argumentsText, signal) });
  }
  return results;
}
