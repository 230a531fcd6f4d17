import { decodeEntities } from './entities.ts';

/** A place a link may lead to. */
export interface SafeLink {
  readonly href: string;
  /** What the person sees of the destination: the host, or the address of a mail. */
  readonly host: string;
}

/**
 * The destination of a link in a model's answer, or null where it must stay text.
 *
 * Only absolute http, https and mailto: a model's words can never name a place inside Hermit, run a
 * script or read a file. The URL parser drops tabs, newlines and control characters as browsers do,
 * so what is checked is what would be opened.
 */
export function safeLink(rawHref: string): SafeLink | null {
  const text = decodeEntities(rawHref).trim();
  if (!/^(?:https?:\/\/|mailto:)/i.test(text)) return null;
  let url: URL;
  try {
    url = new URL(text);
  } catch {
    // Not an address at all.
    return null;
  }
  if (url.protocol === 'mailto:') return { href: url.href, host: url.pathname };
  if (url.protocol !== 'http:' && url.protocol !== 'https:') return null;
  if (url.hostname === '') return null;
  return { href: url.href, host: url.host };
}

/** The host that an image would have been fetched from, or null where it names none. */
export function imageHost(rawHref: string): string | null {
  try {
    const host = new URL(decodeEntities(rawHref).trim()).host;
    return host === '' ? null : host;
  } catch {
    // A relative address: it has no host of its own.
    return null;
  }
}
