import { describe, expect, it } from 'vitest';
import { AppError, ModelFileError } from '../../common/errors.ts';
import {
  flag,
  floats,
  integers,
  metadataOf,
  strings,
  text,
  types,
  unsigned,
  type Values,
} from '../../../test/fixtures/vocabulary-metadata.ts';
import { byteCharacters } from './byte-level.ts';
import { createTokenizer } from './create-tokenizer.ts';
import { specialTokenShield, type Tokenizer } from './tokenizer.ts';

type Entry = readonly [spelling: string, type: number, score?: number];

const spmBase: readonly Entry[] = [
  ['<unk>', types.unknown],
  ['<s>', types.control],
  ['</s>', types.control],
];
const allBytes: readonly Entry[] = Array.from({ length: 256 }, (_, byte) => [
  `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  types.byte,
]);

function spmValues(entries: readonly Entry[], more: Values = {}): Values {
  return {
    model: text('llama'),
    tokens: strings(...entries.map(([spelling]) => spelling)),
    token_type: integers(...entries.map(([, type]) => type)),
    scores: floats(...entries.map(([, , score]) => score ?? 0)),
    ...more,
  };
}

function spm(entries: readonly Entry[], more: Values = {}): Tokenizer {
  return createTokenizer(metadataOf(spmValues(entries, more)));
}

const byteEntries: readonly Entry[] = byteCharacters.map((character) => [character, types.normal]);

function bpeValues(added: readonly Entry[], merges: readonly string[], more: Values = {}): Values {
  const entries = [
    ...byteEntries,
    ...merges.map((merge): Entry => [merge.replace(' ', ''), types.normal]),
    ...added,
  ];
  return {
    model: text('gpt2'),
    pre: text('gpt-2'),
    tokens: strings(...entries.map(([spelling]) => spelling)),
    token_type: integers(...entries.map(([, type]) => type)),
    merges: strings(...merges),
    ...more,
  };
}

function bpe(added: readonly Entry[], merges: readonly string[], more: Values = {}): Tokenizer {
  return createTokenizer(metadataOf(bpeValues(added, merges, more)));
}

function spellings(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  return ids.map((id) => tokenizer.tokenText(id));
}

function encodeText(tokenizer: Tokenizer, input: string): string[] {
  return spellings(tokenizer, tokenizer.encode(input, { special: 'as-text' }));
}

function parse(tokenizer: Tokenizer, input: string): string[] {
  return spellings(tokenizer, tokenizer.encode(input, { special: 'parse' }));
}

function failure(values: Values): ModelFileError {
  try {
    createTokenizer(metadataOf(values));
  } catch (error) {
    if (error instanceof ModelFileError) return error;
    throw error;
  }
  throw new Error('no error was thrown');
}

describe('createTokenizer', () => {
  it.each(['plamo2', 'constructor', ''])('names the unsupported tokenizer %s', (model) => {
    const error = failure({ model: text(model), tokens: strings('a') });
    expect(error.code).toBe('model-file/unsupported-tokenizer');
    expect(error.message).toContain(`"${model}"`);
    expect(error.field).toBe('tokenizer.ggml.model');
    expect(error.offsetBytes).toBe(100);
  });

  it.each<[string, Values, string]>([
    ['no tokenizer', { tokens: strings('a') }, 'model'],
    ['no vocabulary', spmValues([], { tokens: undefined }), 'tokens'],
    ['an empty vocabulary', spmValues([]), 'tokens'],
    ['too few scores', spmValues(spmBase, { scores: floats(0, 0) }), 'scores'],
    ['too many scores', spmValues(spmBase, { scores: floats(0, 0, 0, 0) }), 'scores'],
    ['a score that is no number', spmValues(spmBase, { scores: floats(0, NaN, 0) }), 'scores'],
    ['scores of another type', spmValues(spmBase, { scores: integers(0, 0, 0) }), 'scores'],
    ['too few types', spmValues(spmBase, { token_type: integers(1) }), 'token_type'],
    ['an unknown type', spmValues(spmBase, { token_type: integers(1, 1, 7) }), 'token_type'],
    ['a negative type', spmValues(spmBase, { token_type: integers(1, 1, -1) }), 'token_type'],
    ['a byte below zero', spmValues([...spmBase, ['<0x-1>', types.byte]]), 'tokens'],
    ['a byte with spaces', spmValues([...spmBase, ['<0x 1>', types.byte]]), 'tokens'],
    ['a long byte', spmValues([...spmBase, ['<0x100>', types.byte]]), 'tokens'],
    ['bos out of range', spmValues(spmBase, { bos_token_id: unsigned(3) }), 'bos_token_id'],
    ['eos out of range', spmValues(spmBase, { eos_token_id: unsigned(3) }), 'eos_token_id'],
    ['no merges', bpeValues([], [], { merges: undefined }), 'merges'],
    ['a merge without a gap', bpeValues([], [], { merges: strings('ab') }), 'merges'],
    ['a merge of nothing', bpeValues([], [], { merges: strings('a ') }), 'merges'],
    ['a merge into no token', bpeValues([], [], { merges: strings('a b') }), 'merges'],
    ['a merge of no token', bpeValues([['xyz', 1]], [], { merges: strings('x yz') }), 'merges'],
  ])('refuses %s', (_name, values, key) => {
    const error = failure(values);
    expect(error.code).toBe('model-file/malformed');
    expect(error.field).toBe(`tokenizer.ggml.${key}`);
  });

  it('takes ids at the edge of the vocabulary', () => {
    const tokenizer = spm(spmBase, { eos_token_id: unsigned(2), bos_token_id: unsigned(0) });
    expect(tokenizer.special).toMatchObject({ bos: 0, eos: 2 });
  });

  it('reads the 32-bit -1 as "none" and forgives a padding token out of range', () => {
    for (const padding of [0xffff_ffff, 3]) {
      const tokenizer = spm(spmBase, { padding_token_id: unsigned(padding) });
      expect(tokenizer.special.padding).toBeNull();
    }
    const tokenizer = spm(spmBase, {
      bos_token_id: unsigned(0xffff_ffff),
      eos_token_id: { type: 'i32', value: -1 },
      add_eos_token: flag(true),
    });
    expect(tokenizer.special).toMatchObject({ bos: null, eos: null });
    expect(tokenizer.encode('', { special: 'parse', addBoundary: true })).toEqual([]);
  });

  it('refuses ids that are no tokens', () => {
    const tokenizer = spm(spmBase);
    for (const id of [-1, 3, 0.5, Number.NaN]) {
      expect(() => tokenizer.decode([id])).toThrow(AppError);
      expect(() => tokenizer.tokenBytes(id)).toThrow(AppError);
      expect(() => tokenizer.tokenText(id)).toThrow(AppError);
      expect(() => tokenizer.tokenKind(id)).toThrow(AppError);
    }
    expect(tokenizer.tokenId('<s>')).toBe(1);
    expect(tokenizer.tokenId('__proto__')).toBeUndefined();
  });
});

describe('SentencePiece vocabularies', () => {
  const letters: readonly Entry[] = Array.from('abc▁', (letter) => [letter, types.normal, -9]);

  it('merges by score, the leftmost of equals first', () => {
    const tokenizer = spm([...spmBase, ...letters, ['ab', 1, -5], ['bc', 1, -4], ['aa', 1, -5]]);
    expect(encodeText(tokenizer, 'abc')).toEqual(['▁', 'a', 'bc']);
    expect(encodeText(tokenizer, 'aaab')).toEqual(['▁', 'aa', 'ab']);
    expect(tokenizer.kind).toBe('spm');
  });

  it('merges all the same where the file has no scores', () => {
    const tokenizer = spm([...spmBase, ...letters, ['ab', 1], ['bc', 1]], { scores: undefined });
    expect(encodeText(tokenizer, 'abc')).toEqual(['▁', 'ab', 'c']);
  });

  it('merges over spaces where a token does', () => {
    const tokenizer = spm([...spmBase, ...letters, ['a▁', 1, -2], ['a▁b', 1, -1], ['▁b', 1, -3]]);
    expect(encodeText(tokenizer, 'a b')).toEqual(['▁', 'a▁b']);
  });

  it('spells unknown characters in bytes, or as the unknown token if one byte is missing', () => {
    const complete = spm([...spmBase, ...letters, ...allBytes]);
    expect(encodeText(complete, '\u00e9')).toEqual(['▁', '<0xC3>', '<0xA9>']);
    expect(complete.decode(complete.encode('\u00e9', { special: 'as-text' }))).toBe('\u00e9');
    expect([...complete.tokenBytes(complete.tokenId('<0xC3>') ?? -1)]).toEqual([0xc3]);
    const partial = spm([...spmBase, ...letters, ['<0xC3>', types.byte], ['<0xa8>', types.byte]]);
    expect(encodeText(partial, 'a\u00e9b\u00e8')).toEqual([
      '▁',
      'a',
      '<unk>',
      'b',
      '<0xC3>',
      '<0xa8>',
    ]);
  });

  it('leaves unknown characters out rather than ending the text', () => {
    const tokenizer = spm([...spmBase, ...letters], { unknown_token_id: unsigned(2) });
    expect(encodeText(tokenizer, 'a\u00e9')).toEqual(['▁', 'a']);
  });

  it('puts a space before the text and after special tokens, and takes the first one away', () => {
    const tokenizer = spm([...spmBase, ...letters, ['▁a', 1, -1]]);
    expect(parse(tokenizer, 'a</s>a b')).toEqual(['▁a', '</s>', '▁a', '▁', 'b']);
    const ids = tokenizer.encode('a b', { special: 'as-text', addBoundary: true });
    expect(spellings(tokenizer, ids)).toEqual(['<s>', '▁a', '▁', 'b']);
    expect(tokenizer.decode(ids)).toBe('a b');
    expect(tokenizer.decode(ids, { continuation: true })).toBe(' a b');
    expect(tokenizer.decode(ids, { showSpecial: true })).toBe('<s> a b');
    const plain = spm([...spmBase, ...letters, ['▁a', 1, -1]], { add_space_prefix: flag(false) });
    expect(encodeText(plain, ' a')).toEqual(['▁a']);
    expect(plain.decode(plain.encode(' a', { special: 'as-text' }))).toBe(' a');
  });

  it('never merges into control, unknown or byte tokens', () => {
    const pieces: Entry[] = Array.from('<s>/unk0x41▁', (letter) => [letter, types.normal, -9]);
    const parts: Entry[] = [
      ['<s', 1, -1],
      ['</', 1, -1],
      ['</s', 1, -1],
      ['<unk', 1, -1],
      ['<0x41', 1, -1],
    ];
    const tokenizer = spm([...spmBase, ...pieces, ...parts, ...allBytes]);
    for (const input of ['<s>', '</s>', '<unk>', '<0x41>']) {
      const ids = tokenizer.encode(input, { special: 'as-text' });
      expect(ids.map((id) => tokenizer.tokenKind(id))).not.toContain('control');
      expect(spellings(tokenizer, ids)).not.toContain(input);
      expect(tokenizer.decode(ids)).toBe(input);
    }
  });

  it('guesses the kinds where the file does not say them', () => {
    const entries = [...spmBase, ...letters, ...allBytes];
    const tokenizer = spm(entries, { token_type: undefined });
    expect(tokenizer.tokenKind(0)).toBe('unknown');
    expect(tokenizer.tokenKind(1)).toBe('control');
    expect(tokenizer.tokenKind(2)).toBe('control');
    expect(tokenizer.tokenKind(3)).toBe('normal');
    expect(encodeText(tokenizer, '\u00e9')).toEqual(['▁', '<0xC3>', '<0xA9>']);
    expect(tokenizer.special).toMatchObject({ bos: 1, eos: 2, unknown: 0 });
    expect(tokenizer.addBos).toBe(true);
    expect(tokenizer.addEos).toBe(false);
  });

  it('swallows white space after special tokens in Phi-3 only', () => {
    const entries: Entry[] = [...spmBase, ...letters, ['<|user|>', 3], ['\n', 1, -9]];
    const phi = spm(entries, { 'general.name': text('Phi-3-mini-4k-instruct') });
    expect(parse(phi, '<|user|> \n a<s>\na')).toEqual([
      '<|user|>',
      '▁',
      'a',
      '<s>',
      '▁',
      '\n',
      'a',
    ]);
    expect(parse(phi, '<|user|>\n')).toEqual(['<|user|>']);
    const other = spm(entries, { 'general.name': text('Llama') });
    expect(parse(other, '<|user|>\na')).toEqual(['<|user|>', '▁', '\n', 'a']);
  });
});

describe('byte-level vocabularies', () => {
  const chatTokens: readonly Entry[] = [
    ['<|im_start|>', types.control],
    ['<|im_end|>', types.control],
    ['<|im', types.control],
  ];

  it('merges by rank, in words', () => {
    const tokenizer = bpe([], ['b c', 'a b', 'Ġ a', 'ab c']);
    expect(encodeText(tokenizer, 'abc a ab')).toEqual(['a', 'bc', 'Ġa', 'Ġ', 'ab']);
    expect(tokenizer.kind).toBe('bpe');
    expect(tokenizer.warnings).toEqual([]);
  });

  it('takes whole words first where the vocabulary was trained so', () => {
    const merges = ['b c', 'a bc', 'a b'];
    const added: Entry[] = [['bcab', types.normal]];
    expect(encodeText(bpe(added, merges, { pre: text('llama-bpe') }), 'bcab')).toEqual(['bcab']);
    expect(encodeText(bpe(added, merges), 'bcab')).toEqual(['bc', 'ab']);
  });

  it('warns of a way to split words that it does not know', () => {
    const tokenizer = bpe([], [], { pre: text('never-heard-of') });
    expect(tokenizer.warnings).toHaveLength(1);
    expect(tokenizer.warnings?.[0]).toContain('never-heard-of');
    expect(bpe([], [], { pre: undefined }).warnings).toHaveLength(1);
    expect(encodeText(tokenizer, 'ab')).toEqual(['a', 'b']);
  });

  it('parses special tokens when asked, leftmost and longest first', () => {
    const tokenizer = bpe(chatTokens, ['h i']);
    expect(parse(tokenizer, '<|im_start|>hi<|im_end|><|imx')).toEqual([
      '<|im_start|>',
      'hi',
      '<|im_end|>',
      '<|im',
      'x',
    ]);
    expect(encodeText(tokenizer, '<|im_end|>').join('')).toBe('<|im_end|>');
    expect(encodeText(tokenizer, '<|im_end|>')).not.toContain('<|im_end|>');
    expect(tokenizer.specialSpellings).toEqual(['<|im_start|>', '<|im_end|>', '<|im']);
  });

  it('drops the shield after the split, so that shielded spellings stay text', () => {
    const tokenizer = bpe(chatTokens, []);
    const ids = tokenizer.encode(`<${specialTokenShield}|im_end|><|im_end|>`, { special: 'parse' });
    expect(ids).toEqual([
      ...tokenizer.encode('<|im_end|>', { special: 'as-text' }),
      tokenizer.tokenId('<|im_end|>'),
    ]);
    expect(tokenizer.encode(specialTokenShield, { special: 'parse' })).toEqual([]);
  });

  it('cuts at user-defined white space and characters in every mode, at markup when asked', () => {
    const tokenizer = bpe(
      [
        ['   ', types.userDefined],
        ['  ', types.userDefined],
        ['\u4f60', types.userDefined],
        ['<think>', types.userDefined],
      ],
      ['Ġ a'],
    );
    expect(encodeText(tokenizer, 'a     a')).toEqual(['a', '   ', '  ', 'a']);
    expect(parse(tokenizer, 'a  \u4f60')).toEqual(['a', '  ', '\u4f60']);
    expect(parse(tokenizer, '<think>')).toEqual(['<think>']);
    expect(encodeText(tokenizer, '<think>')).toHaveLength(7);
    expect(tokenizer.specialSpellings).toEqual(['<think>']);
    const ids = tokenizer.encode('a  \u4f60<think>', { special: 'parse' });
    expect(tokenizer.decode(ids)).toBe('a  \u4f60<think>');
  });

  it('never merges into a control token', () => {
    // The last merge makes the last token, which the file calls a control token.
    const values = bpeValues([], ['< |', '<| >']);
    const lastToken = byteEntries.length + 1;
    const kinds = Array.from({ length: lastToken }, () => types.normal);
    const token_type = integers(...kinds, types.control);
    const tokenizer = createTokenizer(metadataOf({ ...values, token_type }));
    expect(encodeText(tokenizer, '<|>')).toEqual(['<|', '>']);
    expect(parse(tokenizer, '<|>')).toEqual(['<|>']);
    expect([...tokenizer.tokenBytes(lastToken)]).toEqual([]);
  });

  it('adds BOS where the file or the family says so', () => {
    const bos = { bos_token_id: unsigned(256) };
    const start: Entry[] = [['<|begin|>', types.control]];
    const boundary = { special: 'as-text', addBoundary: true } as const;
    expect(bpe(start, [], bos).encode('', boundary)).toEqual([]);
    expect(bpe(start, [], { ...bos, pre: text('llama-bpe') }).encode('', boundary)).toEqual([256]);
    expect(bpe(start, [], { ...bos, add_bos_token: flag(true) }).encode('', boundary)).toEqual([
      256,
    ]);
    expect(bpe(start, [], { add_bos_token: flag(true) }).addBos).toBe(false);
  });

  it('holds back unfinished characters and marks broken ones', () => {
    const tokenizer = bpe([], []);
    const ids = tokenizer.encode('\ud83d\ude80', { special: 'as-text' });
    const detokenizer = tokenizer.detokenizer();
    expect(ids.map((id) => detokenizer.push(id))).toEqual(['', '', '', '\ud83d\ude80']);
    expect(detokenizer.flush()).toBe('');
    detokenizer.push(ids[0] ?? -1);
    expect(detokenizer.flush()).toBe('\ufffd');
    expect(detokenizer.push(tokenizer.tokenId('a') ?? -1)).toBe('a');
    expect(tokenizer.decode([ids[0] ?? -1, ids[0] ?? -1])).toBe('\ufffd\ufffd');
  });
});

describe('end of generation', () => {
  const ends = (tokenizer: Tokenizer): string[] =>
    spellings(tokenizer, [...tokenizer.special.endOfGeneration]).sort();

  it('holds eos, eot, eom and special tokens with a known spelling', () => {
    const added: Entry[] = [
      ['<end>', types.control],
      ['<turn>', types.control],
      ['<tool>', types.control],
      ['<|eot_id|>', types.control],
      ['<end_of_turn>', types.userDefined],
      ['<other>', types.control],
    ];
    const tokenizer = bpe(added, [], {
      eos_token_id: unsigned(256),
      eot_token_id: unsigned(257),
      eom_token_id: unsigned(258),
    });
    expect(ends(tokenizer)).toEqual(['<end>', '<end_of_turn>', '<tool>', '<turn>', '<|eot_id|>']);
  });

  it('trusts unmistakable spellings in spite of their type, and only those', () => {
    const tokenizer = bpe(
      [
        ['<|im_end|>', types.normal],
        ['</s>', types.normal],
      ],
      [],
    );
    expect(ends(tokenizer)).toEqual(['<|im_end|>']);
    expect(tokenizer.tokenKind(tokenizer.tokenId('<|im_end|>') ?? -1)).toBe('control');
    expect(tokenizer.tokenKind(tokenizer.tokenId('</s>') ?? -1)).toBe('normal');
  });

  it('goes on after <|end|> where messages of one turn follow each other', () => {
    const harmony: Entry[] = ['<|end|>', '<|return|>', '<|call|>'].map((name) => [
      name,
      types.control,
    ]);
    expect(ends(bpe(harmony, [], { eos_token_id: unsigned(257) }))).toEqual([
      '<|call|>',
      '<|return|>',
    ]);
    expect(ends(bpe(harmony.slice(0, 2), []))).toEqual(['<|end|>', '<|return|>']);
  });
});
