/** The tools of a chat request, checked, in the form that chat templates take. */
import type { ToolDefinition } from '../../conversation/tool-definitions.ts';
import { AppError } from '../../common/errors.ts';
import { invalidField, requireBoolean, requireObject, requireText } from './request-checks.ts';

export interface ToolPlan {
  /** Those that the model is told of. */
  readonly tools: readonly ToolDefinition[];
  /** `auto`: the model may call; `required`: it must, any of the tools that are left. */
  readonly choice: 'auto' | 'required';
  /** Whether the answer ends with its first call. */
  readonly single: boolean;
}

/** OpenAI's limits. */
const maxTools = 128;
const namePattern = /^[\w-]{1,64}$/u;

/** @throws AppError `invalid-argument`, `not-supported` naming the field */
export function toolPlanOf(fields: Readonly<Record<string, unknown>>): ToolPlan {
  const tools = toolsOf(fields['tools']);
  const choice = fields['tool_choice'] ?? 'auto';
  const parallel = fields['parallel_tool_calls'] ?? true;
  const single = !requireBoolean(parallel, 'parallel_tool_calls');
  if (choice === 'none') return { tools: [], choice: 'auto', single };
  if (choice === 'auto') return { tools, choice, single };
  if (tools.length === 0) throw invalidField('tools', 'given when "tool_choice" asks for a call');
  if (choice === 'required') return { tools, choice, single };
  const named = tools.filter((tool) => tool.function.name === namedChoice(choice));
  if (named.length === 0) {
    throw invalidField('tool_choice', 'none, auto, required, or the name of one of the tools');
  }
  return { tools: named, choice: 'required', single: true };
}

function namedChoice(choice: unknown): unknown {
  if (typeof choice !== 'object' || choice === null) return null;
  const { type, function: called } = choice as Readonly<Record<string, unknown>>;
  if (type !== 'function' || typeof called !== 'object' || called === null) return null;
  return (called as Readonly<Record<string, unknown>>)['name'];
}

function toolsOf(given: unknown): ToolDefinition[] {
  if (given === undefined || given === null) return [];
  if (!Array.isArray(given) || given.length > maxTools) {
    throw invalidField('tools', `a list of at most ${maxTools} tools`);
  }
  const tools = given.map((tool: unknown, index) => toolOf(tool, `tools[${index}]`));
  const names = tools.map((tool) => tool.function.name);
  const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (twice >= 0) {
    throw invalidField(`tools[${twice}].function.name`, 'different from the others', names[twice]);
  }
  return tools;
}

function toolOf(tool: unknown, field: string): ToolDefinition {
  const { type, function: given } = requireObject(tool, field);
  if (type !== 'function') {
    throw new AppError('not-supported', `Hermit knows tools of type "function" alone.`, {
      details: { field: `${field}.type` },
    });
  }
  const definition = requireObject(given, `${field}.function`);
  const name = requireText(definition['name'], `${field}.function.name`);
  if (!namePattern.test(name)) {
    throw invalidField(`${field}.function.name`, '1 to 64 letters, digits, "_" or "-"', name);
  }
  const description = requireText(definition['description'] ?? '', `${field}.function.description`);
  const parameters = requireObject(
    definition['parameters'] ?? { type: 'object', properties: {} },
    `${field}.function.parameters`,
  );
  return { type, function: { name, description, parameters: plainData(parameters) } };
}

/** A copy that can be sent to a worker: scripts hand in anything. */
export function plainData<T>(value: T): T {
  return JSON.parse(JSON.stringify(value)) as T;
}

/** Variables for the template. Its own, such as the messages, cannot be replaced. */
export function templateVariablesOf(given: unknown): Readonly<Record<string, unknown>> {
  if (given === undefined || given === null) return {};
  return plainData(requireObject(given, 'chat_template_kwargs'));
}
