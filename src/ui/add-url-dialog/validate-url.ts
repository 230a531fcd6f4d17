/** What is wrong with an address typed for a model, or what would be asked for. */
export type UrlCheck =
  | { readonly kind: 'empty' }
  | { readonly kind: 'invalid' }
  | { readonly kind: 'insecure' }
  | { readonly kind: 'page'; readonly host: string }
  | { readonly kind: 'valid'; readonly host: string; readonly fileName: string };

/** Hosts that are this device itself: there plain http is safe. */
function isLoopback(hostname: string): boolean {
  return hostname === 'localhost' || hostname === '[::1]' || /^127(?:\.\d{1,3}){3}$/.test(hostname);
}

/**
 * Checks an address before anything is requested. `page` is an address of a model's page on
 * huggingface.co rather than of one of its files, the most usual slip.
 */
export function checkModelUrl(text: string): UrlCheck {
  const trimmed = text.trim();
  if (trimmed === '') return { kind: 'empty' };
  let url: URL;
  try {
    url = new URL(trimmed);
  } catch {
    // Not an address; the person is told so.
    return { kind: 'invalid' };
  }
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) return { kind: 'insecure' };
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return { kind: 'invalid' };
  const segments = url.pathname.split('/').filter((segment) => segment !== '');
  if (url.hostname === 'huggingface.co' && segments.length <= 2) {
    return { kind: 'page', host: url.host };
  }
  return { kind: 'valid', host: url.host, fileName: lastSegment(segments) };
}

function lastSegment(segments: readonly string[]): string {
  const last = segments.at(-1) ?? '';
  try {
    return decodeURIComponent(last);
  } catch {
    // A broken percent sequence: the raw name is still recognisable.
    return last;
  }
}
