/**
 * How byte-level BPE vocabularies cut texts into words before merging, by `tokenizer.ggml.pre`.
 *
 * The patterns are those the models were trained with (the `pre_tokenizer` of their tokenizer.json),
 * in JavaScript's spelling. White space is the Unicode property: `\s` of JavaScript counts U+FEFF and
 * leaves out U+0085.
 */

export interface PreTokenizer {
  /** Applied one after the other: each cuts the pieces of the one before into matches and the gaps between. */
  readonly stages: readonly RegExp[];
  /** A word that is in the vocabulary as a whole is that token, whatever the merges say. */
  readonly prefersWholeWords: boolean;
  /** Texts start with BOS unless the file says otherwise. */
  readonly addsBos: boolean;
  /** Merges begin with characters, spaces written as U+2581, and not with bytes (Gemma 4). */
  readonly alphabet: 'bytes' | 'characters';
}

const white = '\\p{White_Space}';
const notWhite = '\\P{White_Space}';
const contractions = "'[sS]|'[tT]|'[rR][eE]|'[vV][eE]|'[mM]|'[lL][lL]|'[dD]";
/** White space before a word leaves its last character to the word. */
const spaces = `${white}+(?!${notWhite})|${white}+`;
const lines = `${white}*[\\r\\n]+`;
const symbols = ` ?[^${white}\\p{L}\\p{N}]+`;
const word = '[^\\r\\n\\p{L}\\p{N}]?\\p{L}+';

const gpt2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+|${symbols}|${spaces}`;

/** GPT-4 and its descendants; they differ in how many digits stay together. */
function gpt4(numbers: string): string {
  return `${contractions}|${word}|${numbers}|${symbols}[\\r\\n]*|${lines}|${spaces}`;
}

const upper = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';

/** GPT-4o and its descendants: words also part where lower case turns into upper case. */
function gpt4o(numbers: string, ending: string): string {
  const lead = '[^\\r\\n\\p{L}\\p{N}]?';
  return (
    `${lead}${upper}*${lower}+${ending}|${lead}${upper}+${lower}*${ending}` +
    `|${numbers}|${symbols}[\\r\\n/]*|${lines}|${spaces}`
  );
}

const asciiPunctuation = '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]';
const chineseAndKana = '[\\u4E00-\\u9FA5\\u3040-\\u309F\\u30A0-\\u30FF]+';
const deepSeek3 =
  `${asciiPunctuation}[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+` +
  `| ?[\\p{P}\\p{S}]+[\\r\\n]*|${lines}|${spaces}`;

/** Letters of scripts with two cases, as listed in DeepSeek LLM's tokenizer.json. */
const deepSeekLetters =
  'A-Za-z\\u00B5\\u00C0-\\u00D6\\u00D8-\\u00F6\\u00F8-\\u01BA\\u01BC-\\u01BF\\u01C4-\\u0293\\u0295-\\u02AF' +
  '\\u0370-\\u0373\\u0376\\u0377\\u037B-\\u037D\\u037F\\u0386\\u0388-\\u038A\\u038C\\u038E-\\u03A1' +
  '\\u03A3-\\u03F5\\u03F7-\\u0481\\u048A-\\u052F\\u0531-\\u0556\\u10A0-\\u10C5\\u13A0-\\u13F5\\u13F8-\\u13FD' +
  '\\u1C90-\\u1CBA\\u1CBD-\\u1CBF\\u1D00-\\u1D2B\\u1D6B-\\u1D77\\u1D79-\\u1D9A\\u1E00-\\u1F15\\u1F18-\\u1F1D' +
  '\\u1F20-\\u1F45\\u1F48-\\u1F4D\\u1F50-\\u1F57\\u1F59\\u1F5B\\u1F5D\\u1F5F-\\u1F7D\\u1F80-\\u1FB4' +
  '\\u1FB6-\\u1FBC\\u1FBE\\u1FC2-\\u1FC4\\u1FC6-\\u1FCC\\u1FD0-\\u1FD3\\u1FD6-\\u1FDB\\u1FE0-\\u1FEC' +
  '\\u1FF2-\\u1FF4\\u1FF6-\\u1FFC\\u2102\\u2107\\u210A-\\u2113\\u2115\\u2119-\\u211D\\u2124\\u2126\\u2128' +
  '\\u212A-\\u212D\\u212F-\\u2134\\u2139\\u213C-\\u213F\\u2145-\\u2149\\u214E\\u2183\\u2184\\u2C00-\\u2C7B' +
  '\\u2C7E-\\u2CE4\\u2CEB-\\u2CEE\\u2CF2\\u2CF3\\uA640-\\uA66D\\uA680-\\uA69B\\uA722-\\uA76F\\uA771-\\uA787' +
  '\\uA78B-\\uA78E\\uAB70-\\uABBF\\uFB00-\\uFB06\\uFB13-\\uFB17\\uFF21-\\uFF3A\\uFF41-\\uFF5A' +
  '\\u{10400}-\\u{1044F}\\u{104B0}-\\u{104D3}\\u{104D8}-\\u{104FB}\\u{10C80}-\\u{10CB2}\\u{10CC0}-\\u{10CF2}' +
  '\\u{118A0}-\\u{118DF}\\u{1E900}-\\u{1E943}';
const deepSeekMarks = '!-\\/:-~\\uFF01-\\uFF0F\\uFF1A-\\uFF5E\\u2018-\\u201F\\u3000-\\u3002';
const deepSeekIdeographs = '[\\u4E00-\\u9FA5\\u0800-\\u4E00\\uAC00-\\uD7FF]+';
const bloom = ` ?[^(${white}|.,!?\\u2026\\u3002\\uFF0C\\u3001\\u0964\\u06D4\\u060C)]+`;
const falconMarks = '\\p{P}$+<=>^~|';

/** Numbers in groups of three from their end, so that the first group has what is left over. */
const thousands = '\\p{Nd}{1,3}(?=(?:\\p{Nd}{3})*(?!\\p{Nd}))';
/** The same where letters may follow: then no group ends before them, and the whole is left alone. */
const thousandsOfWords = '\\p{Nd}{1,3}(?=(?:\\p{Nd}{3})*(?![\\p{L}\\p{M}\\p{Nd}\\p{Pc}]))';
/** Spaces in runs of powers of two, each leaving one to the word behind it. */
const powersOfTwo = [512, 256, 128, 64, 32, 16, 8, 4, '1,2']
  .map((count) => `${white}{${count}}(?!${notWhite})`)
  .join('|');

const notHan = (classes: string): string => `(?:(?!\\p{Script=Han})[${classes}])`;
const kimiUpper = notHan('\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}');
const kimiLower = notHan('\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}');
const kimiLead = '[^\\r\\n\\p{L}\\p{N}]?';
const kimi =
  `\\p{Script=Han}+|${kimiLead}${kimiUpper}*${kimiLower}+(?:${contractions})?` +
  `|${kimiLead}${kimiUpper}+${kimiLower}*(?:${contractions})?|\\p{N}{1,3}` +
  `|${symbols}[\\r\\n]*|${lines}|${spaces}`;

/** Scripts that Arcee's models cut from the rest: ideographs, kana, Hangul, Thai, Lao, Khmer, Burmese. */
const asianScripts =
  '[\\u4E00-\\u9FFF\\u3400-\\u4DBF\\uF900-\\uFAFF\\u3040-\\u30FF\\uFF65-\\uFF9F\\u2F00-\\u2FDF\\u0E40-\\u0EFF' +
  '\\u1780-\\u17FF\\u1000-\\u109F\\uAA60-\\uAA7F\\uA9E0-\\uA9FF\\uAC00-\\uD7AF\\u1100-\\u11FF]+';
const youtuScripts =
  '[\\uAC00-\\uD7A3\\u3131-\\u318E]+|[\\uFF01\\u2026\\u201C\\u201D\\u2018\\u2019\\u2014\\uFF1A\\uFF1B\\uFF0C' +
  '\\u3001-\\u303F\\uFE30-\\uFE4F]+|[\\u3105-\\u312F]+|[\\u4E00-\\u9FA5\\u3040-\\u30FF]+';
const linesApart = '[^\\n]+|\\n+';

function define(
  patterns: readonly string[],
  flags: Partial<Omit<PreTokenizer, 'stages'>> = {},
): PreTokenizer {
  return {
    stages: patterns.map((pattern) => new RegExp(pattern, 'gu')),
    prefersWholeWords: flags.prefersWholeWords ?? false,
    addsBos: flags.addsBos ?? false,
    alphabet: flags.alphabet ?? 'bytes',
  };
}

/** For files that do not say: what converters wrote before `tokenizer.ggml.pre` existed. */
const unspecified = define([`[${falconMarks}]+`, gpt2, '\\p{N}+', '[0-9][0-9][0-9]']);

/** Names separated by spaces. */
const families: readonly (readonly [names: string, preTokenizer: PreTokenizer])[] = [
  ['default', unspecified],
  [
    'gpt-2 phi-2 mpt olmo jais trillion granite-docling exaone4 mellum modern-bert roberta-bpe ' +
      'gigachat a.x-4.0 jina-es jina-de jina-v2-es jina-v2-de jina-v1-en jina-v2-code',
    define([gpt2]),
  ],
  [
    'starcoder refact command-r smollm codeshell exaone minerva-7b mellum2',
    define(['\\p{N}', gpt2]),
  ],
  [
    'llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2 jina-v5-nano',
    define([gpt4('\\p{N}{1,3}')], { prefersWholeWords: true, addsBos: true }),
  ],
  ['dbrx smaug-bpe glm4 chatglm-bpe', define([gpt4('\\p{N}{1,3}')])],
  [
    'qwen2 deepseek-r1-qwen stablelm2 hunyuan megrez solar-open grok-2 kormo f2llmv2',
    define([gpt4('\\p{N}')]),
  ],
  [
    'qwen35',
    define([
      `${contractions}|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^${white}\\p{L}\\p{M}\\p{N}]+[\\r\\n]*|${lines}|${spaces}`,
    ]),
  ],
  ['tekken', define([gpt4o('\\p{N}', '')], { prefersWholeWords: true, addsBos: true })],
  [
    'gpt-4o llama4 kanana2 minimax-m2 talkie',
    define([gpt4o('\\p{N}{1,3}', `(?:${contractions})?`)]),
  ],
  [
    'deepseek-llm',
    define([
      '[\\r\\n]',
      `${white}?[${deepSeekLetters}]+`,
      `${white}?[${deepSeekMarks}]+`,
      // The lookbehind changes no match; it keeps long runs that end elsewhere from taking n^2 steps.
      `(?<!${white})${white}+$`,
      deepSeekIdeographs,
      '\\p{N}+',
    ]),
  ],
  [
    'deepseek-coder',
    define(['[\\r\\n]', `${white}?\\p{L}+`, `${white}?\\p{P}+`, deepSeekIdeographs, '\\p{N}']),
  ],
  ['deepseek-v3 hunyuan-dense hy_v4 joyai-llm', define(['\\p{N}{1,3}', chineseAndKana, deepSeek3])],
  ['falcon', define([`[${falconMarks}\`]+`, gpt2, '[0-9][0-9][0-9]'])],
  ['bloom poro-chat gpt3-finnish', define([bloom])],
  ['viking', define([bloom, '\\p{N}'])],
  [
    'bailingmoe bailingmoe2 llada-moe',
    define([`${contractions}|${word}|\\p{N}|${symbols}[\\r\\n]*|${white}*[\\r\\n]|${spaces}`]),
  ],
  [
    'granite-embed-multi-97m',
    define([gpt4o('\\p{N}{1,3}', `(?:${contractions})?`)], { prefersWholeWords: true }),
  ],
  ['minicpm5', define(['\\p{N}{1,3}', gpt4('\\p{N}+')], { prefersWholeWords: true })],
  [
    'spark2_5',
    define([
      '\\p{N}{1,3}',
      chineseAndKana,
      `${asciiPunctuation}[A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+` +
        `| ?[\\p{P}\\p{S}]+|[\\r\\n]|${spaces}`,
      '\\p{N}',
    ]),
  ],
  [
    'youtu',
    define([youtuScripts, gpt4o('\\p{N}', `(?:${contractions})?`)], { prefersWholeWords: true }),
  ],
  [
    'jais-2',
    define([
      `${contractions}|${word}|\\p{N}{1,3}|${symbols}[\\r\\n]*|${lines}|${powersOfTwo}|${white}`,
    ]),
  ],
  ['tiny_aya cohere2moe', define([thousandsOfWords, gpt4o('\\p{N}{1,3}', `(?:${contractions})?`)])],
  ['superbpe', define(['\\p{N}+', thousands])],
  [
    'exaone-moe',
    define([
      `${contractions}|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}` +
        `|${symbols}[\\r\\n/]?|${white}*[\\r\\n]|${spaces}`,
    ]),
  ],
  // Turkish puts its suffixes behind an apostrophe.
  ['ufakzeka', define([`${word}|\\p{N}|${symbols}[\\r\\n]*|${lines}|${spaces}`])],
  ['afmoe', define([thousands, asianScripts, deepSeek3])],
  ['laguna', define([linesApart, gpt4('\\p{N}')])],
  [
    'chameleon',
    define(
      [
        '<sentinel:[0-9]+>',
        'IMGIMG[A-I]{1,4}Z',
        '[\\t\\n]| {4}| {2}',
        '\\p{N}',
        '[\\p{P}!-\\/:-@\\[-`\\{-~]',
        gpt2,
      ],
      { addsBos: true },
    ),
  ],
  ['kimi-k2', define([kimi])],
  [
    'gemma4 granite-embed-multi-311m',
    define([linesApart], { alphabet: 'characters', addsBos: true }),
  ],
  ['sarvam-moe', define([linesApart], { alphabet: 'characters' })],
  [
    'seed-coder',
    define([`${contractions}|${word}|\\p{N}| ?[^${white}\\p{L}\\p{N}\\r\\n]+|${lines}|${spaces}`]),
  ],
];

const byName: ReadonlyMap<string, PreTokenizer> = new Map(
  families.flatMap(([names, preTokenizer]) =>
    names.split(' ').map((name) => [name, preTokenizer] as const),
  ),
);

/** Values of `tokenizer.ggml.pre` that are known. */
export const knownPreTokenizers: readonly string[] = [...byName.keys()];

/** @returns the default one for unknown or missing names, with `isKnown` false */
export function findPreTokenizer(name: string | undefined): {
  readonly preTokenizer: PreTokenizer;
  readonly isKnown: boolean;
} {
  const preTokenizer = name === undefined ? undefined : byName.get(name);
  return { preTokenizer: preTokenizer ?? unspecified, isKnown: preTokenizer !== undefined };
}

/** Calls `report` for every word of `text`, from left to right; the words together are the text. */
export function splitIntoWords(
  text: string,
  preTokenizer: Pick<PreTokenizer, 'stages'>,
  report: (word: string) => void,
): void {
  const splitFrom = (piece: string, stageIndex: number): void => {
    const stage = preTokenizer.stages[stageIndex];
    if (stage === undefined) {
      report(piece);
      return;
    }
    let position = 0;
    while (position < piece.length) {
      stage.lastIndex = position;
      const match = stage.exec(piece);
      const start = match?.index ?? piece.length;
      if (start > position) splitFrom(piece.slice(position, start), stageIndex + 1);
      if (match === null) return;
      splitFrom(match[0], stageIndex + 1);
      position = start + match[0].length;
    }
  };
  splitFrom(text, 0);
}
