/** Metadata as text for people: long values shortened, nothing interpreted. */
import type { Metadata, MetadataValue } from '../formats/gguf/metadata.ts';
import type { InspectedEntry, InspectedTokenizer } from './model-inspection.ts';

/** Enough to recognise a template or a licence. */
const longestText = 2000;
/** Items of a list that are shown. */
const shownItems = 24;
const longestItem = 80;

export function describeEntries(metadata: Metadata): InspectedEntry[] {
  return [...metadata.entries].map(([key, { value }]) => ({
    key,
    type: typeOf(value),
    text: textOf(value),
  }));
}

function typeOf(value: MetadataValue): string {
  return value.type === 'array' ? `${value.of}[${value.value.length}]` : value.type;
}

function textOf(value: MetadataValue): string {
  if (value.type !== 'array') return shortened(String(value.value), longestText);
  const list: ArrayLike<string | number | bigint | boolean> = value.value;
  const items = Array.from({ length: Math.min(list.length, shownItems) }, (_, i) => list[i]).map(
    (item) =>
      value.of === 'string' ? JSON.stringify(shortened(String(item), longestItem)) : String(item),
  );
  return value.value.length > shownItems ? `${items.join(', ')}, …` : items.join(', ');
}

function shortened(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)}…`;
}

/** What a file says of its tokenizer, whether or not it can be used; null where it says nothing. */
export function describeTokenizer(metadata: Metadata): InspectedTokenizer | null {
  const family = plainText(metadata, 'tokenizer.ggml.model');
  if (family === null) return null;
  const tokens = listOf(metadata, 'tokenizer.ggml.tokens');
  const special: { role: string; id: number; text: string }[] = [];
  for (const [key, { value }] of metadata.entries) {
    const role = /^tokenizer\.ggml\.(\w+)_token_id$/u.exec(key)?.[1];
    if (role === undefined || typeof value.value !== 'number') continue;
    const spelling = tokens[value.value];
    special.push({
      role,
      id: value.value,
      text: shortened(typeof spelling === 'string' ? spelling : '', longestItem),
    });
  }
  return {
    family,
    preTokenizer: plainText(metadata, 'tokenizer.ggml.pre'),
    size: tokens.length,
    merges: listOf(metadata, 'tokenizer.ggml.merges').length,
    special,
  };
}

/** `tokenizer.chat_template` and its named variants, whole. */
export function chatTemplates(metadata: Metadata): { name: string; source: string }[] {
  const key = 'tokenizer.chat_template';
  return [...metadata.entries].flatMap(([name, { value }]) => {
    if (value.type !== 'string' || (name !== key && !name.startsWith(`${key}.`))) return [];
    return [{ name: name === key ? '' : name.slice(key.length + 1), source: value.value }];
  });
}

/** The value of a text entry, null where there is none or it is no text. */
export function plainText(metadata: Metadata, key: string): string | null {
  const value = metadata.entries.get(key)?.value;
  return value?.type === 'string' ? shortened(value.value, longestText) : null;
}

function listOf(metadata: Metadata, key: string): ArrayLike<unknown> {
  const value = metadata.entries.get(key)?.value;
  return value?.type === 'array' ? value.value : [];
}
