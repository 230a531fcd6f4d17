import { describe, expect, it } from 'vitest';
import type { AppError } from '../common/errors.ts';
import { maxRangeLength, renderChatTemplate } from './chat-template.ts';
import type { ChatTemplateRequest } from './chat-template.ts';
import { maxTemplateLength } from './template-limits.ts';

function render(template: string, change: Partial<ChatTemplateRequest> = {}): string {
  return renderChatTemplate({
    template,
    messages: [{ role: 'user', content: 'Hi' }],
    addGenerationPrompt: true,
    bosToken: '<s>',
    eosToken: '</s>',
    ...change,
  }).text;
}

const broken = expect.objectContaining({ code: 'template/broken' }) as AppError;

describe('renderChatTemplate', () => {
  it('gives the template its variables', () => {
    const template =
      '{{ bos_token }}{{ messages[0].content }}{{ tools is none }}{{ documents is none }}{{ add_generation_prompt }}{{ mood }}{{ eos_token }}';
    expect(render(template, { extra: { mood: '!' } })).toBe('<s>Hitruetruetrue!</s>');
  });

  it('does not let further variables replace its own', () => {
    expect(
      render('{{ bos_token }}{{ range(2)|length }}', { extra: { bos_token: 'x', range: 1 } }),
    ).toBe('<s>2');
  });

  it("hands on the template's own words when it refuses", () => {
    const refusal = () => render("{{ raise_exception('Only questions, please') }}");
    expect(refusal).toThrow(
      expect.objectContaining({
        code: 'template/refused',
        message: expect.stringContaining('Only questions, please') as string,
        details: { reason: 'Only questions, please' },
      }) as AppError,
    );
  });

  it('writes dates in English whatever the language of the browser', () => {
    const now = new Date(2026, 2, 7, 15, 4, 5).getTime();
    const template = "{{ strftime_now('%d %b %Y|%B|%A %a|%-d|%y-%m|%H:%M:%S|%I %p|%%|%Q') }}";
    expect(render(template, { now })).toBe(
      '07 Mar 2026|March|Saturday Sat|7|26-03|15:04:05|03 PM|%|%Q',
    );
  });

  it.each([
    ['{% if %}'],
    ['{{ 1 + }}'],
    ['{{ missing() }}'],
    ["{{ 'a'|nosuchfilter }}"],
    ['{% for x in none %}{% endfor %}'],
    ['{% break %}'],
    ['{{ ' + '('.repeat(100_000)],
  ])('calls %.30s broken', (template) => {
    expect(() => render(template)).toThrow(broken);
  });
});

describe("the rules of Python's Jinja", () => {
  // Expected values are what Jinja 3.1.6 writes for the same template.
  it.each([
    ["{{ ''|safe + '<' }}", '&lt;'],
    ["{{ '<'|safe + '<\"&' }}", '<&lt;&#34;&amp;'],
    ["{{ '<' + '<'|safe }}", '&lt;<'],
    ["{{ '<'|safe + '<'|safe + '<' }}", '<<&lt;'],
    ["{{ ('<'|safe ~ '<') + '<' }}", '<<<'],
    ["{{ 'a' ~ none ~ 1 ~ nothing ~ true }}", 'aNone1True'],
    ['{{ nothing|length }}', '0'],
    ['{{ nothing|upper }}', ''],
    ["{{ (nothing|trim) + 'x' }}", 'x'],
    ["{{ nothing|join(',') }}", ''],
    ["{{ nothing|default('x') }}", 'x'],
    ["{{ nothing|selectattr('a')|list|length }}", '0'],
    ["{{ none|map(attribute='x')|list|length }}", '0'],
    ['{{ none|trim }}', 'None'],
    ["{{ 'yes' if 1 == '1' else 'no' }}", 'no'],
    ["{{ 'yes' if nothing == none else 'no' }}", 'no'],
    ["{{ 'yes' if 1 == 1.0 and true == 1 else 'no' }}", 'yes'],
    ["{{ 'yes' if [1, 'a'] == [1, 'a'] and [1] != [2] else 'no' }}", 'yes'],
    ["{{ 'yes' if {'a': [1]} == {'a': [1]} and {'a': 1} != {'b': 1} else 'no' }}", 'yes'],
    [
      "{% for x in [1, 2, 3] if x is odd %}{{ x }}{% endfor %}{% for k in {'a': 1} %}{{ k }}{% endfor %}",
      '13a',
    ],
    ["{{ [{'a': 1}, {'a': 2}]|selectattr('a', 'odd')|list|length }}", '1'],
    ["{{ {'a': 1}|tojson(indent=2) }}", '{\n  "a": 1\n}'],
    ["{{ M|selectattr('t', 'undefined')|map(attribute='r')|join(',') }}", 'user'],
    ["{{ M|rejectattr('t', 'defined')|map(attribute='r')|join(',') }}", 'user'],
    ["{{ M|rejectattr('r', 'equalto', 'tool')|map(attribute='r')|join(',') }}", 'user,bot'],
    ["{{ M|selectattr('t')|map(attribute='r')|join(',') }}", 'tool'],
    ["{{ M|rejectattr('t')|map(attribute='r')|join(',') }}", 'user,bot'],
    ["{{ M|selectattr('r', 'in', ['tool', 'bot'])|map(attribute='r')|join(',') }}", 'tool,bot'],
    [
      "{{ M|selectattr('r', '==', 'bot')|selectattr('n.x', 'eq', 3)|map(attribute='r')|join(',') }}",
      'bot',
    ],
    ["{{ M|selectattr('r', 'ne', 'user')|map(attribute='r')|join(',') }}", 'tool,bot'],
    ["{{ M|selectattr('t', 'none')|map(attribute='r')|join(',') }}", 'bot'],
    ["{{ (M|selectattr('t', 'undefined')|list)[0].r }}", 'user'],
    ["{{ [1, 2, 3]|select('odd')|join(',') }}", '1,3'],
    ["{{ [0, 1, none, '']|select|list|length }}", '1'],
    ["{{ [0, 1, none, '']|reject|list|length }}", '3'],
    ["{{ ['a ', ' b']|map('trim')|map('upper')|join(',') }}", 'A,B'],
    ["{{ ['ab', 'cb']|map('replace', 'b', 'x')|join(',') }}", 'ax,cx'],
    ["{{ 'abc'|select('in', 'ac')|join }}", 'ac'],
    ["{{ {'a': 1}|map('upper')|join }}", 'A'],
  ])('%s', (template, expected) => {
    const list = "[{'r': 'user'}, {'r': 'tool', 't': 1}, {'r': 'bot', 't': none, 'n': {'x': 3}}]";
    expect(render(`{% set M = ${list} %}${template}`)).toBe(expected);
  });

  it.each([
    ["{{ [{}]|selectattr('n.x', 'eq', 3)|list }}"],
    ["{{ [1]|map('nosuch')|list }}"],
    ["{{ [1]|select('nosuch')|list }}"],
    ["{{ 'a' + 1 }}"],
    ["{{ {} + 'a' }}"],
    ["{{ 'a' + nothing }}"],
    ['{{ none|length }}'],
    ['{{ none|list }}'],
    ["{{ [{'a': 1}]|map(attribute='a')|tojson }}"],
    ["{{ [{'a': 1}]|selectattr('a', 'odd')|length }}"],
  ])('refuses %s', (template) => {
    expect(() => render(template)).toThrow(broken);
  });

  it('evaluates each operand once, however long the chain of filters', () => {
    expect(render(`{{ 'a'${'|trim'.repeat(60)} }}`)).toBe('a');
  });
});

describe('the limits of templates', () => {
  it('takes a template of the longest length and refuses one longer', () => {
    expect(render('a'.repeat(maxTemplateLength)).length).toBe(maxTemplateLength);
    expect(() => render('a'.repeat(maxTemplateLength + 1))).toThrow(broken);
  });

  it('takes the longest range and refuses one longer', () => {
    expect(render(`{{ range(${maxRangeLength})|length }}`)).toBe(String(maxRangeLength));
    expect(() => render(`{{ range(${maxRangeLength + 1})|length }}`)).toThrow(broken);
    expect(() => render('{{ range(300000000)|length }}')).toThrow(broken);
    expect(() => render('{{ range(0, -300000000, -1)|length }}')).toThrow(broken);
    expect(() => render('{{ range(0, 5, 0) }}')).toThrow(broken);
    expect(() => render("{{ range('9') }}")).toThrow(broken);
    expect(render('{{ range(5, 0, -2)|join }}{{ range(1, 3)|join }}{{ range(-1)|length }}')).toBe(
      '531120',
    );
  });

  it.each([
    ['steps', '{% for a in range(9999) %}{% for b in range(9999) %}{% endfor %}{% endfor %}'],
    ['recursion', '{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}'],
    [
      'output',
      "{% set s = namespace(t='aaaaaaaaaaaaaaaa') %}{% for i in range(60) %}{% set s.t = s.t + s.t %}{% endfor %}{{ s.t }}",
    ],
    ['output in pieces', "{% for i in range(9999) %}{{ '" + 'a'.repeat(1000) + "' }}{% endfor %}"],
    ['indentation', "{{ 'a'|indent(100000000, true) }}"],
    ['JSON indentation', '{{ [1]|tojson(indent=100000000) }}'],
    ['unpacked indentation', "{{ 'a'|indent(*[100000000, true]) }}"],
  ])('stops a bomb of %s', (_name, template) => {
    expect(() => render(template)).toThrow(broken);
  });

  it('lets long conversations through', () => {
    const messages = Array.from({ length: 3000 }, (_value, i) => ({
      role: i % 2 === 0 ? 'user' : 'assistant',
      content: 'word '.repeat(200),
    }));
    const template =
      "{% for m in messages %}{{ '<' + m.role + '>' + m.content|trim + '\\n' }}{% endfor %}";
    expect(render(template, { messages }).length).toBeGreaterThan(2_900_000);
  });
});
