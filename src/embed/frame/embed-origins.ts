/** The sites that may show Hermit: `public/embed-origins.json`, which the headers of `/widget` repeat. */

/** @returns the origins of a parsed file; entries that are no exact origin are left out */
export function parseEmbedOrigins(content: unknown): ReadonlySet<string> {
  const listed =
    typeof content === 'object' && content !== null && 'origins' in content ? content.origins : [];
  if (!Array.isArray(listed)) return new Set();
  return new Set(listed.filter((entry: unknown): entry is string => isOrigin(entry)));
}

/** Whether a text is what a browser says of a web page's origin; a URL's host may be "*", a page's not. */
function isOrigin(value: unknown): boolean {
  if (typeof value !== 'string' || !/^https?:\/\/[\w.:[\]-]+$/.test(value)) return false;
  try {
    return new URL(value).origin === value;
  } catch {
    return false; // no address at all
  }
}
