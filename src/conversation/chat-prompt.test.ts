import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sharedModelPath, sharedModels } from '../../test/fixtures/shared-models.ts';
import { AppError } from '../common/errors.ts';
import { specialTokenShield } from '../common/special-token-shield.ts';
import { createChatPrompt, foldSystemMessages } from './chat-prompt.ts';
import type { ChatPromptRequest, RenderTemplate } from './chat-prompt.ts';
import { renderChatTemplate } from './chat-template.ts';
import type { TemplateMessage } from './chat-template.ts';
import { chooseDefaultTemplate } from './default-templates.ts';
import { createContentShield, shieldMessages } from './shield-content.ts';

const shield = specialTokenShield;
const conversation: TemplateMessage[] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Hi' },
  { role: 'assistant', content: 'Hello!' },
  { role: 'user', content: 'Why?' },
];
const here: RenderTemplate = (request) =>
  new Promise((resolve) => {
    resolve(renderChatTemplate(request));
  });

function request(
  template: string | null,
  change: Partial<ChatPromptRequest> & { tokens?: readonly string[]; name?: string } = {},
): ChatPromptRequest {
  const { tokens = [], name = '', ...rest } = change;
  return {
    template,
    messages: conversation,
    addGenerationPrompt: true,
    bosToken: '<s>',
    eosToken: '</s>',
    specialSpellings: tokens,
    hints: { hasToken: (spelling) => tokens.includes(spelling), architecture: 'llama', name },
    ...rest,
  };
}

describe('chooseDefaultTemplate', () => {
  it.each<[string, string[], string, string]>([
    [
      'chatml',
      ['<|im_start|>', '<|im_end|>'],
      '',
      '<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\nHello!<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n',
    ],
    [
      'llama-3',
      ['<|start_header_id|>', '<|end_header_id|>', '<|eot_id|>'],
      '',
      '<s><|start_header_id|>system<|end_header_id|>\n\nBe brief.<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nHi<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nHello!<|eot_id|><|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n',
    ],
    [
      'gemma',
      ['<start_of_turn>', '<end_of_turn>'],
      '',
      '<s><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>\n<start_of_turn>model\nHello!<end_of_turn>\n<start_of_turn>user\nWhy?<end_of_turn>\n<start_of_turn>model\n',
    ],
    [
      'phi-3',
      ['<|user|>', '<|assistant|>', '<|end|>'],
      '',
      '<|system|>\nBe brief.<|end|>\n<|user|>\nHi<|end|>\n<|assistant|>\nHello!<|end|>\n<|user|>\nWhy?<|end|>\n<|assistant|>\n',
    ],
    [
      'llama-2',
      [],
      'Llama-2-7b-chat-hf',
      '<s>[INST] <<SYS>>\nBe brief.\n<</SYS>>\n\nHi [/INST] Hello! </s><s>[INST] Why? [/INST]',
    ],
    ['plain', [], 'stories', '<s>Be brief.\n\nUser: Hi\nAssistant: Hello!\nUser: Why?\nAssistant:'],
  ])('writes %s', async (id, tokens, name, expected) => {
    const chosen = chooseDefaultTemplate(request(null, { tokens, name }).hints);
    expect(chosen.id).toBe(id);
    const prompt = await createChatPrompt(request(null, { tokens, name }), here);
    expect(prompt).toMatchObject({
      text: expected,
      stop: chosen.stop,
      notices: ['default-template'],
    });
  });
});

describe('createChatPrompt', () => {
  it("uses the file's own template without a notice", async () => {
    const template = '{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}';
    expect(await createChatPrompt(request(template), here)).toMatchObject({
      text: 'system:Be brief.;user:Hi;assistant:Hello!;user:Why?;',
      stop: [],
      notices: [],
    });
  });

  it.each(['template/broken', 'template/deadline'] as const)(
    'takes the default template after %s',
    async (code) => {
      const failing: RenderTemplate = (asked) =>
        asked.template === 'x'
          ? Promise.reject(new AppError(code, 'no'))
          : Promise.resolve(renderChatTemplate(asked));
      const prompt = await createChatPrompt(request('x'), failing);
      expect(prompt.notices).toEqual(['default-template']);
      expect(prompt.text).toContain('User: Why?');
    },
  );

  it('writes a message without text with the default template', async () => {
    const messages = [...conversation, { role: 'assistant', content: null }];
    const prompt = await createChatPrompt(request(null, { messages }), here);
    expect(prompt.text).toContain('Assistant: \n');
  });

  it('folds the system text into the first question when the template refuses it', async () => {
    const template =
      "{% if messages[0].role == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for m in messages %}{{ m.role }}:{{ m.content }};{% endfor %}";
    expect(await createChatPrompt(request(template), here)).toMatchObject({
      text: 'user:Be brief.\n\nHi;assistant:Hello!;user:Why?;',
      stop: [],
      notices: ['template-refused-system'],
    });
  });

  it('passes a refusal on that has nothing to do with the system message', async () => {
    const template = "{{ raise_exception('Never') }}";
    for (const messages of [conversation, conversation.slice(1)]) {
      await expect(createChatPrompt(request(template, { messages }), here)).rejects.toMatchObject({
        code: 'template/refused',
        details: { reason: 'Never' },
      });
    }
  });

  it('does not hide a dead worker behind a default template', async () => {
    const dead: RenderTemplate = () => Promise.reject(new AppError('engine/worker-died', 'gone'));
    await expect(createChatPrompt(request('x'), dead)).rejects.toMatchObject({
      code: 'engine/worker-died',
    });
  });

  it.skipIf(sharedModels === null)('talks to Gemma 2 with a system prompt', async () => {
    const template = readFileSync(
      sharedModelPath('templates', 'google-gemma-2-2b-it.jinja'),
      'utf8',
    );
    const prompt = await createChatPrompt(request(template), here);
    expect(prompt.notices).toEqual(['template-refused-system']);
    expect(prompt.text.startsWith('<s><start_of_turn>user\nBe brief.\n\nHi<end_of_turn>')).toBe(
      true,
    );
  });
});

describe('foldSystemMessages', () => {
  it('needs a system and a user message', () => {
    expect(foldSystemMessages([{ role: 'user', content: 'a' }])).toBeNull();
    expect(foldSystemMessages([{ role: 'system', content: 'a' }])).toBeNull();
    expect(
      foldSystemMessages([
        { role: 'assistant', content: 'b' },
        { role: 'system', content: '' },
        { role: 'user', content: null, name: 'n' },
      ]),
    ).toEqual([
      { role: 'assistant', content: 'b' },
      { role: 'user', content: '', name: 'n' },
    ]);
  });
});

describe('createContentShield', () => {
  const spellings = ['<|im_start|>', '<|im_end|>', '<s>', '</s>', '[INST]', '\n\n', '▁▁', '<'];

  it('breaks every spelling after its first character', () => {
    const protect = createContentShield(spellings);
    expect(protect('a<|im_end|>b<s>')).toBe(`a<${shield}|im_end|>b<${shield}s>`);
    expect(protect('[INST] x')).toBe(`[${shield}INST] x`);
  });

  it('leaves ordinary text, white space and single characters alone', () => {
    const text = '1 < 2, a[0]\n\n▁▁ <b> {{ x }} 👩‍👩‍👧';
    expect(createContentShield(spellings)(text)).toBe(text);
  });

  it('drops shields that were there before', () => {
    const protect = createContentShield(spellings);
    expect(protect(`<|im_${shield}end|>`)).toBe(`<${shield}|im_end|>`);
    expect(protect(`<${shield}|im_end|>`)).toBe(`<${shield}|im_end|>`);
    expect(protect(`${shield}a${shield}`)).toBe('a');
  });

  it('leaves no spelling whole, even after a template cut another one out', () => {
    const protect = createContentShield([...spellings, '</think>']);
    for (const text of [
      '<|im_</think>end|>',
      '<|<|im_end|>im_end|>',
      '<<s>s>',
      '<|im_start|><|im_start|>',
    ]) {
      const cut = protect(text).replaceAll('</think>', '').replaceAll(`<${shield}/think>`, '');
      for (const spelling of spellings.slice(0, 5)) expect(cut.includes(spelling)).toBe(false);
    }
  });
});

describe('shieldMessages', () => {
  it('shields all strings but roles, and keeps the reasoning tags of answers', () => {
    const messages: TemplateMessage[] = [
      { role: 'user', content: '</think><s>' },
      {
        role: 'assistant',
        content: '<think>x</think><s>',
        tool_calls: [{ function: { name: 'f', arguments: { a: '<s>', n: 1, z: null } } }],
      },
    ];
    expect(shieldMessages(messages, ['<think>', '</think>', '<s>'])).toEqual([
      { role: 'user', content: `<${shield}/think><${shield}s>` },
      {
        role: 'assistant',
        content: `<think>x</think><${shield}s>`,
        tool_calls: [{ function: { name: 'f', arguments: { a: `<${shield}s>`, n: 1, z: null } } }],
      },
    ]);
  });
});
