/**
 * The regular expressions of a tokenizer.json in JavaScript's spelling. They are written for Oniguruma;
 * what it has and JavaScript lacks is respelled (inline case folding, possessive quantifiers, Unicode
 * white space), and what cannot be is refused.
 */

/** The longest of published files has some 2,000 characters. */
const longestPattern = 16_384;

const white = '\\p{White_Space}';
/** Escapes whose meaning differs: Oniguruma means the Unicode properties. */
const classes: Readonly<Record<string, { readonly inside: string; readonly outside: string }>> = {
  s: { inside: white, outside: white },
  S: { inside: '\\P{White_Space}', outside: '\\P{White_Space}' },
  d: { inside: '\\p{Nd}', outside: '\\p{Nd}' },
  D: { inside: '\\P{Nd}', outside: '\\P{Nd}' },
  w: { inside: '\\p{L}\\p{M}\\p{Nd}\\p{Pc}', outside: '[\\p{L}\\p{M}\\p{Nd}\\p{Pc}]' },
  W: { inside: '[^\\p{L}\\p{M}\\p{Nd}\\p{Pc}]', outside: '[^\\p{L}\\p{M}\\p{Nd}\\p{Pc}]' },
  h: { inside: '0-9a-fA-F', outside: '[0-9a-fA-F]' },
};
/** Must be written with a backslash inside a class in the mode with set operations. */
const setSyntax = /[()[\]{}/\-|\\]/;

/** @returns null where it cannot be said in JavaScript */
export function translatePattern(source: string): RegExp | null {
  if (source.length > longestPattern) return null;
  try {
    return new RegExp(new Translator(source).translate(), 'gv');
  } catch {
    // What JavaScript's own parser refuses is as unusable as what the translator does.
    return null;
  }
}

/** Matches a text literally. */
export function literalPattern(text: string): RegExp {
  return new RegExp(text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'gv');
}

class Translator {
  readonly #source: string;
  #at = 0;
  #output = '';
  /** Whether a quantifier was written last: one more makes it lazy or possessive. */
  #quantified = false;
  /** Whether letters fold, for each open group. */
  readonly #folding: boolean[] = [false];

  constructor(source: string) {
    this.#source = source;
  }

  translate(): string {
    while (this.#at < this.#source.length) this.#next();
    return this.#output;
  }

  #take(): string {
    if (this.#at >= this.#source.length) throw new Error('a pattern without an end');
    const character = String.fromCodePoint(this.#source.codePointAt(this.#at) ?? 0);
    this.#at += character.length;
    return character;
  }

  #next(): void {
    if (this.#source[this.#at] === '(') {
      this.#quantified = false;
      this.#open();
      return;
    }
    const counted = /^\{\d*,?\d*\}/.exec(this.#source.slice(this.#at));
    if (counted !== null) {
      this.#at += counted[0].length;
      this.#output += counted[0];
      this.#quantified = true;
      return;
    }
    const character = this.#take();
    const isQuantifier = /[*+?]/.test(character);
    // Possessive: the published patterns mean the same when they may give back.
    if (character === ')') this.#folding.pop();
    if (character === '\\') this.#output += this.#escape(false);
    else if (character === '[') this.#class();
    else if (character === ']') this.#output += '\\]';
    else if (character !== '+' || !this.#quantified) this.#output += this.#folded(character);
    this.#quantified = isQuantifier && !this.#quantified;
  }

  #open(): void {
    const rest = this.#source.slice(this.#at);
    const isFolding = this.#folding.at(-1) === true;
    const inline = /^\(\?i(:|\))/.exec(rest);
    if (inline !== null) {
      this.#at += inline[0].length;
      if (inline[1] === ')') {
        this.#folding[this.#folding.length - 1] = true;
      } else {
        this.#folding.push(true);
        this.#output += '(?:';
      }
      return;
    }
    const start = /^\((?:\?(?:[:=!]|<[=!]|<[A-Za-z]\w*>))?/.exec(rest)?.[0] ?? '(';
    // Atomic groups, other flags, conditions: no published pattern has them.
    if (start === '(' && rest[1] === '?') throw new Error('a group that JavaScript lacks');
    this.#at += start.length;
    this.#output += start;
    this.#folding.push(isFolding);
  }

  #folded(character: string): string {
    if (this.#folding.at(-1) !== true) return character;
    const [lower, upper] = [character.toLowerCase(), character.toUpperCase()];
    return lower === upper || upper.length > 1 ? character : `[${lower}${upper}]`;
  }

  #class(): void {
    this.#output += '[';
    if (this.#source[this.#at] === '^') this.#output += this.#take();
    // A bracket right at the start is a character.
    if (this.#source[this.#at] === ']') {
      this.#take();
      this.#output += '\\]';
    }
    for (;;) {
      if (this.#at >= this.#source.length) throw new Error('a class without an end');
      if (this.#source.startsWith('[:', this.#at)) throw new Error('a class by its POSIX name');
      const character = this.#take();
      if (character === ']') break;
      if (character === '[') this.#class();
      else if (character === '\\') this.#output += this.#escape(true);
      else if (character === '&' && this.#source[this.#at] === '&') {
        this.#take();
        this.#intersect();
        break;
      } else if (character === '-' && this.#isRange()) this.#output += '-';
      else this.#output += this.#inClass(character);
    }
    this.#output += ']';
  }

  /** What stands on both sides of `&&` must be one operand for JavaScript. */
  #intersect(): void {
    const start = this.#output.lastIndexOf('[');
    const from = this.#output[start + 1] === '^' ? start + 2 : start + 1;
    const left = this.#output.slice(from);
    this.#output = `${this.#output.slice(0, from)}[${left}]&&[`;
    for (;;) {
      if (this.#at >= this.#source.length) throw new Error('a class without an end');
      const character = this.#take();
      if (character === ']') break;
      if (character === '[') this.#class();
      else if (character === '\\') this.#output += this.#escape(true);
      else if (character === '-' && this.#isRange()) this.#output += '-';
      else this.#output += this.#inClass(character);
    }
    this.#output += ']';
  }

  #isRange(): boolean {
    const next = this.#source[this.#at];
    return !this.#output.endsWith('[') && !this.#output.endsWith('[^') && next !== ']';
  }

  #inClass(character: string): string {
    if (setSyntax.test(character)) return `\\${character}`;
    // Two of the same are reserved for operators to come.
    return /[!#$%*+,.:;<=>?@^`~&]/.test(character) ? `\\u{${code(character)}}` : character;
  }

  #escape(inside: boolean): string {
    const character = this.#take();
    const known = Object.hasOwn(classes, character) ? classes[character] : undefined;
    if (known !== undefined) return inside ? known.inside : known.outside;
    if (character === 'p' || character === 'P') {
      const name = /^\{(\^?)(\w+(?:=\w+)?)\}/.exec(this.#source.slice(this.#at));
      if (name === null) throw new Error('a property without a name');
      this.#at += name[0].length;
      const negated = (character === 'P') !== (name[1] === '^');
      return `\\${negated ? 'P' : 'p'}{${propertyOf(name[2] ?? '')}}`;
    }
    if (/[nrtfvbB0-9ux]/.test(character)) {
      if (character === 'x' && this.#source[this.#at] === '{') return '\\u';
      return `\\${character}`;
    }
    if (character === 'A') return '(?<![\\s\\S])';
    if (character === 'z') return '(?![\\s\\S])';
    if (/[A-Za-z]/.test(character)) throw new Error('an escape that JavaScript lacks');
    if (inside) return this.#inClass(character);
    return /[\\^$.*+?()[\]{}|/]/.test(character) ? `\\${character}` : character;
  }
}

function code(character: string): string {
  return (character.codePointAt(0) ?? 0).toString(16);
}

/** Names of scripts stand alone in Oniguruma. */
function propertyOf(name: string): string {
  const script =
    /^(?:Han|Hiragana|Katakana|Hangul|Latin|Cyrillic|Greek|Arabic|Thai|Lao|Khmer|Myanmar)$/;
  return script.test(name) ? `Script=${name}` : name;
}
