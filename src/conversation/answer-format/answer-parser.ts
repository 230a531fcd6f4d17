/**
 * Takes an answer apart while it is written: reasoning, text, calls of tools. Half a mark is never
 * shown as text; a call that turns out malformed is.
 *
 * A mark that the vocabulary has a token for opens a call only as that token: letters that look like
 * it, which any text in the prompt may have put into the model's mouth, stay letters. For reasoning
 * both count, because folding text away harms nobody.
 */
import { tokenMark } from '../../common/token-mark.ts';
import { withTokenMarks, type AnswerFormat } from './answer-format.ts';
import { CallReader, type CallOutcome } from './call-reader.ts';
import { findMarker, heldLength, mayGrow } from './marker-search.ts';
import type { ReasoningFormat } from './reasoning-formats.ts';
import type { ToolCall } from './tool-call.ts';
import type { ToolDialect } from './tool-dialects.ts';

export type AnswerPart =
  | { readonly kind: 'reasoning'; readonly text: string }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'tool-call'; readonly call: ToolCall };

type State =
  /** Before the first character that is no white space. */
  | { readonly kind: 'start' }
  | { readonly kind: 'reasoning'; readonly closes: readonly string[] }
  | { readonly kind: 'text' }
  | { readonly kind: 'call'; readonly reader: CallReader; readonly open: string };

type Opening =
  | { readonly kind: 'reasoning'; readonly format: ReasoningFormat }
  | { readonly kind: 'call'; readonly dialect: ToolDialect }
  | { readonly kind: 'wrapper' };

export class AnswerParser {
  readonly #format: AnswerFormat;
  readonly #names: ReadonlySet<string> | null;
  readonly #bare: ToolDialect | null;
  /** By the text that opens each. */
  readonly #atStart = new Map<string, Opening>();
  readonly #inText = new Map<string, Opening>();
  #state: State = { kind: 'start' };
  #held = '';
  /** White space at the end of reasoning, shown when more follows. */
  #space = '';
  #hasReasoning = false;
  /** The white space after reasoning, calls and wrappers belongs to none of them, nor to the text. */
  #trimsStart = false;

  constructor(format: AnswerFormat) {
    this.#format = format;
    this.#names = format.toolNames.length === 0 ? null : new Set(format.toolNames);
    this.#bare = format.dialects.find(({ open }) => open === '') ?? null;
    for (const wrapper of format.wrappers)
      this.#inText.set(this.#marked(wrapper), { kind: 'wrapper' });
    for (const dialect of format.dialects) {
      if (dialect.open === '') continue;
      const close = dialect.close.map((mark) => this.#marked(mark));
      const opening = { kind: 'call', dialect: { ...dialect, close } } as const;
      this.#inText.set(this.#marked(dialect.open), opening);
    }
    for (const reasoning of format.reasoning) {
      const opening = { kind: 'reasoning', format: reasoning } as const;
      for (const mark of this.#spellings(reasoning.open)) {
        (reasoning.place === 'anywhere' ? this.#inText : this.#atStart).set(mark, opening);
      }
    }
    for (const [mark, opening] of this.#inText) this.#atStart.set(mark, opening);
    if (format.opened !== null) this.#state = this.#reasoningState(format.opened);
    this.push(format.begun);
  }

  /** What the model is writing: a call under way is held back and not among the parts yet. */
  get writing(): 'reasoning' | 'text' | 'call' {
    return this.#state.kind === 'start' ? 'text' : this.#state.kind;
  }

  push(text: string): AnswerPart[] {
    this.#held += text;
    return this.#advance(false);
  }

  /** What is left, now that no more text comes. */
  finish(): AnswerPart[] {
    return this.#advance(true);
  }

  #advance(ended: boolean): AnswerPart[] {
    const parts: AnswerPart[] = [];
    while (this.#step(parts, ended)) {
      // Each step settles the text up to a change of state.
    }
    return joined(parts);
  }

  /** Whether there may be more to settle. */
  #step(parts: AnswerPart[], ended: boolean): boolean {
    switch (this.#state.kind) {
      case 'start':
        return this.#start(ended);
      case 'reasoning':
        return this.#reasoning(parts, ended, this.#state.closes);
      case 'text':
        return this.#text(parts, ended);
      case 'call':
        return this.#call(parts, ended, this.#state.reader, this.#state.open);
      default:
        return this.#state satisfies never;
    }
  }

  #start(ended: boolean): boolean {
    const text = this.#held.trimStart();
    if (text === '' && !ended) return false;
    const marks = [...this.#atStart.keys()];
    const found = findMarker(text, marks);
    if (found?.before === '' && (ended || !mayGrow(found, marks))) {
      this.#held = found.after;
      this.#open(found.marker, this.#atStart);
      return true;
    }
    if (!ended && marks.some((mark) => mark.length > text.length && mark.startsWith(text))) {
      return false;
    }
    if (this.#trimsStart) this.#held = text;
    if (this.#bare !== null && /^[{[`]/u.test(text)) {
      this.#state = this.#callState(this.#bare, '');
      return true;
    }
    this.#state = { kind: 'text' };
    return true;
  }

  #reasoning(parts: AnswerPart[], ended: boolean, closes: readonly string[]): boolean {
    const found = findMarker(this.#held, closes);
    const held = ended ? 0 : heldLength(this.#held, closes);
    const text = found?.before ?? this.#held.slice(0, this.#held.length - held);
    this.#addReasoning(parts, text);
    this.#held = found?.after ?? this.#held.slice(this.#held.length - held);
    if (found === null) return false;
    this.#trimsStart = true;
    this.#state = { kind: 'start' };
    return true;
  }

  #addReasoning(parts: AnswerPart[], text: string): void {
    const whole = this.#space + text;
    const inner = whole.trimEnd();
    this.#space = whole.slice(inner.length);
    const shown = this.#hasReasoning ? inner : inner.trimStart();
    if (shown === '') return;
    this.#hasReasoning = true;
    parts.push({ kind: 'reasoning', text: unmarked(shown) });
  }

  #text(parts: AnswerPart[], ended: boolean): boolean {
    const marks = [...this.#inText.keys()];
    const found = findMarker(this.#held, marks);
    if (found !== null) {
      this.#addText(parts, found.before);
      this.#held = found.marker + found.after;
      if (!ended && mayGrow(found, marks)) return false;
      this.#held = found.after;
      this.#open(found.marker, this.#inText);
      return true;
    }
    const held = ended ? 0 : heldLength(this.#held, marks);
    this.#addText(parts, this.#held.slice(0, this.#held.length - held));
    this.#held = this.#held.slice(this.#held.length - held);
    return false;
  }

  #addText(parts: AnswerPart[], text: string): void {
    if (text === '') return;
    parts.push({ kind: 'text', text: unmarked(text) });
  }

  #open(mark: string, openings: ReadonlyMap<string, Opening>): void {
    const opening = openings.get(mark);
    if (opening?.kind === 'reasoning') {
      this.#space = this.#hasReasoning ? '\n\n' : '';
      this.#state = this.#reasoningState(opening.format);
    } else if (opening?.kind === 'call') {
      this.#state = this.#callState(opening.dialect, mark);
    } else {
      this.#trimsStart = true;
      this.#state = { kind: 'start' };
    }
  }

  #call(parts: AnswerPart[], ended: boolean, reader: CallReader, open: string): boolean {
    const pushed = reader.push(this.#held);
    this.#held = '';
    const outcome: CallOutcome | null = pushed ?? (ended ? reader.finish() : null);
    if (outcome === null) return false;
    if (outcome.calls.length === 0) {
      this.#addText(parts, open + reader.raw);
      this.#state = { kind: 'text' };
      return true;
    }
    for (const call of outcome.calls) parts.push({ kind: 'tool-call', call });
    this.#held = outcome.rest;
    this.#trimsStart = true;
    this.#state = { kind: 'start' };
    return true;
  }

  #reasoningState({ close }: ReasoningFormat): State {
    return { kind: 'reasoning', closes: this.#spellings(close) };
  }

  #callState(dialect: ToolDialect, open: string): State {
    return { kind: 'call', open, reader: new CallReader({ dialect, names: this.#names }) };
  }

  #marked(mark: string): string {
    return withTokenMarks(mark, this.#format.markedTokens);
  }

  /** As tokens and as letters. */
  #spellings(mark: string): readonly string[] {
    return [...new Set([this.#marked(mark), mark])];
  }
}

function unmarked(text: string): string {
  return text.replaceAll(tokenMark, '');
}

/** Neighbours of one kind as one part. */
function joined(parts: readonly AnswerPart[]): AnswerPart[] {
  const result: AnswerPart[] = [];
  for (const part of parts) {
    const last = result.at(-1);
    if (part.kind !== 'tool-call' && last?.kind === part.kind) {
      result[result.length - 1] = { kind: part.kind, text: last.text + part.text };
    } else {
      result.push(part);
    }
  }
  return result;
}
