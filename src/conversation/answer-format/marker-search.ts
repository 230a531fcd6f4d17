/**
 * Looks for markers in text that arrives in pieces: the earliest counts, the longest of those that
 * begin at the same place. The end of the text that may still become one is held back.
 */
export interface FoundMarker {
  readonly marker: string;
  /** Text before it. */
  readonly before: string;
  readonly after: string;
}

export function findMarker(text: string, markers: readonly string[]): FoundMarker | null {
  let start = Infinity;
  let found = '';
  for (const marker of markers) {
    const at = text.indexOf(marker);
    if (at < 0 || at > start || (at === start && marker.length <= found.length)) continue;
    start = at;
    found = marker;
  }
  if (found === '') return null;
  return { marker: found, before: text.slice(0, start), after: text.slice(start + found.length) };
}

/** Whether the text that follows may still make a longer marker of the one found. */
export function mayGrow({ marker, after }: FoundMarker, markers: readonly string[]): boolean {
  const text = marker + after;
  return markers.some((other) => other.length > text.length && other.startsWith(text));
}

/** Length of the longest end of `text` that begins a marker. */
export function heldLength(text: string, markers: readonly string[]): number {
  let longest = 0;
  for (const marker of markers) {
    const most = Math.min(marker.length - 1, text.length);
    for (let length = most; length > longest; length--) {
      if (text.endsWith(marker.slice(0, length))) longest = length;
    }
  }
  return longest;
}
