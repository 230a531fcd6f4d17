/**
 * Which tokens of a vocabulary are special: their ids, their kinds, and what ends a generation.
 *
 * The invariant that everything else relies on: a token that is not "ordinary" here can only come out
 * of `encode` with `special: 'parse'`, by its own unshielded spelling.
 */
import type { Metadata } from '../formats/gguf/metadata.ts';
import type { SpecialTokens, TokenKind } from './tokenizer.ts';
import { malformedVocabulary, type Vocabulary } from './vocabulary.ts';

/** What the field is used for; files write "none" as the 32-bit -1. */
const noToken = 0xffff_ffff;

/** Spellings that end a turn or a text wherever they are special tokens. */
const endSpellings: readonly string[] = [
  '<|eot_id|>',
  '<|eom_id|>',
  '<|im_end|>',
  '<|end|>',
  '<|return|>',
  '<|call|>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<|END_OF_TURN_TOKEN|>',
  '<|endofturn|>',
  '<|end_of_turn|>',
  '<|eos|>',
  '<|fim_pad|>',
  '<|repo_name|>',
  '<|file_sep|>',
  '<end_of_turn>',
  '<end_of_utterance>',
  '<｜end▁of▁sentence｜>',
  '</s>',
  '<eos>',
  '<EOT>',
  '▁<EOT>',
  '_<EOT>',
  '[EOT]',
  '[EOS]',
];

/**
 * Of these, spellings that nobody writes by chance: such a token is a control token even where a
 * careless conversion calls it normal. ("</s>", say, is ordinary HTML.)
 */
const unmistakable = /^<(?:\|.+\||｜.+｜|end_of_turn|end_of_utterance)>$/u;

/** Whether a special token ends a generation by its spelling, whatever the file says. */
export function endsByItsSpelling(spelling: string): boolean {
  return endSpellings.includes(spelling);
}

export interface SpecialIds {
  readonly bos: number | null;
  readonly eos: number | null;
  readonly eot: number | null;
  readonly eom: number | null;
  readonly unknown: number | null;
  readonly padding: number | null;
}

/**
 * The special ids of the file.
 *
 * @param defaults what the kind of tokenizer implies where the file is silent
 * @throws ModelFileError `model-file/malformed` for an id outside the vocabulary; except for padding,
 *   which is never computed with and is often wrong in files whose vocabulary was extended
 */
export function readSpecialIds(
  metadata: Metadata,
  vocabularySize: number,
  defaults: {
    readonly bos: number | null;
    readonly eos: number | null;
    readonly unknown: number | null;
  },
): SpecialIds {
  const read = (name: string, fallback: number | null): number | null =>
    readTokenId(metadata, vocabularySize, name, fallback);
  return {
    bos: read('bos', defaults.bos),
    eos: read('eos', defaults.eos),
    eot: read('eot', null),
    eom: read('eom', null),
    unknown: read('unknown', defaults.unknown),
    padding: read('padding', null),
  };
}

/**
 * The id in `tokenizer.ggml.NAME_token_id`, `fallback` where the file has none and the vocabulary
 * reaches so far, null where it says "none". @throws ModelFileError as `readSpecialIds`
 */
export function readTokenId(
  metadata: Metadata,
  vocabularySize: number,
  name: string,
  fallback: number | null,
): number | null {
  const key = `tokenizer.ggml.${name}_token_id`;
  // Signed files write "none" as -1, which is no unsigned number but no damage either.
  const stored = metadata.entries.get(key)?.value;
  if (stored?.type === 'i32' && stored.value === -1) return null;
  const id = metadata.findUnsigned(key);
  if (id === undefined) return fallback !== null && fallback < vocabularySize ? fallback : null;
  if (id === noToken) return null;
  if (id < vocabularySize) return id;
  if (name === 'padding') return null;
  const what = `its ${name} token is number ${id}, but its vocabulary has ${vocabularySize} tokens`;
  throw malformedVocabulary(metadata, key, what);
}

/**
 * The kinds of the vocabulary, corrected where files are known to be wrong: special ids, and
 * unmistakable end spellings, are never ordinary text.
 */
export function correctKinds(vocabulary: Vocabulary, special: SpecialIds): readonly TokenKind[] {
  const kinds = [...vocabulary.kinds];
  const promote = (id: number | null | undefined, kind: TokenKind): void => {
    if (id !== null && id !== undefined && kinds[id] === 'normal') kinds[id] = kind;
  };
  if (!vocabulary.kindsAreGiven) {
    promote(special.unknown, 'unknown');
    for (const spelling of endSpellings) promote(vocabulary.ids.get(spelling), 'control');
    promote(special.padding, 'control');
  }
  for (const id of [special.bos, special.eos, special.eot, special.eom]) promote(id, 'control');
  for (const spelling of endSpellings) {
    if (unmistakable.test(spelling)) promote(vocabulary.ids.get(spelling), 'control');
  }
  return kinds;
}

/** @param kinds the corrected ones */
export function resolveSpecialTokens(
  vocabulary: Vocabulary,
  kinds: readonly TokenKind[],
  ids: SpecialIds,
): SpecialTokens {
  const isSpecial = (id: number | undefined): id is number =>
    id !== undefined && (kinds[id] === 'control' || kinds[id] === 'user-defined');
  const ends = new Set<number>();
  for (const id of [ids.eos, ids.eot, ids.eom]) if (id !== null) ends.add(id);
  for (const spelling of endSpellings) {
    const id = vocabulary.ids.get(spelling);
    if (isSpecial(id)) ends.add(id);
  }
  // The Harmony format closes every message with <|end|> and goes on to the next one; the turn ends
  // with <|return|> or <|call|>.
  const messageEnd = vocabulary.ids.get('<|end|>');
  const isHarmony = ['<|return|>', '<|call|>'].every((spelling) =>
    isSpecial(vocabulary.ids.get(spelling)),
  );
  if (isHarmony && messageEnd !== undefined && messageEnd !== ids.eos) ends.delete(messageEnd);
  return {
    bos: ids.bos,
    eos: ids.eos,
    unknown: ids.unknown,
    padding: ids.padding,
    endOfGeneration: ends,
  };
}

/**
 * User-defined tokens that are plain text: single characters that the merges cannot make, and runs of
 * white space. They cannot steer a model, and texts were always cut at them, so they count in every mode.
 */
export function isPlainText(spelling: string): boolean {
  return /^(?:[\p{White_Space}▁]+|.)$/su.test(spelling);
}

/** What `special: 'parse'` looks for, longest first. @param kinds the corrected ones */
export function parsedTokens(
  vocabulary: Vocabulary,
  kinds: readonly TokenKind[],
): readonly (readonly [spelling: string, id: number])[] {
  const isParsed = (kind: TokenKind | undefined, spelling: string): boolean =>
    kind === 'control' || kind === 'unknown' || (kind === 'user-defined' && !isPlainText(spelling));
  return [...vocabulary.ids]
    .filter(([spelling, id]) => isParsed(kinds[id], spelling))
    .sort(([one], [other]) => other.length - one.length);
}

/**
 * Special tokens that swallow the white space after them. GGUF does not say which; Phi-3 is the one
 * family known to depend on it, for all special tokens but three.
 */
export function readStrippingTokens(
  metadata: Metadata,
  parsed: readonly (readonly [spelling: string, id: number])[],
): ReadonlySet<number> {
  const name = metadata.findString('general.name')?.toLowerCase() ?? '';
  if (!/phi-?3/.test(name)) return new Set();
  const exceptions = new Set(['<unk>', '<s>', '<|endoftext|>']);
  return new Set(parsed.filter(([spelling]) => !exceptions.has(spelling)).map(([, id]) => id));
}
