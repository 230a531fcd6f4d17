/**
 * Answers that must be of a form: the prompt writes their beginning, and a grammar bounds the rest.
 * The beginning holds the special tokens, which no grammar over text can ask for.
 */
import type { ToolDefinition } from '../tool-definitions.ts';
import { withTokenMarks, type AnswerFormat } from './answer-format.ts';
import type { ToolDialect } from './tool-dialects.ts';

/** One way the rest of an answer may be: a JSON value that follows the schema, between two texts. */
export interface AnswerChoice {
  readonly before: string;
  readonly schema: boolean | Readonly<Record<string, unknown>>;
  readonly after: string;
  /** Overlooks what no grammar can promise, instead of refusing it. */
  readonly lenient?: boolean;
}

export interface ForcedAnswer {
  /** To be added to the prompt. */
  readonly beginning: string;
  readonly choices: readonly AnswerChoice[];
  readonly format: AnswerFormat;
}

/** An answer without reasoning: what the prompt has opened of it is closed. */
export function forcedText(format: AnswerFormat, choices: readonly AnswerChoice[]): ForcedAnswer {
  return begun(format, '', choices);
}

/** A call of one of these tools, in the first dialect of the model that can be begun. */
export function forcedCall(format: AnswerFormat, tools: readonly ToolDefinition[]): ForcedAnswer {
  const dialect = format.dialects.find(({ open }) => beginnings.has(open));
  const write = beginnings.get(dialect?.open ?? '') ?? bareCall;
  const { beginning, choice } = write;
  // A tool checks its arguments itself; a "minimum" among them is no reason to refuse the call.
  const choices = tools.map((tool) => ({ ...choice(tool), lenient: true }));
  return begun(format, beginning, choices);
}

function begun(
  format: AnswerFormat,
  beginning: string,
  choices: readonly AnswerChoice[],
): ForcedAnswer {
  const whole = (format.opened === null ? '' : `\n${format.opened.close}\n\n`) + beginning;
  const marked = withTokenMarks(whole, format.markedTokens);
  return { beginning: whole, choices, format: { ...format, begun: marked } };
}

interface Beginning {
  readonly beginning: string;
  readonly choice: (tool: ToolDefinition) => AnswerChoice;
}

/** `{"name": ..., "arguments": ...}` between two texts. */
const callObject =
  (argumentsKey: string, before = '', after = '', nameKey = 'name') =>
  ({ function: { name, parameters } }: ToolDefinition): AnswerChoice => ({
    before,
    schema: {
      type: 'object',
      properties: { [nameKey]: { const: name }, [argumentsKey]: argumentsSchema(parameters) },
      required: [nameKey, argumentsKey],
      additionalProperties: false,
      ...definitionsOf(parameters),
    },
    after,
  });

const namedCall =
  (between: string, after = '') =>
  ({ function: { name, parameters } }: ToolDefinition): AnswerChoice => ({
    before: `${name}${between}`,
    schema: argumentsSchema(parameters),
    after,
  });

const bareCall: Beginning = { beginning: '', choice: callObject('parameters') };

/** By the opening of each dialect; Python and Harmony are left to models that choose to call. */
const beginnings: ReadonlyMap<ToolDialect['open'], Beginning> = new Map([
  ['<tool_call>', { beginning: '<tool_call>\n', choice: callObject('arguments') }],
  ['[TOOL_CALLS]', { beginning: '[TOOL_CALLS]', choice: callObject('arguments', '[', ']') }],
  ['<function=', { beginning: '<function=', choice: namedCall('>', '</function>') }],
  ['<|python_tag|>', bareCall],
  [
    '<｜tool▁call▁begin｜>',
    {
      beginning: '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>',
      choice: namedCall('\n```json\n', '\n```'),
    },
  ],
  [
    '<|START_ACTION|>',
    {
      beginning: '<|START_ACTION|>',
      choice: callObject('parameters', '[', ']', 'tool_name'),
    },
  ],
  [
    'Action:',
    {
      beginning: 'Action: ```json\n',
      choice: callObject('parameters', '[', ']\n```', 'tool_name'),
    },
  ],
  ['<|tool_call|>', { beginning: '<|tool_call|>', choice: callObject('arguments', '[', ']') }],
  [
    '<|action_start|><|plugin|>',
    { beginning: '<|action_start|><|plugin|>\n', choice: callObject('parameters') },
  ],
]);

function argumentsSchema(
  parameters: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return { type: 'object', ...parameters };
}

/** References name places from the top of a document, which the call is now. */
function definitionsOf({
  $defs,
  definitions,
}: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return {
    ...($defs === undefined ? {} : { $defs }),
    ...(definitions === undefined ? {} : { definitions }),
  };
}
