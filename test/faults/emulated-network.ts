/**
 * The network as Chromium's developer tools take it away: for a page and, which Playwright leaves
 * out, for its workers.
 */
import type { Page } from 'playwright-core';

export interface EmulatedNetwork {
  set(state: 'online' | 'offline'): Promise<void>;
}

/** Attaches to the workers that run now and to those started later. */
export async function networkOf(page: Page): Promise<EmulatedNetwork> {
  const session = await page.context().newCDPSession(page);
  const workers = new Set<string>();
  let messages = 0;
  let offline = false;
  const command = (method: string, params: object): string =>
    JSON.stringify({ id: ++messages, method, params });
  const conditions = () => ({
    offline,
    latency: 0,
    downloadThroughput: -1,
    uploadThroughput: -1,
  });
  const tell = async (sessionId: string): Promise<void> => {
    const send = (message: string): Promise<unknown> =>
      session.send('Target.sendMessageToTarget', { sessionId, message });
    await send(command('Network.enable', {}));
    await send(command('Network.emulateNetworkConditions', conditions()));
  };
  session.on('Target.attachedToTarget', ({ sessionId, targetInfo }) => {
    if (targetInfo.type !== 'worker') return;
    workers.add(sessionId);
    // A worker that ended meanwhile needs no network.
    tell(sessionId).catch(() => workers.delete(sessionId));
  });
  await session.send('Target.setAutoAttach', {
    autoAttach: true,
    waitForDebuggerOnStart: false,
    flatten: false,
  });
  return {
    set: async (state) => {
      offline = state === 'offline';
      await session.send('Network.enable');
      await session.send('Network.emulateNetworkConditions', conditions());
      await Promise.all([...workers].map((sessionId) => tell(sessionId).catch(() => undefined)));
    },
  };
}
