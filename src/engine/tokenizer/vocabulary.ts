/** The token list of a GGUF file: spellings, kinds and scores, checked before anything uses them. */
import type { ModelFileError } from '../../common/errors.ts';
import { malformed, shortened } from '../formats/gguf/file-errors.ts';
import type { Metadata } from '../formats/gguf/metadata.ts';
import type { TokenKind } from './tokenizer.ts';

export const tokensKey = 'tokenizer.ggml.tokens';
export const scoresKey = 'tokenizer.ggml.scores';
export const typesKey = 'tokenizer.ggml.token_type';
export const mergesKey = 'tokenizer.ggml.merges';
export const charsmapKey = 'tokenizer.ggml.precompiled_charsmap';

export interface Vocabulary {
  readonly size: number;
  readonly spellings: readonly string[];
  readonly kinds: readonly TokenKind[];
  /** Whether the file says of what kind its tokens are; otherwise the kinds are a guess. */
  readonly kindsAreGiven: boolean;
  /** One a token; all 0 where the file has none. */
  readonly scores: Float32Array;
  /** Ids by spelling, all kinds; the first of equal spellings. */
  readonly ids: ReadonlyMap<string, number>;
}

/** `kind` of each value of `tokenizer.ggml.token_type`; 0 ("undefined") is seen in old files. */
const kindOfType: readonly TokenKind[] = [
  'normal',
  'normal',
  'unknown',
  'control',
  'user-defined',
  'unused',
  'byte',
];

/** Strict on purpose: "<0x-1>" must not become a byte. */
const byteSpelling = /^<0x[0-9A-Fa-f]{2}>$/;

/** The byte that a spelling like "<0x0A>" stands for, or null. */
export function byteOfSpelling(spelling: string): number | null {
  return byteSpelling.test(spelling) ? Number.parseInt(spelling.slice(3, 5), 16) : null;
}

/** An error about `field`; `what` completes "This model file is damaged: ...". */
export function malformedVocabulary(
  metadata: Metadata,
  field: string,
  what: string,
): ModelFileError {
  return malformed({ field, offsetBytes: metadata.entries.get(field)?.offsetBytes ?? 0 }, what);
}

/**
 * @throws ModelFileError `model-file/malformed` when the list is missing or empty, lengths differ, a
 *   kind is unknown, a byte token is misspelled or a score is not a number
 */
export function readVocabulary(metadata: Metadata): Vocabulary {
  const spellings = metadata.findStrings(tokensKey);
  if (spellings === undefined || spellings.length === 0) {
    throw malformedVocabulary(metadata, tokensKey, 'it has no vocabulary');
  }
  const types = metadata.findIntegers(typesKey, { length: spellings.length });
  const ids = new Map<string, number>();
  for (const [id, spelling] of spellings.entries()) {
    if (spelling !== '' && !ids.has(spelling)) ids.set(spelling, id);
  }
  return {
    size: spellings.length,
    spellings,
    kinds: readKinds(metadata, spellings, types),
    kindsAreGiven: types !== undefined,
    scores: readScores(metadata, spellings.length),
    ids,
  };
}

function readKinds(
  metadata: Metadata,
  spellings: readonly string[],
  types: Int32Array | Uint32Array | undefined,
): TokenKind[] {
  const kinds = spellings.map((spelling, id): TokenKind => {
    if (types === undefined) return 'normal';
    const type = types[id] ?? 0;
    const kind = kindOfType[type];
    if (kind === undefined) {
      throw malformedVocabulary(metadata, typesKey, `token ${id} has the unknown type ${type}`);
    }
    if (kind === 'byte' && byteOfSpelling(spelling) === null) {
      const shown = JSON.stringify(shortened(spelling));
      throw malformedVocabulary(
        metadata,
        tokensKey,
        `token ${id} should be a byte but is ${shown}`,
      );
    }
    return kind;
  });
  // Old conversions leave byte tokens unmarked; "<0x41>" as text is far less likely than that.
  if (!kinds.includes('byte')) {
    const bytes = spellings.flatMap((spelling, id) =>
      byteOfSpelling(spelling) === null ? [] : id,
    );
    if (bytes.length === 256) for (const id of bytes) kinds[id] = 'byte';
  }
  return kinds;
}

function readScores(metadata: Metadata, size: number): Float32Array {
  const scores = metadata.findFloats(scoresKey, { length: size });
  if (scores === undefined) return new Float32Array(size);
  const bad = scores.findIndex((score) => Number.isNaN(score));
  if (bad >= 0)
    throw malformedVocabulary(metadata, scoresKey, `the score of token ${bad} is not a number`);
  return scores;
}
