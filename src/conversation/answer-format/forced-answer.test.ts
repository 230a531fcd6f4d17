import { describe, expect, it } from 'vitest';
import type { ToolDefinition } from '../tool-definitions.ts';
import { describeAnswerFormat } from './answer-format.ts';
import { AnswerParser } from './answer-parser.ts';
import { forcedCall, forcedText } from './forced-answer.ts';

const parameters = { type: 'object', properties: { a: { type: 'integer' } }, required: ['a'] };
const tools: readonly ToolDefinition[] = [
  { type: 'function', function: { name: 'add', description: '', parameters } },
];

const formatOf = (template: string, tokens: readonly string[], promptText = '') =>
  describeAnswerFormat({
    template,
    specialSpellings: tokens,
    promptText,
    toolNames: ['add'],
    toolsInWords: false,
  });

describe('a forced call', () => {
  const named = { add: '{"a":1}' };
  const object = '{"name":"add","arguments":{"a":1}}';
  const withParameters = '{"name":"add","parameters":{"a":1}}';
  it.each<[string, string, readonly string[], string, string]>([
    ['Hermes', '<tool_call>', [], '<tool_call>\n', object],
    ['Qwen 3', '', ['<tool_call>', '</tool_call>'], '<tool_call>\n', object],
    ['Mistral', '', ['[TOOL_CALLS]'], '[TOOL_CALLS]', `[${object}]`],
    ['Functionary', '<function=', [], '<function=', `add>${named.add}</function>`],
    [
      'DeepSeek',
      '',
      ['<｜tool▁calls▁begin｜>', '<｜tool▁call▁begin｜>', '<｜tool▁sep｜>', '<｜tool▁call▁end｜>'],
      '<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>',
      `add\n\`\`\`json\n${named.add}\n\`\`\``,
    ],
    [
      'Command R7B',
      '',
      ['<|START_ACTION|>', '<|END_ACTION|>'],
      '<|START_ACTION|>',
      '[{"tool_name":"add","parameters":{"a":1}}]',
    ],
    ['Granite', '', ['<|tool_call|>'], '<|tool_call|>', `[${object}]`],
    ['Llama 3', '', [], '', withParameters],
    ['Llama 3.1', '', ['<|python_tag|>'], '', withParameters],
  ])(
    'of %s is begun so that its rest is understood',
    (_name, template, tokens, beginning, rest) => {
      const forced = forcedCall(formatOf(template, tokens), tools);
      expect(forced.beginning).toBe(beginning);
      const [choice] = forced.choices;
      expect(rest.startsWith(choice?.before ?? '?')).toBe(true);
      expect(rest.endsWith(choice?.after ?? '?')).toBe(true);
      const parser = new AnswerParser(forced.format);
      expect([...parser.push(rest), ...parser.finish()]).toEqual([
        { kind: 'tool-call', call: { name: 'add', arguments: '{"a":1}' } },
      ]);
    },
  );

  it('keeps the references of its parameters working', () => {
    const own = { properties: { a: { $ref: '#/$defs/x' } }, $defs: { x: { type: 'integer' } } };
    const tool: ToolDefinition = {
      type: 'function',
      function: { name: 'add', description: '', parameters: own },
    };
    const [choice] = forcedCall(formatOf('<tool_call>', []), [tool]).choices;
    expect(choice?.schema).toMatchObject({ $defs: { x: { type: 'integer' } } });
  });
});

describe('a forced text', () => {
  it('closes the reasoning that the prompt has opened', () => {
    const { beginning, format } = forcedText(
      formatOf('<think>', ['<think>', '</think>'], 'x<think>\n'),
      [],
    );
    expect(beginning).toBe('\n</think>\n\n');
    const parser = new AnswerParser(format);
    expect([...parser.push('{"b": 1}'), ...parser.finish()]).toEqual([
      { kind: 'text', text: '{"b": 1}' },
    ]);
  });
});
