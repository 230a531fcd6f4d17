/**
 * The page's only own Trusted Types policy.
 *
 * The page's Content-Security-Policy demands Trusted Types, and `new Worker(...)` and the service
 * worker's registration take script URLs. The *default* policy is asked about every plain string
 * that reaches such a place; this one lets script URLs of this origin through and creates neither
 * HTML nor script, so that `innerHTML = text` stays refused. Browsers without Trusted Types need
 * nothing.
 */

interface TrustedTypesFactory {
  createPolicy(name: string, rules: { createScriptURL(url: string): string }): unknown;
}

/** Installs the policy. Call it once, before the first worker starts. */
export function allowOwnScriptUrls(): void {
  const factory = (globalThis as { trustedTypes?: TrustedTypesFactory }).trustedTypes;
  factory?.createPolicy('default', {
    createScriptURL: (url) => sameOriginScriptUrl(url, location.href),
  });
}

/**
 * The URL in full.
 *
 * @throws TypeError when it leads to another origin, or is a `data:` or `blob:` URL.
 */
export function sameOriginScriptUrl(url: string, base: string): string {
  const resolved = new URL(url, base);
  const { origin, protocol } = new URL(base);
  if (resolved.protocol !== protocol || resolved.origin !== origin) {
    throw new TypeError(`Hermit runs no scripts from elsewhere: ${resolved.href.slice(0, 200)}`);
  }
  return resolved.href;
}
