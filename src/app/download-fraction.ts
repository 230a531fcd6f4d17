import type { LibraryEntry } from '../download/library-entry.ts';

/** How much of all that is being downloaded is here, 0 to 1; null while nothing is. */
export function downloadFraction(entries: readonly LibraryEntry[]): number | null {
  let done = 0;
  let total = 0;
  let active = false;
  for (const { state, bytesTotal } of entries) {
    if (state.kind !== 'downloading' && state.kind !== 'waiting') continue;
    active = true;
    done += state.bytesDone;
    total += bytesTotal ?? state.bytesDone;
  }
  if (!active) return null;
  return total === 0 ? 0 : Math.min(1, done / total);
}
