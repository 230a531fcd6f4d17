/**
 * What the system hands to the installed app when it starts: a text that another app shares, and files
 * that the person opens with it (https://w3c.github.io/web-share-target,
 * https://wicg.github.io/web-app-launch).
 */

/** Longer than anybody shares on purpose; the field would take it, the address bar does not. */
const LONGEST_TEXT = 32_768;

/**
 * The shared text of an address, title, text and link under each other, and the address without it; null
 * where nothing is shared. The service worker answers such an address, so that the text is not sent.
 */
export function sharedText(
  address: string,
): { readonly text: string; readonly rest: string } | null {
  const url = new URL(address);
  const parts = ['title', 'text', 'url'].map((name) => url.searchParams.get(name)?.trim() ?? '');
  const text = [...new Set(parts)].filter((part) => part !== '').join('\n');
  if (text === '') return null;
  return { text: text.slice(0, LONGEST_TEXT), rest: url.pathname + url.hash };
}

interface LaunchQueue {
  setConsumer(
    consumer: (launch: { readonly files?: readonly FileSystemFileHandle[] }) => void,
  ): void;
}

/** Calls back with the files of each launch, as long as the page lives. */
export function onOpenedFiles(open: (files: readonly File[]) => Promise<void>): void {
  const queue = (globalThis as { launchQueue?: LaunchQueue }).launchQueue;
  queue?.setConsumer(({ files = [] }) => {
    if (files.length === 0) return;
    void Promise.all(files.map((handle) => handle.getFile())).then(open);
  });
}
