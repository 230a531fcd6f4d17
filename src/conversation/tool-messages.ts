/**
 * Messages with calls and results of tools in the forms that chat templates want them: arguments as
 * an object or as text, no text as null or as '', one call a message. Which form a template takes is
 * not written anywhere, so the likeliest is tried first.
 *
 * For templates that know nothing of tools there is a form in words: the tools are described in the
 * system text, and calls and results stand in the texts between the tags that most models have seen,
 * those of Hermes (https://github.com/NousResearch/Hermes-Function-Calling).
 */
import type { TemplateMessage } from './chat-template.ts';
import type { ToolDefinition } from './tool-definitions.ts';

interface TemplateCall {
  readonly id: string;
  readonly type: 'function';
  readonly function: { readonly name: string; readonly arguments: unknown };
}

/** A template that never says "tools" does not write down the definitions. */
export function takesTools(template: string): boolean {
  return /\btools\b/u.test(template);
}

export function hasToolMessages(messages: readonly TemplateMessage[]): boolean {
  return messages.some((message) => message.role === 'tool' || callsOf(message).length > 0);
}

/**
 * The messages with arguments as values instead of JSON text, so that what is in them can be
 * shielded, and with ids of nine letters and digits, which Mistral's templates insist on.
 */
export function readToolMessages(messages: readonly TemplateMessage[]): TemplateMessage[] {
  const ids = new Map<unknown, string>();
  return messages.map((message): TemplateMessage => {
    const calls = callsOf(message);
    if (calls.length > 0) {
      const tool_calls = calls.map(({ id, function: called }) => {
        const short = `call${String(ids.size + 1).padStart(5, '0')}`;
        ids.set(id, short);
        const { name } = called;
        return {
          id: short,
          type: 'function',
          function: { name, arguments: valueOf(called.arguments) },
        };
      });
      return { ...message, tool_calls };
    }
    const id = ids.get(message['tool_call_id']);
    return message.role === 'tool' && id !== undefined ? { ...message, tool_call_id: id } : message;
  });
}

function valueOf(given: unknown): unknown {
  if (typeof given !== 'string') return given;
  try {
    return JSON.parse(given);
  } catch {
    return given;
  }
}

/** The forms to try, likeliest first. */
export function toolMessageForms(
  template: string,
  messages: readonly TemplateMessage[],
): (readonly TemplateMessage[])[] {
  if (!hasToolMessages(messages)) return [messages];
  const asText = (form: readonly TemplateMessage[]): TemplateMessage[] =>
    form.map((message) => mapCalls(message, (value) => JSON.stringify(value)));
  const first = writesArgumentsAsText(template) ? asText(messages) : messages;
  const second = first === messages ? asText(messages) : messages;
  return [first, second].flatMap((form) => [form.map(withoutEmptyText), form]);
}

/** Whether the template puts arguments into its text as they are, without `tojson`. */
function writesArgumentsAsText(template: string): boolean {
  return !/(?:arguments['"\]]*|\.function|tool_calls?|\bcall)\s*\|\s*(?:tojson|items)/u.test(
    template,
  );
}

/** OpenAI's form of a message that only calls: its content is null. */
function withoutEmptyText(message: TemplateMessage): TemplateMessage {
  return callsOf(message).length > 0 && message.content === ''
    ? { ...message, content: null }
    : message;
}

function mapCalls(message: TemplateMessage, change: (value: unknown) => unknown): TemplateMessage {
  const calls = callsOf(message);
  if (calls.length === 0) return message;
  const tool_calls = calls.map((call) => ({
    ...call,
    function: { ...call.function, arguments: change(call.function.arguments) },
  }));
  return { ...message, tool_calls };
}

/**
 * Several calls of one message as so many messages, each followed by its result: for models that
 * "only support single tool-calls at once". Null when no message has several.
 */
export function oneCallEach(messages: readonly TemplateMessage[]): TemplateMessage[] | null {
  if (!messages.some((message) => callsOf(message).length > 1)) return null;
  const results = new Map(messages.map((message) => [message['tool_call_id'], message]));
  const moved = new Set<TemplateMessage>();
  const split: TemplateMessage[] = [];
  for (const message of messages) {
    const calls = callsOf(message);
    if (calls.length < 2) {
      if (!moved.has(message)) split.push(message);
      continue;
    }
    for (const [index, call] of calls.entries()) {
      const content = index === 0 ? message.content : '';
      split.push({ ...message, content, tool_calls: [call] });
      const result = results.get(call.id);
      if (result === undefined) continue;
      split.push(result);
      moved.add(result);
    }
  }
  return split;
}

/** Tools, calls and results in words. The tags are not shielded: they are ours, not somebody's text. */
export function toolsInWords(
  messages: readonly TemplateMessage[],
  tools: readonly ToolDefinition[],
): TemplateMessage[] {
  const words: TemplateMessage[] = [];
  const add = (role: string, content: string): void => {
    const last = words.at(-1);
    if (role === 'user' && last?.role === 'user') {
      words[words.length - 1] = { ...last, content: `${last.content ?? ''}\n\n${content}` };
    } else {
      words.push({ role, content });
    }
  };
  for (const message of messages) {
    const text = message.content ?? '';
    const calls = callsOf(message).map(
      ({ function: { name, arguments: given } }) =>
        `<tool_call>\n${JSON.stringify({ name, arguments: given })}\n</tool_call>`,
    );
    if (message.role === 'tool') add('user', `<tool_response>\n${text}\n</tool_response>`);
    else if (calls.length === 0) add(message.role, text);
    else add(message.role, [text, ...calls].filter((part) => part !== '').join('\n'));
  }
  return tools.length === 0 ? words : withSystemText(words, describeTools(tools));
}

function withSystemText(messages: readonly TemplateMessage[], text: string): TemplateMessage[] {
  const [first, ...rest] = messages;
  if (first?.role !== 'system') return [{ role: 'system', content: text }, ...messages];
  const content = [first.content ?? '', text].filter((part) => part !== '').join('\n\n');
  return [{ ...first, content }, ...rest];
}

function describeTools(tools: readonly ToolDefinition[]): string {
  const list = tools.map(({ function: definition }) => JSON.stringify(definition)).join('\n');
  return `You can call functions to help with the request. These are the functions:
<tools>
${list}
</tools>
To call a function, write a JSON object with its name and arguments between tags, and then stop:
<tool_call>
{"name": "function name", "arguments": {"argument": "value"}}
</tool_call>
The result is then given to you between <tool_response> tags. Call functions only when they help; answer in words otherwise.`;
}

function callsOf(message: TemplateMessage): readonly TemplateCall[] {
  const calls = message['tool_calls'];
  return Array.isArray(calls) ? (calls as readonly TemplateCall[]) : [];
}
