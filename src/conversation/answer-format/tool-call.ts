/** A call of a function as a model wrote it, whatever its dialect. */
export interface ToolCall {
  readonly name: string;
  /** A JSON object as text. */
  readonly arguments: string;
}

/** Longest name that OpenAI's API takes; no model invents longer ones for good reason. */
const maxNameLength = 64;
const namePattern = /^[\w.-]+$/;

/**
 * The call that a parsed JSON value describes, under any of the names that dialects give its parts;
 * null where it is none. Arguments that were written as JSON inside a string are unwrapped.
 */
export function toolCallOf(value: unknown): ToolCall | null {
  if (!isObject(value)) return null;
  const inner = value['function'];
  if (isObject(inner)) return toolCallOf(inner);
  const name = value['name'] ?? value['tool_name'] ?? (typeof inner === 'string' ? inner : null);
  const given = value['arguments'] ?? value['parameters'] ?? value['args'] ?? {};
  return namedCall(name, given);
}

/** @param given an object, or a text that holds one as JSON */
export function namedCall(name: unknown, given: unknown): ToolCall | null {
  if (typeof name !== 'string' || name.length > maxNameLength || !namePattern.test(name)) {
    return null;
  }
  const parsed = typeof given === 'string' ? parseJson(given) : given;
  return isObject(parsed) ? { name, arguments: JSON.stringify(parsed) } : null;
}

/** One call or a list of them; null when any part of it is no call. */
export function toolCallsOf(value: unknown): readonly ToolCall[] | null {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  const calls = list.map(toolCallOf).filter((call) => call !== null);
  return calls.length === list.length && calls.length > 0 ? calls : null;
}

/** Undefined for what is no JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
