import { Tokenizer as OtherTokenizer } from '@huggingface/tokenizers';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { randomTexts } from '../../../../test/fixtures/random-texts.ts';
import { sharedModelPath, sharedModels } from '../../../../test/fixtures/shared-models.ts';
import { ModelFileError } from '../../../common/errors.ts';
import { byteCharacters } from '../byte-level.ts';
import type { Tokenizer } from '../tokenizer.ts';
import { createJsonTokenizer } from './tokenizer-json.ts';

type Json = Record<string, unknown>;

function make(file: Json, config?: Json): Tokenizer {
  return createJsonTokenizer(
    JSON.stringify(file),
    config === undefined ? undefined : JSON.stringify(config),
  );
}

function pieces(tokenizer: Tokenizer, text: string): string[] {
  return tokenizer.encode(text, { special: 'parse' }).map((id) => tokenizer.tokenText(id));
}

/** Ids by position. */
function vocabularyOf(spellings: readonly string[]): Json {
  return Object.fromEntries(spellings.map((spelling, id) => [spelling, id]));
}

function special(id: number, content: string, more: Json = {}): Json {
  return { id, content, special: true, lstrip: false, rstrip: false, normalized: false, ...more };
}

/** What differs between ours and the other implementation on these texts. */
function differences(file: Json, config: Json, texts: readonly string[]): unknown[] {
  const ours = make(file, config);
  const other = new OtherTokenizer(file, config);
  return texts.flatMap((text) => {
    const ids = ours.encode(text, { special: 'parse', addBoundary: true });
    const { ids: expected } = other.encode(text);
    return ids.join() === expected.join() ? [] : [{ text, ids, expected }];
  });
}

describe.skipIf(sharedModels === null)('published files', () => {
  const read = (...path: string[]): Json =>
    JSON.parse(readFileSync(sharedModelPath('tokenizers', 'hf', ...path), 'utf8')) as Json;

  it('all-MiniLM-L6-v2 encodes and decodes as another implementation does', () => {
    const file = read('all-MiniLM-L6-v2', 'tokenizer.json');
    const config = read('all-MiniLM-L6-v2', 'tokenizer_config.json');
    // The other one lowers whole texts, where a capital sigma at the end of a word becomes another letter.
    const texts = randomTexts(2000).map((text) => text.replaceAll('\u03a3', ''));
    expect(differences(file, config, [...texts, 'a [MASK] [CLS]b'])).toEqual([]);
    const tokenizer = make(file, config);
    expect(tokenizer).toMatchObject({ kind: 'wordpiece', addBos: true, addEos: true });
    expect(tokenizer.special).toMatchObject({ bos: 101, eos: 102, padding: 0, unknown: 100 });
    const other = new OtherTokenizer(file, config);
    for (const text of ["It's fine, isn't it?", 'unaffable embeddings (v2.0)!']) {
      const ids = tokenizer.encode(text, { special: 'as-text', addBoundary: true });
      expect(tokenizer.decode(ids)).toBe(other.decode(ids, { skip_special_tokens: true }));
    }
  });

  it('a byte-level BPE with digits apart encodes and decodes as another implementation does', () => {
    const file = read('litert-lm-hf', 'tokenizer.json');
    const texts = [...randomTexts(1500), '12345 3.14', '<|im_start|>user\nHi<|im_end|>'];
    expect(differences(file, {}, texts)).toEqual([]);
    const tokenizer = make(file);
    expect(tokenizer.kind).toBe('bpe');
    // This vocabulary lacks the tokens of some control bytes.
    for (const text of texts.filter((one) => !/\p{Cc}/u.test(one))) {
      const ids = tokenizer.encode(text, { special: 'as-text' });
      expect(tokenizer.decode(ids)).toBe(text);
    }
  });
});

interface TrainedModel {
  readonly tokens: string;
  readonly types: string;
  readonly scores: string;
  readonly charsmap: string;
  readonly cases: readonly (readonly [text: string, ids: string])[];
}

describe('models that SentencePiece trained', () => {
  const fixture = new URL('../../../../test/fixtures/sentencepiece-unigram.json', import.meta.url);
  const { models } = JSON.parse(readFileSync(fixture, 'utf8')) as {
    models: Readonly<Record<'rules' | 'bytes', TrainedModel>>;
  };

  function unigramFile({ tokens, types, scores, charsmap }: TrainedModel, rules: boolean): Json {
    const spellings = tokens.split('\n');
    const vocab = scores.split(' ').map((score, id) => [spellings[id], Number(score)]);
    const precompiled = { type: 'Precompiled', precompiled_charsmap: charsmap };
    const strip = { type: 'Strip', strip_left: true, strip_right: true };
    const merged = { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' };
    const added = spellings.flatMap((content, id) =>
      types[id] === '3' ? [special(id, content)] : [],
    );
    return {
      added_tokens: added,
      normalizer: rules ? { type: 'Sequence', normalizers: [precompiled, strip, merged] } : null,
      pre_tokenizer: {
        type: 'Metaspace',
        replacement: '▁',
        prepend_scheme: rules ? 'always' : 'never',
        split: false,
      },
      decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: rules ? 'always' : 'never' },
      model: { type: 'Unigram', unk_id: 2, vocab, byte_fallback: !rules },
    };
  }

  it.each(['rules', 'bytes'] as const)('%s: the ids of SentencePiece', (name) => {
    const model = models[name];
    const tokenizer = make(unigramFile(model, name === 'rules'));
    for (const [text, ids] of model.cases) {
      // A text that has the mark already is the one thing that the two forms treat differently.
      if (text.includes('▁')) continue;
      const found = tokenizer.encode(text, { special: 'as-text' }).join(' ');
      expect({ text, ids: found }).toEqual({ text, ids });
    }
  });
});

describe('SentencePiece BPE as a tokenizer.json', () => {
  const bytes = Array.from({ length: 256 }, (_, byte) => {
    return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
  });
  const spellings = ['<unk>', '<s>', '</s>', ...bytes, '▁', 'a', 'b', '▁a', 'ab', '▁ab', '\n'];
  const file: Json = {
    added_tokens: ['<unk>', '<s>', '</s>'].map((content, id) => special(id, content)),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    pre_tokenizer: null,
    post_processor: {
      type: 'TemplateProcessing',
      single: [{ SpecialToken: { id: '<s>', type_id: 0 } }, { Sequence: { id: 'A', type_id: 0 } }],
      special_tokens: { '<s>': { id: '<s>', ids: [1], tokens: ['<s>'] } },
    },
    decoder: {
      type: 'Sequence',
      decoders: [
        { type: 'Replace', pattern: { String: '▁' }, content: ' ' },
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        { type: 'Strip', content: ' ', start: 1, stop: 0 },
      ],
    },
    model: {
      type: 'BPE',
      unk_token: '<unk>',
      fuse_unk: true,
      byte_fallback: true,
      vocab: vocabularyOf(spellings),
      merges: ['▁ a', 'a b', '▁a b'],
    },
  };
  const config = { bos_token: '<s>', eos_token: { content: '</s>' } };

  it('merges, falls back to bytes and puts BOS in front', () => {
    const tokenizer = make(file, config);
    expect(pieces(tokenizer, 'ab a')).toEqual(['▁ab', '▁a']);
    expect(pieces(tokenizer, '\u00e9a')).toEqual(['▁', '<0xC3>', '<0xA9>', 'a']);
    expect(tokenizer.encode('a', { special: 'as-text', addBoundary: true })[0]).toBe(1);
    expect(tokenizer.special).toMatchObject({ bos: 1, eos: 2, unknown: 0 });
    const text = 'ab \u4f60\u597d \ud83d\ude42 a\nb';
    expect(tokenizer.decode(tokenizer.encode(text, { special: 'as-text' }))).toBe(text);
    expect(differences(file, config, ['ab a b', ' a  b', '\u00e9', 'a</s>b', '\n\n'])).toEqual([]);
  });

  it('keeps the spelling of a special token in a text apart from the token', () => {
    const tokenizer = make(file, config);
    expect(tokenizer.encode('</s>', { special: 'parse' })).toEqual([2]);
    expect(tokenizer.encode('</s>', { special: 'as-text' })).not.toContain(2);
    expect(tokenizer.decode(tokenizer.encode('</s>', { special: 'as-text' }))).toBe('</s>');
  });
});

describe('parts of a tokenizer.json', () => {
  const letters = Array.from('abcdefghijklmnopqrstuvwxyzABC0123456789.,!?-_ ▁\n');
  const withModel = (parts: Json): Json => ({
    added_tokens: [special(letters.length, '<mask>', { lstrip: true, rstrip: true })],
    model: { type: 'BPE', vocab: vocabularyOf(letters), merges: [] },
    ...parts,
  });
  /** A vocabulary of whole words shows where a text is cut. */
  const cut = (preTokenizer: unknown, words: readonly string[], text: string): string[] =>
    pieces(
      make({
        pre_tokenizer: preTokenizer,
        model: { type: 'WordLevel', unk_token: '?', vocab: vocabularyOf(['?', ...words]) },
      }),
      text,
    );

  it.each([
    ['Isolated', ['ab', '-', 'c', '-', '-', 'd']],
    ['Removed', ['ab', 'c', 'd']],
    ['MergedWithPrevious', ['ab-', 'c-', '-', 'd']],
    ['MergedWithNext', ['ab', '-c', '-', '-d']],
    ['Contiguous', ['ab', '-', 'c', '--', 'd']],
  ])('a split that is %s', (behavior, expected) => {
    const split = { type: 'Split', pattern: { String: '-' }, behavior, invert: false };
    expect(cut(split, expected, 'ab-c--d')).toEqual(expected);
  });

  it.each<[unknown, string, string[]]>([
    [{ type: 'Digits', individual_digits: true }, 'a12', ['a', '1', '2']],
    [{ type: 'Digits', individual_digits: false }, 'a12', ['a', '12']],
    [{ type: 'Whitespace' }, 'a,b  c_d!?', ['a', ',', 'b', 'c_d', '!?']],
    [{ type: 'WhitespaceSplit' }, ' a,b  c ', ['a,b', 'c']],
    [{ type: 'Punctuation' }, 'a,b', ['a', ',', 'b']],
    [{ type: 'BertPreTokenizer' }, 'a,b c', ['a', ',', 'b', 'c']],
    [{ type: 'CharDelimiterSplit', delimiter: '_' }, 'a_b', ['a', 'b']],
    [{ type: 'FixedLength', length: 2 }, 'abcde', ['ab', 'cd', 'e']],
    [{ type: 'Metaspace', prepend_scheme: 'first' }, 'a b', ['▁a', '▁b']],
    [{ type: 'Metaspace', add_prefix_space: false }, 'a b', ['a', '▁b']],
    [
      { type: 'Split', pattern: { Regex: '(?i:AB)|\\d' }, behavior: 'Removed', invert: true },
      'xaB1y',
      ['aB', '1'],
    ],
  ])('the pre-tokenizer %j', (preTokenizer, text, expected) => {
    expect(cut(preTokenizer, expected, text)).toEqual(expected);
  });

  it.each<[unknown, string, string]>([
    [{ type: 'Lowercase' }, 'AB', 'ab'],
    [{ type: 'NFKC' }, '\uff41\uff42', 'ab'],
    [{ type: 'Strip' }, '  a ', 'a'],
    [{ type: 'Strip', strip_right: false }, '  a ', 'a '],
    [
      { type: 'Sequence', normalizers: [{ type: 'NFD' }, { type: 'StripAccents' }] },
      'e\u0301',
      'e',
    ],
    [{ type: 'Replace', pattern: { Regex: '\\s+' }, content: '$&' }, 'a \n', 'a$&'],
    [{ type: 'Nmt' }, 'a\u0001\tb', 'a b'],
    [{ type: 'BertNormalizer', lowercase: true }, 'A\u0301\u0000B', 'ab'],
  ])('the normalizer %j', (normalizer, text, expected) => {
    const tokenizer = make(withModel({ normalizer }));
    const known = expected.replace('$&', '');
    expect(pieces(tokenizer, text).join('')).toBe(known);
  });

  it('takes the white space around a token that wants it', () => {
    expect(pieces(make(withModel({})), 'a <mask> b')).toEqual(['a', '<mask>', 'b']);
  });

  it('puts several tokens around a text', () => {
    const post_processor = {
      type: 'TemplateProcessing',
      single: [
        { SpecialToken: { id: 'x' } },
        { Sequence: { id: 'A' } },
        { SpecialToken: { id: 'y' } },
      ],
      special_tokens: { x: { ids: [1, 2] }, y: { ids: [3] } },
    };
    const tokenizer = make(withModel({ post_processor }));
    expect(tokenizer.encode('a', { special: 'as-text', addBoundary: true })).toEqual([1, 2, 0, 3]);
    const roberta = make(
      withModel({ post_processor: { type: 'RobertaProcessing', cls: ['b', 1], sep: ['c', 2] } }),
    );
    expect(roberta.encode('a', { special: 'as-text', addBoundary: true })).toEqual([1, 0, 2]);
  });

  it('spells the ends of words', () => {
    const vocab = vocabularyOf(['a', 'b', 'a</w>', 'b</w>', 'ab</w>']);
    const tokenizer = make({
      pre_tokenizer: { type: 'WhitespaceSplit' },
      model: { type: 'BPE', vocab, merges: [['a', 'b</w>']], end_of_word_suffix: '</w>' },
    });
    expect(pieces(tokenizer, 'ab ba')).toEqual(['ab</w>', 'b', 'a</w>']);
  });

  it('byte-level words of all bytes come back', () => {
    const file = {
      pre_tokenizer: { type: 'ByteLevel', add_prefix_space: false },
      decoder: { type: 'ByteLevel' },
      model: { type: 'BPE', vocab: vocabularyOf(byteCharacters), merges: [] },
    };
    const tokenizer = make(file);
    for (const text of randomTexts(100)) {
      expect(tokenizer.decode(tokenizer.encode(text, { special: 'as-text' }))).toBe(text);
    }
  });
});

describe('hostile files', () => {
  const model = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] };
  const nested = (depth: number): unknown =>
    depth === 0 ? { type: 'NFC' } : { type: 'Sequence', normalizers: [nested(depth - 1)] };

  it.each<[string, string]>([
    ['no JSON', '{'],
    ['a list', '[]'],
    ['nothing', '{}'],
    ['no vocabulary', '{"model":{"type":"BPE","merges":[]}}'],
    ['an empty vocabulary', '{"model":{"type":"BPE","vocab":{},"merges":[]}}'],
    ['an id far away', '{"model":{"type":"BPE","vocab":{"a":4000000},"merges":[]}}'],
    ['a negative id', '{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}'],
    ['an id that is no number', '{"model":{"type":"BPE","vocab":{"a":"0"},"merges":[]}}'],
    ['merges that are no list', JSON.stringify({ model: { ...model, merges: 5 } })],
    ['a merge of one', JSON.stringify({ model: { ...model, merges: ['a'] } })],
    ['a merge of three', JSON.stringify({ model: { ...model, merges: ['a b c'] } })],
    ['a merge into nothing', JSON.stringify({ model: { ...model, merges: ['b a'] } })],
    ['a score that is a text', '{"model":{"type":"Unigram","vocab":[["a","b"]]}}'],
    ['a score that is nothing', '{"model":{"type":"Unigram","vocab":[["a",null]]}}'],
    ['a piece of three', '{"model":{"type":"Unigram","vocab":[["a",0,0]]}}'],
    ['an unknown id beyond', '{"model":{"type":"Unigram","unk_id":5,"vocab":[["a",0]]}}'],
    ['an added token without a text', JSON.stringify({ model, added_tokens: [{ id: 1 }] })],
    ['an added token far away', JSON.stringify({ model, added_tokens: [special(3e6, 'x')] })],
    ['a pattern of nothing', withSplit({ String: '' })],
    ['no pattern', withSplit(5)],
    ['a charsmap that is no base64', withCharsmap('***')],
    ['a charsmap that is too short', withCharsmap('AAAA')],
    [
      'a template of a token that is not there',
      JSON.stringify({
        model,
        post_processor: {
          type: 'TemplateProcessing',
          single: [{ SpecialToken: { id: '__proto__' } }],
        },
      }),
    ],
    [
      'a boundary beyond the vocabulary',
      JSON.stringify({
        model,
        post_processor: { type: 'BertProcessing', cls: ['a', 3], sep: ['b', 1] },
      }),
    ],
    [
      'too many steps',
      JSON.stringify({
        model,
        normalizer: {
          type: 'Sequence',
          normalizers: Array.from({ length: 65 }, () => ({ type: 'NFC' })),
        },
      }),
    ],
  ])('%s is refused', (_name, json) => {
    const create = (): Tokenizer => createJsonTokenizer(json);
    expect(create).toThrow(ModelFileError);
    expect(create).toThrow('This tokenizer file is damaged');
  });

  function withSplit(pattern: unknown): string {
    return JSON.stringify({
      model,
      pre_tokenizer: { type: 'Split', pattern, behavior: 'Isolated' },
    });
  }
  function withCharsmap(precompiled_charsmap: string): string {
    return JSON.stringify({ model, normalizer: { type: 'Precompiled', precompiled_charsmap } });
  }

  it.each<[string, Json]>([
    ['Neural', { model: { ...model, type: 'Neural' } }],
    ['Shout', { model, normalizer: { type: 'Shout' } }],
    ['UnicodeScripts', { model, pre_tokenizer: { type: 'UnicodeScripts' } }],
    ['Reverse', { model, post_processor: { type: 'Reverse' } }],
    ['single_word', { model, added_tokens: [special(1, 'x', { single_word: true })] }],
    ['(?>a+)', JSON.parse(withSplit({ Regex: '(?>a+)' })) as Json],
    ['[', JSON.parse(withSplit({ Regex: '[' })) as Json],
  ])('%s is named as what is not known', (tokenizer, file) => {
    expect(() => make(file)).toThrow(
      expect.objectContaining({
        code: 'model-file/unsupported-tokenizer',
        details: expect.objectContaining({ tokenizer }) as unknown,
      }) as Error,
    );
  });

  it('sequences in sequences and duplicate tokens do no harm', () => {
    const tokenizer = make({
      model,
      normalizer: nested(40),
      added_tokens: [special(0, 'a'), special(1, 'a'), special(2, ''), special(7, 'far')],
    });
    expect(tokenizer.encode('afar', { special: 'parse' })).toEqual([0, 7]);
    expect(tokenizer.tokenText(5)).toBe('');
    expect(
      createJsonTokenizer(
        '{"model":{"type":"BPE","vocab":{"__proto__":0,"a":1},"merges":[]}}',
      ).tokenId('__proto__'),
    ).toBe(0);
  });
});
