import { AppError } from '../common/errors.ts';

/** Hosts of this device, from where plain http is as safe as https. */
const loopback = /^(localhost|([^.]+\.)*localhost|127(\.\d{1,3}){3}|\[::1\])$/u;

/**
 * An address models may come from: https, or http on this device; without credentials.
 * @throws AppError `invalid-argument` (no address), `download/insecure-url`
 */
export function parseModelUrl(text: string): URL {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch (error) {
    throw new AppError(
      'invalid-argument',
      'This is not an address. Paste one that begins with https://',
      { cause: error },
    );
  }
  checkSecure(url);
  url.hash = '';
  return url;
}

/** @throws AppError `download/insecure-url` */
export function checkSecure(url: URL): void {
  const local = url.protocol === 'http:' && loopback.test(url.hostname);
  if (url.protocol !== 'https:' && !local) {
    throw new AppError(
      'download/insecure-url',
      'Models are only downloaded over https, so that nobody on the way can change them. Use an https:// address.',
      { details: { host: url.host } },
    );
  }
  if (url.username !== '' || url.password !== '') {
    throw new AppError(
      'download/insecure-url',
      'The address contains a name or a password. Remove it: addresses are stored and shown.',
      { details: { host: url.host } },
    );
  }
}

/** The last part of the path, readable; `model.gguf` where there is none. */
export function fileNameOf(url: URL): string {
  const last = url.pathname.split('/').findLast((part) => part !== '') ?? '';
  try {
    return decodeURIComponent(last) || 'model.gguf';
  } catch {
    return last;
  }
}
