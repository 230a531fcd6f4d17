/**
 * GGUF names the way a vocabulary cuts texts into words; tokenizer.json describes it. The name is found
 * by what it does: the one that cuts every probe as the description does. None that does means that
 * tokens would be wrong, and is refused.
 */
import { readPreTokenizer } from '../tokenizer/json/pre-tokenizers.ts';
import {
  findPreTokenizer,
  knownPreTokenizers,
  type PreTokenizer,
  splitIntoWords,
} from '../tokenizer/pre-tokenizers.ts';
import type { JsonFile } from './json-file.ts';
import { unsupportedTokenizer } from './unsupported-tokenizer.ts';

/**
 * Where the known ways differ: digits in rows and beside letters, contractions in both cases, spaces
 * and line ends before and behind words, marks in rows, scripts without spaces, combining characters.
 */
const probes: readonly string[] = [
  'Hello world  two   spaces \t tab\t\tend ',
  '1 12 123 1234 1234567 a1 12b ٣٤٥٦ ²½ 3.14159 1,000,000',
  "it's IT'S we'll WE'LL don't I'M he'd They'VE you'Re 's 'x",
  'line\nnext\n\nthird \n fourth\r\n\r\nfifth  \n\n  sixth',
  'camelCase HTTPServer XMLHttpRequest aB Ab ABc abC éÉ ÉcoLe ÀÀàà',
  'a.b, c! (d) [e] {f}; "g" — «h» …/path/to//file.txt\\n #tag @me $5 50% a+b=c <x> | ~ ^ `q`',
  '!!! ... ??? ---\n+++\r\n/// **bold** __init__ x--y',
  '.word ,word -word $word (word \u00a0word _word /word',
  '你好世界123四五六。中文,english混合 日本語のカタカナひらがな 한국어 문장입니다 ไทยภาษา ລາວ ខ្មែរ',
  'नमस्ते दुनिया café e\u0301 a\u0308b ภาษาไทย العربية עברית Ελληνικά Русский',
  '\u200b \ufeff\u0085x \u3000全角 emoji 🐢🐢 👩‍👩‍👧 ❤️ ①② Ⅷ',
  '<sentinel:3> IMGIMGABCZ    four  ,  mixed\u2028line',
  'The 4 dogs-and-2 cats?? Yes!!No... 99bottles\n\t\tindented\n    code = x[1:2]\n',
];

/** @throws ModelFileError `model-file/unsupported-tokenizer`, `model-file/malformed` */
export function preTokenizerName(root: JsonFile, model: JsonFile): string {
  const described = readPreTokenizer(root.get('pre_tokenizer'));
  const wholeWords = model.findBoolean('ignore_merges') === true;
  const expected = probes.map((probe) => described.split(probe, true).join('\0'));
  const tried = new Set<PreTokenizer>();
  for (const name of knownPreTokenizers) {
    const { preTokenizer } = findPreTokenizer(name);
    if (tried.has(preTokenizer)) continue;
    tried.add(preTokenizer);
    if (preTokenizer.alphabet !== 'bytes' || preTokenizer.prefersWholeWords !== wholeWords)
      continue;
    if (probes.every((probe, index) => wordsOf(probe, preTokenizer) === expected[index])) {
      return name;
    }
  }
  throw unsupportedTokenizer('a way of cutting texts into words');
}

function wordsOf(text: string, preTokenizer: PreTokenizer): string {
  const words: string[] = [];
  splitIntoWords(text, preTokenizer, (word) => words.push(word));
  return words.join('\0');
}
