/** Unsent text of each chat, kept while the tab lives so that a reload or an update loses nothing. */

const prefix = 'hermit:draft:';

const keyOf = (chatId: string | null): string => prefix + (chatId ?? 'new');

export function loadDraft(chatId: string | null): string {
  try {
    return sessionStorage.getItem(keyOf(chatId)) ?? '';
  } catch {
    // Storage blocked: the draft lives in the text field alone.
    return '';
  }
}

export function saveDraft(chatId: string | null, text: string): void {
  try {
    if (text === '') sessionStorage.removeItem(keyOf(chatId));
    else sessionStorage.setItem(keyOf(chatId), text);
  } catch {
    // Storage blocked or full: the draft lives in the text field alone.
  }
}
