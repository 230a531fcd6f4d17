/**
 * How models write calls of functions. A dialect is looked for where the template or the vocabulary
 * names its opening, so that an answer about XML is not taken for a call.
 *
 * | opens                          | then                                      | seen in                 |
 * |--------------------------------|-------------------------------------------|-------------------------|
 * | `<tool_call>`                  | object; or `<function=` with parameters as tags; or a name with `<arg_key>` tags | Hermes, Qwen 2.5 and 3, Granite 3.1; Qwen 3 Coder; GLM 4.5 |
 * | `[TOOL_CALLS]`                 | list of objects, or name and object        | Mistral                 |
 * | `<function=`                   | name, `>`, object, `</function>`           | Functionary 3.1, Llama 3.1 |
 * | `<|python_tag|>`               | object, `name.call(key="value")`, or Python | Llama 3.1, Functionary 3.1 |
 * | `<｜tool▁call▁begin｜>`         | `function<｜tool▁sep｜>name`, object in a fence; V3.1: name, separator, object | DeepSeek |
 * | `<|START_ACTION|>`             | list of objects                            | Command R7B             |
 * | `Action:`                      | list of objects in a fence                 | Command R               |
 * | `<|tool_call|>`                | list of objects                            | Granite 3, Phi 4 mini   |
 * | `<|tool_call_start|>`          | `[name(key="value")]`                      | LFM2                    |
 * | `<|action_start|><|plugin|>`   | object                                     | InternLM 2              |
 * | `<|channel|>commentary to=functions.` | name, `<|message|>`, object         | gpt-oss (Harmony)       |
 * | nothing: `{` begins the answer | object, more after `;` or a line break     | Llama 3.1 and 3.2; any model told of tools in words |
 */
export interface ToolDialect {
  readonly open: string;
  /** What may close a call; each may be missing, because models forget it. */
  readonly close: readonly string[];
  readonly body: ToolBody;
  /**
   * For `json`: what may stand between the opening and the value, with the name in group 1 where it
   * stands there and not in the value.
   */
  readonly head?: RegExp;
}

/** `json`: a value after the head; `tags`, `python`: text up to the closing; `tagged`: either. */
export type ToolBody = 'json' | 'tagged' | 'python' | 'python-tag';

const name = '([\\w.-]{1,64})';
const fence = '(?:```(?:json)?\\s*)?';
const head = (pattern: string): RegExp => new RegExp(`^\\s*${pattern}$`, 'u');

export const toolDialects: readonly ToolDialect[] = [
  { open: '<tool_call>', close: ['```', '</tool_call>'], body: 'tagged', head: head(fence) },
  {
    open: '[TOOL_CALLS]',
    close: [],
    body: 'json',
    head: head(`(?:${name}\\s*(?:\\[ARGS\\])?)?\\s*`),
  },
  { open: '<function=', close: ['</function>'], body: 'json', head: head(`"?${name}"?\\s*>\\s*`) },
  { open: '<|python_tag|>', close: [], body: 'python-tag', head: head('') },
  {
    open: '<｜tool▁call▁begin｜>',
    close: ['```', '<｜tool▁call▁end｜>'],
    body: 'json',
    head: head(`(?:function\\s*<｜tool▁sep｜>)?${name}(?:\\s*<｜tool▁sep｜>)?\\s*${fence}`),
  },
  {
    open: '<|START_ACTION|>',
    close: ['```', '<|END_ACTION|>'],
    body: 'json',
    head: head(fence),
  },
  { open: 'Action:', close: ['```'], body: 'json', head: head('```(?:json)?\\s*') },
  { open: '<|tool_call|>', close: ['```', '<|/tool_call|>'], body: 'json', head: head(fence) },
  { open: '<|tool_call_start|>', close: ['<|tool_call_end|>'], body: 'python' },
  {
    open: '<|action_start|><|plugin|>',
    close: ['<|action_end|>'],
    body: 'json',
    head: head(''),
  },
  ...['<|channel|>commentary to=functions.', '<|start|>assistant to=functions.'].map(
    (open): ToolDialect => ({
      open,
      close: ['<|call|>', '<|end|>'],
      body: 'json',
      head: head(
        `${name}\\s*(?:<\\|channel\\|>\\w+)?\\s*(?:<\\|constrain\\|>)?\\s*(?:json)?\\s*<\\|message\\|>\\s*`,
      ),
    }),
  ),
];

/** A call without any opening: the answer begins with it. Only where tools were offered. */
export const bareDialect: ToolDialect = {
  open: '',
  close: ['```', ';'],
  body: 'json',
  head: head(fence),
};

/** Further special tokens inside calls. */
export const callMarkers: readonly string[] = [
  '<｜tool▁sep｜>',
  '<|channel|>',
  '<|constrain|>',
  '<|message|>',
  '[ARGS]',
  '[CALL_ID]',
];
