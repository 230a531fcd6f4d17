import { maxTemplateLength } from './template-limits.ts';

/**
 * Models whose templates let one choose whether they think before they answer.
 *
 * | variable          | seen in                               |
 * |-------------------|---------------------------------------|
 * | `enable_thinking` | Qwen 3, SmolLM 3, GLM 4.5, Hunyuan     |
 * | `thinking`        | Granite 3.2 and later, DeepSeek V3.1   |
 */
const variables: ReadonlyMap<string, RegExp> = new Map([
  ['enable_thinking', /(?<![\w.])enable_thinking(?!\w)/u],
  // Also a word of English, so it counts only as a condition.
  ['thinking', /\b(?:if|elif|and|or|not)\s+thinking(?![\w'])/u],
]);

function askedFor(template: string | null): string[] {
  if (template === null || template.length > maxTemplateLength) return [];
  return [...variables].filter(([, use]) => use.test(template)).map(([name]) => name);
}

export function offersThinkingSwitch(template: string | null): boolean {
  return askedFor(template).length > 0;
}

/** What the template is to be told; nothing where it does not ask. */
export function thinkingVariables(
  template: string | null,
  thinks: boolean,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(askedFor(template).map((name) => [name, thinks]));
}
