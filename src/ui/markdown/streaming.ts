/**
 * What to do with the ragged end of an answer that is still being written.
 *
 * All of this touches only what is shown while streaming; the complete text is always rendered as it
 * stands.
 */

/** A line of marks alone: the next characters decide whether it is a list, a heading or a rule. */
const undecidedLine = /^[ \t>]*(?:[-=*_+]{1,2}|#{1,6}|\d{1,9}[.)]?|`{1,2}|~{1,2}|\|)?[ \t]*$/;

/** Lines that open or close a fence of code, with the fence in group 1. */
const fenceLine = /^[ \t>]*(?:[-*+]|\d+[.)])?[ \t]*(`{3,}|~{3,})/;

function insideFence(lines: readonly string[]): boolean {
  let open: string | null = null;
  for (const line of lines) {
    const fence = fenceLine.exec(line)?.[1];
    if (fence === undefined) continue;
    if (open === null) open = fence;
    else if (fence[0] === open[0] && fence.length >= open.length) open = null;
  }
  return open !== null;
}

/** The marks still open at the end of `line`, innermost first; code spans hide marks inside them. */
function openMarks(line: string): string {
  const open: string[] = [];
  const marks = /\\.|`+|\*\*|~~|\*(?=\S)|(?<=\S)\*/g;
  for (const [mark] of line.matchAll(marks)) {
    if (mark.startsWith('\\')) continue;
    const top = open.at(-1);
    if (top?.startsWith('`') === true && mark !== top) continue;
    const at = open.lastIndexOf(mark);
    if (at >= 0) open.length = at;
    else open.push(mark);
  }
  return open.reverse().join('');
}

/** A link or image whose address has not fully come: only its words are shown. */
const openLink = /!?\[([^\]\n]*)\]\([^)\n]*$/;

/**
 * The text to render while more is coming: without a last line that could still become anything, with
 * emphasis and code spans of the last line closed, and without half an address.
 */
export function settleTail(text: string): string {
  const lines = text.split('\n');
  if (insideFence(lines)) return text;
  let last = lines.pop() ?? '';
  if (lines.length > 0 && undecidedLine.test(last)) return lines.join('\n');
  last = last.replace(openLink, '$1').replace(/(?<=\s)(?:\*{1,2}|~~|`+)$/, '');
  lines.push(last.trimEnd() + openMarks(last));
  return lines.join('\n');
}
