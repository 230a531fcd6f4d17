import { describe, expect, it } from 'vitest';
import {
  integers,
  metadataOf,
  strings,
  text,
  types,
  unsigned,
  type Values,
} from '../../../test/fixtures/vocabulary-metadata.ts';
import { ModelFileError } from '../../common/errors.ts';
import { createTokenizer } from './create-tokenizer.ts';
import { unescapeToken } from './rwkv.ts';
import type { Tokenizer } from './tokenizer.ts';

/** As the published vocabulary begins: all bytes, escaped the way Python writes them. */
const byteTokens = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte);
  if (byte === 0x5c) return '\\\\';
  if (byte === 0x27) return "\\'";
  if (byte === 0x09) return '\\t';
  if (byte === 0x0a) return '\\n';
  if (byte === 0x0d) return '\\r';
  return byte >= 0x20 && byte < 0x7f ? character : `\\x${byte.toString(16).padStart(2, '0')}`;
});

function rwkv(tokens: readonly string[], more: Values = {}): Tokenizer {
  const all = ['<s>', ...tokens];
  return createTokenizer(
    metadataOf({
      model: text('rwkv'),
      tokens: strings(...all),
      token_type: integers(...all.map((_, id) => (id === 0 ? types.control : types.normal))),
      eos_token_id: unsigned(0),
      ...more,
    }),
  );
}

function pieces(tokenizer: Tokenizer, input: string): string[] {
  return tokenizer.encode(input, { special: 'as-text' }).map((id) => tokenizer.tokenText(id));
}

describe('RWKV vocabularies', () => {
  it('take the longest token at each place', () => {
    const tokenizer = rwkv([...byteTokens, 'ab', 'abcd', 'bc', '\\n\\n', ' th', "it\\'s"]);
    expect(pieces(tokenizer, "abcabcd\n\n\n th it's")).toEqual([
      'ab',
      'c',
      'abcd',
      '\\n\\n',
      '\\n',
      ' th',
      ' ',
      "it\\'s",
    ]);
    expect(tokenizer.kind).toBe('rwkv');
  });

  it('know tokens that are parts of characters', () => {
    const tokenizer = rwkv([...byteTokens, '\\xe4\\xbd', '\\xa0\\xe5', '\\xe4\\xbd\\xa0\\xe5']);
    const ids = tokenizer.encode('\u4f60\u597d', { special: 'as-text' });
    expect(ids.map((id) => tokenizer.tokenText(id))).toEqual([
      '\\xe4\\xbd\\xa0\\xe5',
      '\\xa5',
      '\\xbd',
    ]);
    expect(tokenizer.decode(ids)).toBe('\u4f60\u597d');
    const detokenizer = tokenizer.detokenizer();
    expect(ids.map((id) => detokenizer.push(id))).toEqual(['\u4f60', '', '\u597d']);
  });

  it('spell every text exactly', () => {
    const tokenizer = rwkv([...byteTokens, 'the', ' the', '\\xf0\\x9f']);
    const input = 'the \\x41 "\u00e9\u4f60\ud83d\ude80"\0\t\r\n</s><s> \'\\n';
    expect(tokenizer.decode(tokenizer.encode(input, { special: 'as-text' }))).toBe(input);
    expect(pieces(tokenizer, '<s>')).toEqual(['<', 's', '>']);
    expect(tokenizer.encode('<s>a', { special: 'parse' })).toEqual([0, tokenizer.tokenId('a')]);
  });

  it('leave out what has no token, or name it unknown', () => {
    expect(pieces(rwkv(['a']), 'aba')).toEqual(['a', 'a']);
    expect(pieces(rwkv(['a', 'b?'], { unknown_token_id: unsigned(2) }), 'aba')).toEqual([
      'a',
      'b?',
      'a',
    ]);
  });

  it.each(['\\', '\\x', '\\x4', '\\xg0', 'a\\x-1'])('refuse the escape %j', (spelling) => {
    expect(unescapeToken(spelling)).toBeNull();
    const create = (): Tokenizer => rwkv([spelling]);
    expect(create).toThrow(ModelFileError);
    expect(create).toThrow('broken escape');
  });

  it('read escapes as Python writes them', () => {
    const bytes = unescapeToken('\\t\\n\\r\\x00\\xFf\\\\\\\'\\"\u00e9');
    expect([...(bytes ?? [])]).toEqual([9, 10, 13, 0, 255, 0x5c, 0x27, 0x22, 0xc3, 0xa9]);
  });
});

describe('files without a vocabulary', () => {
  const none = (more: Values = {}): Tokenizer =>
    createTokenizer(
      metadataOf({
        model: text('none'),
        'general.architecture': text('llama'),
        'llama.vocab_size': unsigned(7),
        eos_token_id: unsigned(3),
        ...more,
      }),
    );

  it('take ids and no texts', () => {
    const tokenizer = none();
    expect(tokenizer).toMatchObject({ kind: 'none', vocabularySize: 7, specialSpellings: [] });
    expect(tokenizer.special.endOfGeneration).toEqual(new Set([3]));
    expect(tokenizer.encode('', { special: 'parse' })).toEqual([]);
    expect(() => tokenizer.encode('a', { special: 'parse' })).toThrow('no vocabulary');
    expect(tokenizer.decode([0, 6])).toBe('');
    expect(() => tokenizer.decode([7])).toThrow('no token of this model');
  });

  it('must say how many tokens there are', () => {
    expect(() => none({ 'llama.vocab_size': undefined })).toThrow(ModelFileError);
    expect(() => none({ eos_token_id: unsigned(7) })).toThrow(ModelFileError);
  });
});
