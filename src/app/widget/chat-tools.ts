/** The tools of the page around the widget, as the chat uses them. */
import { toAppError } from '../../common/errors.ts';
import type { HostTools } from '../../embed/frame/host-tools.ts';
import type { ToolDescription } from '../../embed/protocol.ts';
import type { ToolDefinition } from '../../conversation/tool-definitions.ts';
import type { ChatTools } from '../tool-calls.ts';

const NO_PARAMETERS = { type: 'object', properties: {} } as const;

export function chatToolsOf(tools: () => HostTools | null): ChatTools {
  return {
    definitions: () => (tools()?.list ?? []).map(definitionOf),
    call: async (name, argumentsText, signal) => {
      try {
        return (await tools()?.call(name, argumentsText, signal)) ?? '';
      } catch (error) {
        if (signal.aborted) throw error;
        // The model is told, and can say so or try something else.
        return `Error: ${toAppError(error).message}`;
      }
    },
  };
}

function definitionOf({ name, description, inputSchema }: ToolDescription): ToolDefinition {
  return {
    type: 'function',
    function: { name, description, parameters: inputSchema ?? NO_PARAMETERS },
  };
}
