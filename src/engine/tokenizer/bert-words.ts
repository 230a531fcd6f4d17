/**
 * How BERT cleans a text and cuts it into words, before WordPiece cuts the words into tokens.
 *
 * Source: Devlin et al. 2018, the "basic" tokenizer of the published code, with the letters lowered
 * one by one, as the implementations that today's encoders were trained with do it.
 */

export interface BertWordOptions {
  readonly lowercase: boolean;
  /** Decompose characters (NFD) and drop their marks. */
  readonly stripAccents: boolean;
  /** Drop control characters; tabs and line ends become spaces. */
  readonly cleanText: boolean;
  /** Every Chinese character is a word of its own. */
  readonly splitIdeographs: boolean;
}

/**
 * Thrown away: NUL, U+FFFD, controls, formats, private use and surrogates. Unassigned characters stay,
 * so that ids do not depend on the version of Unicode that a browser knows.
 */
const unwanted = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\ufffd]/u;
const whiteSpace = /[\t\n\r\p{White_Space}]/u;
const mark = /\p{Mn}/u;
/** ASCII symbols count as punctuation whatever Unicode calls them ("$", "+", "^", "`"). */
const punctuation = /[\p{P}$+<=>^`|~]/u;
/** The blocks of CJK ideographs; kana and Hangul are written in words. */
const ideograph =
  /[\u4E00-\u9FFF\u3400-\u4DBF\u{20000}-\u{2A6DF}\u{2A700}-\u{2B73F}\u{2B740}-\u{2B81F}\u{2B820}-\u{2CEAF}\uF900-\uFAFF\u{2F800}-\u{2FA1F}]/u;

/** The text as the words are read from it: cleaned, lowered, with spaces around ideographs. */
export function normalizeForBert(text: string, options: BertWordOptions): string {
  let output = '';
  for (const character of options.stripAccents ? text.normalize('NFD') : text) {
    if (options.cleanText) {
      if (/[\t\n\r]/.test(character)) {
        output += ' ';
        continue;
      }
      if (unwanted.test(character)) continue;
      if (whiteSpace.test(character)) {
        output += ' ';
        continue;
      }
    }
    if (options.stripAccents && mark.test(character)) continue;
    const lowered = options.lowercase ? character.toLowerCase() : character;
    output += options.splitIdeographs && ideograph.test(character) ? ` ${lowered} ` : lowered;
  }
  return output;
}

/** Calls `report` for the words of a normalised text: runs without white space, cut at punctuation. */
export function splitBertWords(text: string, report: (word: string) => void): void {
  let word = '';
  const finish = (): void => {
    if (word !== '') report(word);
    word = '';
  };
  for (const character of text) {
    if (whiteSpace.test(character)) {
      finish();
    } else if (punctuation.test(character)) {
      finish();
      report(character);
    } else {
      word += character;
    }
  }
  finish();
}
