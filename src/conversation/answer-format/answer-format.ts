/**
 * What the answers of a model may hold besides text, recognised from its chat template, its special
 * tokens and the end of the prompt. Plain data, from which an `AnswerParser` is made.
 */
import { tokenMark } from '../../common/token-mark.ts';
import { answerWrappers, reasoningFormats, type ReasoningFormat } from './reasoning-formats.ts';
import { bareDialect, callMarkers, toolDialects, type ToolDialect } from './tool-dialects.ts';

export interface AnswerFormat {
  readonly reasoning: readonly ReasoningFormat[];
  /** Reasoning that the prompt has opened already; null mostly. */
  readonly opened: ReasoningFormat | null;
  readonly dialects: readonly ToolDialect[];
  readonly wrappers: readonly string[];
  /** Names of the tools that were offered; empty when none were. */
  readonly toolNames: readonly string[];
  /** Spellings that the engine is to mark where the model writes the token, see `tokenMark`. */
  readonly markedTokens: readonly string[];
  /** What the prompt has written of the answer already, as the engine would show it; mostly ''. */
  readonly begun: string;
}

export interface AnswerFormatClues {
  /** The file's own template, or null. */
  readonly template: string | null;
  readonly specialSpellings: readonly string[];
  /** What the model reads last. */
  readonly promptText: string;
  readonly toolNames: readonly string[];
  /** Tools were described in words, see `describe-tools.ts`: the model answers in those forms. */
  readonly toolsInWords: boolean;
}

export const plainAnswer: AnswerFormat = {
  reasoning: [],
  opened: null,
  dialects: [],
  wrappers: [],
  toolNames: [],
  markedTokens: [],
  begun: '',
};

export function describeAnswerFormat(clues: AnswerFormatClues): AnswerFormat {
  const { template, promptText, toolNames, toolsInWords } = clues;
  const special = new Set(clues.specialSpellings);
  const isNamed = (mark: string): boolean =>
    template?.includes(mark) === true || special.has(firstToken(mark));
  const reasoning = reasoningFormats.filter(({ when, open }) => when === 'always' || isNamed(open));
  const dialects = toolDialects.filter(
    ({ open }) => isNamed(open) || (toolsInWords && open === '<tool_call>'),
  );
  if (toolNames.length > 0) dialects.push(bareDialect);
  const wrappers = answerWrappers.filter(isNamed);
  const end = promptText.trimEnd();
  const opened = reasoning.find(({ open }) => end.endsWith(open)) ?? null;
  const marks = [
    ...reasoning.flatMap(({ open, close }) => [open, close]),
    ...dialects.flatMap(({ open, close }) => [open, ...close]),
    ...wrappers,
    ...(dialects.length > 0 ? callMarkers : []),
  ].join('\n');
  const markedTokens = [...special].filter(
    (spelling) => marks.includes(spelling) && isMark(spelling),
  );
  return { reasoning, opened, dialects, wrappers, toolNames, markedTokens, begun: '' };
}

/**
 * The mark as a model writes it that has tokens for it: each behind a `tokenMark`.
 */
export function withTokenMarks(mark: string, markedTokens: readonly string[]): string {
  let result = '';
  for (let at = 0; at < mark.length;) {
    const token = markedTokens
      .filter((spelling) => mark.startsWith(spelling, at))
      .reduce((longest, spelling) => (spelling.length > longest.length ? spelling : longest), '');
    result += token === '' ? (mark[at] ?? '') : tokenMark + token;
    at += Math.max(token.length, 1);
  }
  return result;
}

/** Vocabularies have special tokens of one letter or of white space, which mark nothing. */
function isMark(spelling: string): boolean {
  return spelling.length > 2 && /^[<[].*[>\]]$/su.test(spelling);
}

/** "<|channel|>" of "<|channel|>analysis<|message|>": a vocabulary with it knows the format. */
function firstToken(mark: string): string {
  return /^(?:<[^<>]*>|\[[A-Z_/]*\])/u.exec(mark)?.[0] ?? mark;
}
