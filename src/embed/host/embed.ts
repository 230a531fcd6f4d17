/**
 * `/embed.js`: the one script that another page loads. Defines `<hermit-chat>` and exports `connect`;
 * what only an opened chat needs is loaded then.
 */
import type { ConnectOptions, HermitWidget } from './connect.ts';
import { HermitChat } from './hermit-chat.ts';

export { HermitChat };

/** The widget in an iframe of `/widget`; see `connect.ts`. @throws AppError `embed/refused` */
export async function connect(
  iframe: HTMLIFrameElement,
  options?: ConnectOptions,
): Promise<HermitWidget> {
  const connection = await import('./connect.ts');
  return connection.connect(iframe, options);
}

if (customElements.get('hermit-chat') === undefined) {
  customElements.define('hermit-chat', HermitChat);
}
