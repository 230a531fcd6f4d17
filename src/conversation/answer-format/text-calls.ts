/**
 * Calls that are not JSON: Python calls with literal arguments, and arguments as tags. Nothing is
 * evaluated; what is no literal makes the whole no call.
 */
import { namedCall, parseJson, type ToolCall } from './tool-call.ts';

const callHead = /\s*([\w.-]{1,64}?)(?:\.call)?\s*\(/uy;
const keyHead = /\s*([A-Za-z_]\w{0,63})\s*=\s*/uy;
const pythonWords: Readonly<Record<string, unknown>> = { True: true, False: false, None: null };

/** `[a(x=1), b(y="z")]` or one call alone; null when it is anything else. */
export function pythonCalls(text: string): readonly ToolCall[] | null {
  const reader = new PythonReader(text.trim());
  try {
    return reader.calls();
  } catch (error) {
    if (error instanceof NoLiteral) return null;
    throw error;
  }
}

class NoLiteral extends Error {}

class PythonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  calls(): readonly ToolCall[] {
    const calls = this.#take('[') ? this.#items(']', () => this.#call()) : [this.#call()];
    if (this.#text.slice(this.#at).trim() !== '') throw new NoLiteral();
    return calls;
  }

  #call(): ToolCall {
    const [, name] = this.#match(callHead);
    const values: [string, unknown][] = [];
    if (!this.#take(')')) {
      do {
        const [, key = ''] = this.#match(keyHead);
        values.push([key, this.#literal(0)]);
      } while (this.#take(','));
      this.#need(')');
    }
    const call = namedCall(name, Object.fromEntries(values));
    if (call === null) throw new NoLiteral();
    return call;
  }

  #literal(depth: number): unknown {
    if (depth > 32) throw new NoLiteral();
    if (this.#take('[')) return this.#items(']', () => this.#literal(depth + 1));
    if (this.#take('{')) {
      const entries = this.#items('}', (): [string, unknown] => {
        const key = this.#string();
        this.#need(':');
        return [key, this.#literal(depth + 1)];
      });
      return Object.fromEntries(entries);
    }
    this.#skipSpace();
    const first = this.#text[this.#at];
    if (first === '"' || first === "'") return this.#string();
    const [word] = this.#match(/[\w.+-]+/uy);
    if (Object.hasOwn(pythonWords, word)) return pythonWords[word];
    const value = parseJson(word);
    if (value === undefined) throw new NoLiteral();
    return value;
  }

  #items<T>(close: string, read: () => T): T[] {
    const items: T[] = [];
    if (this.#take(close)) return items;
    do items.push(read());
    while (this.#take(','));
    this.#need(close);
    return items;
  }

  #string(): string {
    this.#skipSpace();
    const [whole] = this.#match(/"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'/uy);
    const inner = whole.slice(1, -1);
    const json = whole.startsWith('"')
      ? inner
      : inner.replaceAll(/\\'|"/g, (part) => (part === '"' ? '\\"' : "'"));
    const value = parseJson(`"${json}"`);
    if (typeof value !== 'string') throw new NoLiteral();
    return value;
  }

  #match(pattern: RegExp): RegExpExecArray {
    pattern.lastIndex = this.#at;
    const match = pattern.exec(this.#text);
    if (match === null) throw new NoLiteral();
    this.#at += match[0].length;
    return match;
  }

  #skipSpace(): void {
    while (/\s/u.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #take(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  #need(character: string): void {
    if (!this.#take(character)) throw new NoLiteral();
  }
}

const functionTag = /^\s*<function=([\w.-]{1,64})>([\s\S]*?)(?:<\/function>\s*)?$/u;
const parameterTag = /<parameter=([^>\s]{1,64})>\n?([\s\S]*?)\n?<\/parameter>/gu;
const argumentTag = /<arg_key>([^<]{1,64})<\/arg_key>\s*<arg_value>([\s\S]*?)<\/arg_value>/gu;
const bareName = /^\s*([\w.-]{1,64})\s*(?=<arg_key>|$)/u;

/**
 * `<function=name><parameter=key>value</parameter></function>` (Qwen 3 Coder) or
 * `name<arg_key>key</arg_key><arg_value>value</arg_value>` (GLM 4.5). Values that are JSON are taken
 * as such, others as text.
 */
export function taggedCall(text: string): ToolCall | null {
  const asFunction = functionTag.exec(text);
  const [, name, pattern] =
    asFunction === null
      ? [null, bareName.exec(text)?.[1], argumentTag]
      : [null, asFunction[1], parameterTag];
  if (name === undefined) return null;
  const body = asFunction?.[2] ?? text.slice(text.indexOf(name) + name.length);
  if (body.replaceAll(pattern, '').trim() !== '') return null;
  const values = [...body.matchAll(pattern)].map(([, key = '', value = '']): [string, unknown] => {
    const parsed = parseJson(value);
    return [key.trim(), parsed === undefined ? value : parsed];
  });
  return namedCall(name, Object.fromEntries(values));
}
