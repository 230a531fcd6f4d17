/**
 * Keeps what people, documents and tools write from becoming control tokens.
 *
 * The text of a whole conversation is tokenized with control tokens parsed, because the template
 * writes them. Inside content each of their spellings is therefore broken by a character that the
 * tokenizer removes after its split. The break comes wherever two characters begin a spelling and not
 * only where a whole one stands, so that a template that cuts something out of the content cannot
 * put a spelling together.
 */
import { specialTokenShield } from '../common/special-token-shield.ts';
import type { TemplateMessage } from './chat-template.ts';

/** Templates look for these in answers to drop old reasoning; they open and close nothing else. */
const reasoningTags = ['<think>', '</think>'];

export type ContentShield = (text: string) => string;

/**
 * A function that shields text against these spellings. Spellings of white space alone and of one
 * character are ordinary text to every template and are left alone.
 */
export function createContentShield(
  spellings: readonly string[],
  except: readonly string[] = [],
): ContentShield {
  const beginnings = new Set<string>();
  for (const spelling of spellings) {
    if (spelling.length >= 2 && !/^[\s\u2581]*$/.test(spelling))
      beginnings.add(spelling.slice(0, 2));
  }
  return (text) => {
    let result = '';
    const clean = text.replaceAll(specialTokenShield, '');
    let copied = 0;
    for (let i = 0; i + 1 < clean.length; i++) {
      if (!beginnings.has(clean.slice(i, i + 2))) continue;
      if (except.some((allowed) => clean.startsWith(allowed, i))) continue;
      result += clean.slice(copied, i + 1) + specialTokenShield;
      copied = i + 1;
    }
    return result + clean.slice(copied);
  };
}

/** Shields the content of all messages; answers of the model may keep their reasoning tags. */
export function shieldMessages(
  messages: readonly TemplateMessage[],
  spellings: readonly string[],
): TemplateMessage[] {
  const shield = createContentShield(spellings);
  const shieldAnswer = createContentShield(spellings, reasoningTags);
  return messages.map((message) => ({
    ...(shieldValue(
      message,
      message.role === 'assistant' ? shieldAnswer : shield,
    ) as TemplateMessage),
    role: message.role,
  }));
}

/** Definitions of tools: their texts and the names of their parameters come from elsewhere too. */
export function shieldTools<T>(tools: readonly T[], spellings: readonly string[]): T[] {
  const shield = createContentShield(spellings);
  return tools.map((tool) => shieldValue(tool, shield) as T);
}

/** Variables that a caller gives the template. */
export function shieldVariables(
  variables: Readonly<Record<string, unknown>>,
  spellings: readonly string[],
): Readonly<Record<string, unknown>> {
  const shield = createContentShield(spellings);
  return Object.fromEntries(
    Object.entries(variables).map(([key, value]) => [key, shieldValue(value, shield)]),
  );
}

/** Members whose keys are somebody's words, and not those that templates look up. */
const freeKeys: ReadonlySet<string> = new Set(['arguments', 'parameters']);

/** All strings inside a JSON value, as tool calls and their results are. */
function shieldValue(value: unknown, shield: ContentShield, keysToo = false): unknown {
  if (typeof value === 'string') return shield(value);
  if (Array.isArray(value)) return value.map((item) => shieldValue(item, shield, keysToo));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      keysToo ? shield(key) : key,
      shieldValue(item, shield, keysToo || freeKeys.has(key)),
    ]),
  );
}
