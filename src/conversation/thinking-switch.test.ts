import { describe, expect, it } from 'vitest';
import { maxTemplateLength } from './template-limits.ts';
import { offersThinkingSwitch, thinkingVariables } from './thinking-switch.ts';

describe('the thinking switch', () => {
  it.each<[string, readonly string[]]>([
    ['{%- if enable_thinking is defined and enable_thinking is false %}', ['enable_thinking']],
    ['{%- if not enable_thinking %}<think></think>{% endif %}', ['enable_thinking']],
    ['{%- if thinking %}Here is{% endif %}', ['thinking']],
    ['{% if tools and thinking is true %}', ['thinking']],
    ['{{ "Think well: thinking helps. " }}', []],
    ['{{ message.thinking }}{{ x.enable_thinking }}', []],
    ['{% if enable_thinking_now %}', []],
  ])('in %s', (template, variables) => {
    expect(Object.keys(thinkingVariables(template, false))).toEqual(variables);
    expect(offersThinkingSwitch(template)).toBe(variables.length > 0);
  });

  it('is not there without a template, or with one that is too long to be used', () => {
    expect(offersThinkingSwitch(null)).toBe(false);
    const long = '{% if enable_thinking %}'.padEnd(maxTemplateLength + 1);
    expect(offersThinkingSwitch(long)).toBe(false);
    expect(offersThinkingSwitch(long.slice(0, -1))).toBe(true);
  });
});
