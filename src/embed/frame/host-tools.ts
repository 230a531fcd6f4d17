/**
 * The tools a host offers, and their calls: each tool's first call is confirmed by the person, who
 * sees the arguments. Names, descriptions and results come from a stranger and are bounded.
 */
import { AppError } from '../../common/errors.ts';
import { limits, type ToolCallRequest, type ToolDescription } from '../protocol.ts';

/** `always`: this and later calls of the tool, until the page is left. */
export type ToolConsent = 'once' | 'always' | 'no';

export interface HostToolsOptions {
  readonly confirm: (
    tool: ToolDescription,
    argumentsText: string,
    signal: AbortSignal,
  ) => Promise<ToolConsent>;
  readonly run: (request: ToolCallRequest, signal: AbortSignal) => Promise<unknown>;
  readonly onChange: () => void;
}

const TOOL_NAME = /^[\w.-]+$/;

export class HostTools {
  readonly #options: HostToolsOptions;
  readonly #tools = new Map<string, ToolDescription>();
  readonly #trusted = new Set<string>();

  constructor(options: HostToolsOptions) {
    this.#options = options;
  }

  get list(): readonly ToolDescription[] {
    return [...this.#tools.values()];
  }

  /** A tool of the same name is replaced, and has to be confirmed anew. @throws AppError */
  register(value: unknown): void {
    const tool = parseTool(value);
    if (!this.#tools.has(tool.name) && this.#tools.size >= limits.tools) {
      throw new AppError('embed/limit', `At most ${limits.tools} tools can be registered.`);
    }
    this.#trusted.delete(tool.name);
    this.#tools.set(tool.name, tool);
    this.#options.onChange();
  }

  unregister(name: string): void {
    if (this.#tools.delete(name)) this.#options.onChange();
  }

  clear(): void {
    this.#tools.clear();
    this.#options.onChange();
  }

  /**
   * Runs a tool as the model asked.
   * @throws AppError `embed/refused` where the person says no, `invalid-argument`, what the host throws
   */
  async call(name: string, argumentsText: string, signal: AbortSignal): Promise<string> {
    const tool = this.#tools.get(name);
    if (tool === undefined) throw new AppError('invalid-argument', `There is no tool "${name}".`);
    const input = parseArguments(argumentsText);
    if (!this.#trusted.has(name)) {
      const shown = JSON.stringify(input, null, 2);
      const consent = await this.#options.confirm(tool, shown, signal);
      if (consent === 'no')
        throw new AppError('embed/refused', 'The person did not allow this call.');
      // The page may have put another tool under this name while the person was reading.
      if (this.#tools.get(name) !== tool) {
        throw new AppError('embed/refused', 'The tool was changed while it was being confirmed.');
      }
      if (consent === 'always') this.#trusted.add(name);
    }
    const late = AbortSignal.timeout(limits.toolTimeoutMs);
    const result = await this.#options.run(
      { name, arguments: input },
      AbortSignal.any([signal, late]),
    );
    const text = typeof result === 'string' ? result : '';
    return text.length <= limits.toolResultLength
      ? text
      : `${text.slice(0, limits.toolResultLength)}…`;
  }
}

function parseArguments(text: string): Readonly<Record<string, unknown>> {
  const value: unknown = text.trim() === '' ? {} : JSON.parse(text);
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Readonly<Record<string, unknown>>;
  }
  throw new AppError('invalid-argument', 'The arguments of a tool must be a JSON object.');
}

/** @throws AppError `invalid-argument` */
export function parseTool(value: unknown): ToolDescription {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Readonly<
    Record<string, unknown>
  >;
  const { name, title, description, inputSchema, annotations } = given;
  const wrong = (field: string, must: string): AppError =>
    new AppError('invalid-argument', `"${field}" of a tool must be ${must}.`, {
      details: { field },
    });
  if (typeof name !== 'string' || !TOOL_NAME.test(name) || name.length > limits.toolNameLength) {
    throw wrong('name', `letters, digits, ".", "_" or "-", at most ${limits.toolNameLength}`);
  }
  if (typeof description !== 'string' || description.length > limits.toolDescriptionLength) {
    throw wrong('description', `a text of at most ${limits.toolDescriptionLength} characters`);
  }
  if (title !== undefined && (typeof title !== 'string' || title.length > limits.toolNameLength)) {
    throw wrong('title', `a text of at most ${limits.toolNameLength} characters`);
  }
  const object = (field: string, part: unknown): void => {
    if (part !== undefined && (typeof part !== 'object' || part === null || Array.isArray(part))) {
      throw wrong(field, 'an object');
    }
  };
  object('inputSchema', inputSchema);
  object('annotations', annotations);
  const readOnly = (annotations as { readonly readOnlyHint?: unknown } | undefined)?.readOnlyHint;
  return {
    name,
    description,
    ...(title === undefined ? {} : { title }),
    ...(inputSchema === undefined
      ? {}
      : { inputSchema: inputSchema as Readonly<Record<string, unknown>> }),
    annotations: { readOnlyHint: readOnly === true },
  };
}
