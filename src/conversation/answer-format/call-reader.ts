/**
 * Reads one opened call from text that arrives in pieces. The text is held until it is surely a call
 * or surely none; then it goes back to the parser, which shows it.
 */
import { tokenMark } from '../../common/token-mark.ts';
import { JsonSpan } from './json-span.ts';
import { findMarker } from './marker-search.ts';
import { pythonCalls, taggedCall } from './text-calls.ts';
import { namedCall, parseJson, toolCallsOf, type ToolCall } from './tool-call.ts';
import type { ToolDialect } from './tool-dialects.ts';

/** No calls: what was read is ordinary text. */
export interface CallOutcome {
  readonly calls: readonly ToolCall[];
  /** Text after the call. */
  readonly rest: string;
}

/** UTF-16 units; a call longer than this is text. */
export const maxCallLength = 1024 * 1024;
/** Longest text between an opening and its value. */
const maxHeadLength = 256;

const none: CallOutcome = { calls: [], rest: '' };

export interface CallReaderOptions {
  readonly dialect: ToolDialect;
  /** Names of the tools that were offered; null when unknown. */
  readonly names: ReadonlySet<string> | null;
}

export class CallReader {
  readonly #options: CallReaderOptions;
  readonly #close: readonly string[];
  readonly #span = new JsonSpan();
  /** All text after the opening, as it came. */
  #raw = '';
  /** Where the JSON value begins, ends, and up to where it was looked at. */
  #start = -1;
  #scanned = 0;
  #end = -1;

  constructor(options: CallReaderOptions) {
    this.#options = options;
    this.#close = options.dialect.close;
  }

  get raw(): string {
    return this.#raw;
  }

  /** Null while more text is needed. */
  push(text: string): CallOutcome | null {
    this.#raw += text;
    if (this.#raw.length > maxCallLength) return none;
    return this.#read(false);
  }

  /** What it is now that no more text comes. */
  finish(): CallOutcome {
    return this.#read(true) ?? none;
  }

  #read(ended: boolean): CallOutcome | null {
    const { body } = this.#options.dialect;
    if (body === 'python') return this.#text(ended, pythonCalls);
    const first = this.#raw.replaceAll(tokenMark, '').trimStart()[0];
    if (first === undefined) return ended ? none : null;
    if (body === 'python-tag' && first !== '{') return this.#python(ended);
    if (body === 'tagged' && !['{', '[', '`'].includes(first)) {
      return this.#text(ended, (text) => {
        const call = taggedCall(text);
        return call === null ? null : [call];
      });
    }
    return this.#json(ended);
  }

  /** Text up to the closing mark. */
  #text(ended: boolean, parse: (text: string) => readonly ToolCall[] | null): CallOutcome | null {
    const closing = this.#close.filter((mark) => mark !== '```');
    const found = findMarker(this.#raw, closing);
    if (found === null && !ended) return null;
    const calls = parse(withoutMarks(found?.before ?? this.#raw));
    return calls === null ? none : { calls, rest: found?.after ?? '' };
  }

  /** Python to the end of the answer: a call of a built-in tool, or code for the tool "python". */
  #python(ended: boolean): CallOutcome | null {
    if (!ended) return null;
    const text = withoutMarks(this.#raw);
    const calls = /^\s*[\w.-]+\.call\(/u.test(text) ? pythonCalls(text) : null;
    if (calls !== null) return { calls, rest: '' };
    if (this.#options.names?.has('python') !== true) return none;
    return { calls: [{ name: 'python', arguments: JSON.stringify({ code: text }) }], rest: '' };
  }

  #json(ended: boolean): CallOutcome | null {
    if (this.#start < 0 && !this.#findStart()) {
      const hopeless = this.#raw.length > maxHeadLength || this.#isOtherText();
      return ended || hopeless ? none : null;
    }
    if (this.#isOtherJson()) return none;
    if (this.#end < 0) {
      const length = this.#span.push(this.#raw.slice(this.#scanned));
      if (length === null) this.#scanned = this.#raw.length;
      else this.#end = this.#scanned + length;
    }
    if (this.#end < 0) return ended ? none : null;
    const rest = this.#afterClosing(this.#raw.slice(this.#end), ended);
    if (rest === null) return null;
    const calls = this.#parse();
    return calls === null ? none : { calls, rest };
  }

  /** The first bracket with nothing but the dialect's head before it. */
  #findStart(): boolean {
    for (let at = 0; at < Math.min(this.#raw.length, maxHeadLength); at++) {
      const character = this.#raw[at];
      if (character !== '{' && character !== '[') continue;
      if (this.#options.dialect.head?.test(withoutMarks(this.#raw.slice(0, at))) !== true) continue;
      if (beginsArgumentsMark(this.#raw.slice(at))) continue;
      this.#start = at;
      this.#scanned = at;
      return true;
    }
    return false;
  }

  /** A bare value has at most a fence before it. */
  #isOtherText(): boolean {
    const { open } = this.#options.dialect;
    return open === '' && !/^\s*(?:`{0,3}|```(?:j|js|jso|json\s*))$/u.test(this.#raw);
  }

  /**
   * A bare value is given back as soon as its first key is none of a call's, so that an answer in
   * JSON is shown while it is written.
   */
  #isOtherJson(): boolean {
    if (this.#options.dialect.open !== '') return false;
    const begun = /^[[{\s]*"([^"]*)("?)/u.exec(this.#raw.slice(this.#start));
    if (begun === null) return /^[[{\s]*[^[{\s"]/u.test(this.#raw.slice(this.#start));
    const [, key = '', closed] = begun;
    return !callKeys.some((known) => (closed === '' ? known.startsWith(key) : known === key));
  }

  /** The text after the closing marks; null while they may still arrive. */
  #afterClosing(text: string, ended: boolean): string | null {
    let rest = text;
    for (const mark of this.#close) {
      const trimmed = rest.trimStart();
      if (trimmed.startsWith(mark)) rest = trimmed.slice(mark.length);
      else if (!ended && mark.startsWith(trimmed)) return null;
    }
    return rest;
  }

  #parse(): readonly ToolCall[] | null {
    const before = withoutMarks(this.#raw.slice(0, this.#start));
    const name = this.#options.dialect.head?.exec(before)?.[1];
    const value = parseJson(withoutMarks(this.#raw.slice(this.#start, this.#end)));
    if (name !== undefined) {
      const call = namedCall(name, value);
      return call === null ? null : [call];
    }
    const calls = toolCallsOf(value);
    const { names, dialect } = this.#options;
    if (calls === null || dialect.open !== '') return calls;
    // Without an opening, JSON is a call only by the name of a tool that was offered.
    const known = calls.every((call) => names?.has(call.name) === true);
    return known ? calls : null;
  }
}

const callKeys = ['name', 'type', 'function', 'parameters', 'arguments', 'id', 'tool_name'];

/** Mistral's mark between name and arguments, which is no list; "[" alone may become either. */
function beginsArgumentsMark(text: string): boolean {
  const mark = '[ARGS]';
  return text.startsWith(mark) || mark.startsWith(text);
}

function withoutMarks(text: string): string {
  return text.replaceAll(tokenMark, '');
}
