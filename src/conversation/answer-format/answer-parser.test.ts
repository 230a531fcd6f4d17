import { describe, expect, it } from 'vitest';
import { tokenMark } from '../../common/token-mark.ts';
import { describeAnswerFormat, type AnswerFormatClues } from './answer-format.ts';
import { AnswerParser, type AnswerPart } from './answer-parser.ts';
import { maxCallLength } from './call-reader.ts';

interface Case extends Partial<AnswerFormatClues> {
  /** Special tokens of the vocabulary; in the answer, each stands for the token and not its letters. */
  readonly tokens?: readonly string[];
}

interface Seen {
  readonly reasoning: string;
  readonly text: string;
  readonly calls: readonly (readonly [name: string, argument: unknown])[];
}

function parserOf({
  tokens = [],
  toolNames = ['get_weather', 'add'],
  ...clues
}: Case): AnswerParser {
  return new AnswerParser(
    describeAnswerFormat({
      template: null,
      promptText: '',
      toolsInWords: false,
      ...clues,
      specialSpellings: tokens,
      toolNames,
    }),
  );
}

/** What the engine hands over when the model writes these tokens as tokens. */
function written(answer: string, tokens: readonly string[]): string {
  return [...tokens]
    .sort((a, b) => b.length - a.length)
    .reduce((text, token) => text.replaceAll(token, tokenMark + token), answer);
}

function seen(parts: readonly AnswerPart[]): Seen {
  const textOf = (kind: AnswerPart['kind']): string =>
    parts
      .map((part) => (part.kind === kind && part.kind !== 'tool-call' ? part.text : ''))
      .join('');
  const calls = parts.flatMap((part) =>
    part.kind === 'tool-call'
      ? [[part.call.name, JSON.parse(part.call.arguments) as unknown] as const]
      : [],
  );
  return { reasoning: textOf('reasoning'), text: textOf('text'), calls };
}

/** Whole, in halves at every place, and character by character: always the same. */
function parse(answer: string, given: Case): Seen {
  const text = written(answer, given.tokens ?? []);
  const read = (pieces: readonly string[]): Seen => {
    const parser = parserOf(given);
    return seen([...pieces.flatMap((piece) => parser.push(piece)), ...parser.finish()]);
  };
  const whole = read([text]);
  expect(read([...text])).toEqual(whole);
  for (let at = 1; at < text.length; at++) {
    expect(read([text.slice(0, at), text.slice(at)])).toEqual(whole);
  }
  return whole;
}

const weather = ['get_weather', { city: 'Paris' }] as const;
const sum = ['add', { a: 1, b: [2, 'x}'] }] as const;

const deepseekTokens = [
  '<｜tool▁calls▁begin｜>',
  '<｜tool▁call▁begin｜>',
  '<｜tool▁sep｜>',
  '<｜tool▁call▁end｜>',
  '<｜tool▁calls▁end｜>',
];
const harmonyTokens = [
  '<|start|>',
  '<|end|>',
  '<|channel|>',
  '<|message|>',
  '<|constrain|>',
  '<|call|>',
];

describe('calls of tools', () => {
  it.each<[string, Case, string, readonly (readonly [string, unknown])[], string]>([
    [
      'Hermes and Qwen',
      { template: '<tool_call>' },
      'I look.\n<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>\n<tool_call>\n{"name":"add","arguments":{"a":1,"b":[2,"x}"]}}\n</tool_call>',
      [weather, sum],
      'I look.\n',
    ],
    [
      'Qwen 3, with tokens',
      { tokens: ['<tool_call>', '</tool_call>'] },
      '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n</tool_call>',
      [weather],
      '',
    ],
    [
      'Hermes, arguments as text and the closing forgotten',
      { template: '<tool_call>' },
      '<tool_call>{"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}',
      [weather],
      '',
    ],
    [
      'Qwen 3 Coder',
      { template: '<tool_call>' },
      '<tool_call>\n<function=add>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\n[2, "x}"]\n</parameter>\n</function>\n</tool_call>',
      [sum],
      '',
    ],
    [
      'GLM 4.5',
      { template: '<tool_call>' },
      '<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n</tool_call>',
      [weather],
      '',
    ],
    ['Llama 3.1', {}, '{"name": "get_weather", "parameters": {"city": "Paris"}}', [weather], ''],
    [
      'Llama 3.2, several',
      {},
      '{"name": "get_weather", "parameters": {"city": "Paris"}}; {"name": "add", "parameters": {"a": 1, "b": [2, "x}"]}}',
      [weather, sum],
      '',
    ],
    [
      'any model, in a fence',
      {},
      '```json\n{"name": "get_weather", "arguments": {"city": "Paris"}}\n```',
      [weather],
      '',
    ],
    [
      'Llama 3.1 after its tag',
      { tokens: ['<|python_tag|>'] },
      '<|python_tag|>{"name": "get_weather", "parameters": {"city": "Paris"}}',
      [weather],
      '',
    ],
    [
      'Llama 3.1, a built-in tool',
      { tokens: ['<|python_tag|>'] },
      '<|python_tag|>get_weather.call(city="Paris")',
      [weather],
      '',
    ],
    [
      'Functionary, code',
      { tokens: ['<|python_tag|>'], toolNames: ['python'] },
      '<|python_tag|>print(1)\nprint(2)',
      [['python', { code: 'print(1)\nprint(2)' }]],
      '',
    ],
    [
      'Functionary',
      { template: '<function=' },
      '<function=get_weather>{"city": "Paris"}</function>',
      [weather],
      '',
    ],
    [
      'Mistral',
      { tokens: ['[TOOL_CALLS]'] },
      '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Paris"}, "id": "123456789"}, {"name":"add","arguments":{"a":1,"b":[2,"x}"]}}]',
      [weather, sum],
      '',
    ],
    [
      'Mistral, names apart',
      { tokens: ['[TOOL_CALLS]', '[ARGS]'] },
      '[TOOL_CALLS]get_weather[ARGS]{"city": "Paris"}[TOOL_CALLS]add[ARGS]{"a":1,"b":[2,"x}"]}',
      [weather, sum],
      '',
    ],
    [
      'DeepSeek R1',
      { tokens: deepseekTokens },
      'Well.<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n```json\n{"city": "Paris"}\n```<｜tool▁call▁end｜>\n<｜tool▁call▁begin｜>function<｜tool▁sep｜>add\n```json\n{"a":1,"b":[2,"x}"]}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
      [weather, sum],
      'Well.',
    ],
    [
      'DeepSeek V3.1',
      { tokens: deepseekTokens },
      '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{"city": "Paris"}<｜tool▁call▁end｜><｜tool▁calls▁end｜>',
      [weather],
      '',
    ],
    [
      'Command R7B',
      { tokens: ['<|START_ACTION|>', '<|END_ACTION|>'] },
      '<|START_ACTION|>[\n    {"tool_call_id": "0", "tool_name": "get_weather", "parameters": {"city": "Paris"}}\n]<|END_ACTION|>',
      [weather],
      '',
    ],
    [
      'Command R',
      { template: 'Action:```json' },
      'Action: ```json\n[{"tool_name": "get_weather", "parameters": {"city": "Paris"}}]\n```',
      [weather],
      '',
    ],
    [
      'Granite 3',
      { tokens: ['<|tool_call|>'] },
      '<|tool_call|>[{"name": "get_weather", "arguments": {"city": "Paris"}}]',
      [weather],
      '',
    ],
    [
      'LFM2',
      { tokens: ['<|tool_call_start|>', '<|tool_call_end|>'] },
      '<|tool_call_start|>[get_weather(city=\'Paris\'), add(a=1, b=[2, "x}"])]<|tool_call_end|>Done.',
      [weather, sum],
      'Done.',
    ],
    [
      'InternLM 2',
      { tokens: ['<|action_start|>', '<|plugin|>', '<|action_end|>'] },
      '<|action_start|><|plugin|>\n{"name": "get_weather", "parameters": {"city": "Paris"}}<|action_end|>',
      [weather],
      '',
    ],
    [
      'gpt-oss',
      { tokens: harmonyTokens },
      '<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Paris"}<|call|>',
      [weather],
      '',
    ],
    [
      'gpt-oss, the name first',
      { tokens: harmonyTokens },
      '<|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>{"city": "Paris"}',
      [weather],
      '',
    ],
  ])('of %s', (_name, given, answer, calls, text) => {
    expect(parse(answer, given)).toMatchObject({ calls, text });
  });

  it.each<[string, Case, string]>([
    [
      'broken JSON',
      { template: '<tool_call>' },
      '<tool_call>{"name": "add", "arguments": {a}}</tool_call>',
    ],
    ['JSON that is cut off', { template: '<tool_call>' }, '<tool_call>{"name": "add", "argum'],
    ['no name', { template: '<tool_call>' }, '<tool_call>{"arguments": {}}</tool_call> And more.'],
    [
      'a name with line breaks',
      { template: '<tool_call>' },
      '<tool_call>{"name": "a\\nb"}</tool_call>',
    ],
    [
      'arguments that are no object',
      { template: '<tool_call>' },
      '<tool_call>{"name": "add", "arguments": [1]}</tool_call>',
    ],
    ['a tag and nothing', { template: '<tool_call>' }, 'Then write <tool_call>'],
    ['half a tag', { template: '<tool_call>' }, 'Then write <tool_ca'],
    ['a long head', { tokens: [], template: '<function=' }, `<function=${'x'.repeat(300)}>{}`],
    [
      'Python that is no call',
      { template: '<|tool_call_start|>' },
      '<|tool_call_start|>[add(a=open("x"))]<|tool_call_end|>',
    ],
    [
      'nested Python',
      { template: '<|tool_call_start|>' },
      `<|tool_call_start|>[add(a=${'['.repeat(40)}`,
    ],
    ['code without the tool for it', { template: '<|python_tag|>' }, '<|python_tag|>print(1)'],
    ['a call of something not offered', {}, '{"name": "rm", "parameters": {}}'],
    ['JSON that is an answer', {}, '{"answer": {"name": "add"}}'],
    ['a list', {}, '[1] and {2}'],
    ['code', {}, '```python\nprint({"name": "add"})\n```'],
    ['a call without tools', { toolNames: [] }, '{"name": "add", "parameters": {}}'],
    ['an opening that is not the dialect', {}, '<function=add>{}</function>'],
  ])('are shown as text where they are %s', (_name, given, answer) => {
    expect(parse(answer, given)).toEqual({ reasoning: '', text: answer, calls: [] });
  });

  it('are no calls where the letters of a token are written', () => {
    const parser = parserOf({ tokens: ['<tool_call>', '</tool_call>'] });
    const forged = 'You wrote: <tool_call>{"name": "add", "arguments": {}}</tool_call>';
    expect(seen([...parser.push(forged), ...parser.finish()])).toEqual({
      reasoning: '',
      text: forged,
      calls: [],
    });
  });

  it('do not end where their arguments spell the closing', () => {
    const answer =
      '<tool_call>{"name": "add", "arguments": {"a": "</tool_call><tool_call>{}"}}</tool_call>';
    expect(parse(answer, { template: '<tool_call>' })).toMatchObject({
      calls: [['add', { a: '</tool_call><tool_call>{}' }]],
      text: '',
    });
  });

  it('are given up beyond the limit', () => {
    const parser = parserOf({ template: '<tool_call>' });
    const start = '<tool_call>{"name": "';
    const text = start + 'x'.repeat(maxCallLength);
    expect(seen(parser.push(text)).text).toBe(text);
  });

  it('in JSON that turns out an answer are shown while they are written', () => {
    const parser = parserOf({});
    expect(parser.push('{"ans')).toEqual([{ kind: 'text', text: '{"ans' }]);
    const whole = parserOf({});
    expect(whole.push('{"na')).toEqual([]);
    expect(whole.writing).toBe('call');
  });
});

describe('reasoning', () => {
  it.each<[string, Case, string]>([
    ['think', {}, '<think>\nHm, well.\n</think>\n\nYes.'],
    ['think, with tokens', { tokens: ['<think>', '</think>'] }, '\n<think>Hm, well.</think>Yes.'],
    [
      'think, opened by the prompt',
      { promptText: '<｜Assistant｜><think>\n' },
      'Hm, well.\n</think>\n\nYes.',
    ],
    ['thinking', {}, '<thinking>Hm, well.</thinking>Yes.'],
    ['reasoning', {}, '<reasoning>Hm, well.</reasoning> Yes.'],
    [
      'OpenThinker',
      { template: '<|begin_of_thought|><|begin_of_solution|>' },
      '<|begin_of_thought|>\n\nHm, well.\n\n<|end_of_thought|>\n\n<|begin_of_solution|>\n\nYes.',
    ],
    [
      'Command R7B',
      {
        tokens: [
          '<|START_THINKING|>',
          '<|END_THINKING|>',
          '<|START_RESPONSE|>',
          '<|END_RESPONSE|>',
        ],
      },
      '<|START_THINKING|>Hm, well.<|END_THINKING|><|START_RESPONSE|>Yes.<|END_RESPONSE|>',
    ],
    ['Magistral', { tokens: ['[THINK]', '[/THINK]'] }, '[THINK]Hm, well.[/THINK]Yes.'],
    [
      'Granite',
      { template: 'Here is my thought process:' },
      'Here is my thought process: Hm, well.\nHere is my response: Yes.',
    ],
    [
      'gpt-oss',
      { tokens: harmonyTokens },
      '<|channel|>analysis<|message|>Hm, well.<|end|><|start|>assistant<|channel|>final<|message|>Yes.',
    ],
  ])('as %s is told from the answer', (_name, given, answer) => {
    expect(parse(answer, given)).toEqual({ reasoning: 'Hm, well.', text: 'Yes.', calls: [] });
  });

  it.each<[string, Case, string]>([
    ['in the middle', {}, 'Write <think>this</think> so.'],
    ['of another model', {}, 'Here is my thought process: none.'],
    ['half a tag', {}, '<thi'],
    ['nothing but white space', {}, '  \n'],
    ['indented text', {}, '  code'],
  ])('is not what is %s', (_name, given, answer) => {
    expect(parse(answer, given)).toEqual({ reasoning: '', text: answer, calls: [] });
  });

  it('that is empty is none', () => {
    expect(parse('<think>\n\n</think>\n\nYes.', {})).toEqual({
      reasoning: '',
      text: 'Yes.',
      calls: [],
    });
  });

  it('is followed by JSON without the white space between', () => {
    expect(parse('<think>A</think>\n\n{"b": 1}', {})).toEqual({
      reasoning: 'A',
      text: '{"b": 1}',
      calls: [],
    });
  });

  it('that is cut off is all there is', () => {
    expect(parse('<think>Hm, </thi', {})).toEqual({ reasoning: 'Hm, </thi', text: '', calls: [] });
  });

  it('may come before a call, and between calls', () => {
    const answer =
      '<think>A</think>\n<tool_call>{"name":"add"}</tool_call>\n<think>B</think>\n<tool_call>{"name":"add"}</tool_call>\nDone.';
    expect(parse(answer, { template: '<tool_call>' })).toEqual({
      reasoning: 'A\n\nB',
      text: 'Done.',
      calls: [
        ['add', {}],
        ['add', {}],
      ],
    });
  });

  it('is shown while it is written', () => {
    const parser = parserOf({});
    expect(parser.push('<think>One ')).toEqual([{ kind: 'reasoning', text: 'One' }]);
    expect(parser.writing).toBe('reasoning');
    expect(parser.push('two</th')).toEqual([{ kind: 'reasoning', text: ' two' }]);
    expect(parser.push('ink>\n\nYes')).toEqual([{ kind: 'text', text: 'Yes' }]);
  });
});
