/** A title for a chat, from the first thing that was said in it. */

/** Characters as people count them. */
const maxTitleLength = 60;
/** A cut at a space may cost at most this many characters of the title. */
const longestLostWord = 20;

/** The first line with words in it, without Markdown; null when there is none. */
export function titleFromText(text: string): string | null {
  for (const line of text.split(/\r?\n/)) {
    const words = line
      .replace(/^[\s>#*+-]+|^\s*\d+[.)]\s+/u, '')
      .replace(/!?\[([^\]]*)\]\([^)]*\)/gu, '$1')
      .replace(/\*\*|__|~~|`+/gu, '')
      // Control characters and those that turn the direction of writing; joiners of emoji stay.
      .replace(/[\s\p{Cc}\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]+/gu, ' ')
      .trim();
    if (/[\p{L}\p{N}]/u.test(words) && !/^\s*(```|~~~)/u.test(line)) return shorten(words);
  }
  return null;
}

function shorten(text: string): string {
  const characters = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
  if (characters.length <= maxTitleLength) return text;
  const most = maxTitleLength - 1;
  const space = characters.lastIndexOf(' ', most);
  const end = space >= most - longestLostWord ? space : most;
  return `${characters.slice(0, end).join('').trimEnd()}…`;
}
