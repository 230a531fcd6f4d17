/**
 * Every kind of place that Hermit connects to, and nothing else: the page shows this list to whoever
 * wants to know. Only the store worker reaches other servers; the policies of `scripts/security-headers.mjs`
 * hold everything else back.
 */
export type NetworkDestination =
  /** The site Hermit was opened from: the app, its catalogue, its updates. */
  | 'self'
  /** Hugging Face, or the server named in its place: a search, a repository, a header, a download. */
  | 'hub'
  /** A server a person names by an address: a header, a download. */
  | 'named';

export const networkDestinations: readonly NetworkDestination[] = ['self', 'hub', 'named'];
