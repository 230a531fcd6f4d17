import { describe, expect, it } from 'vitest';
import { PROTOCOL_VERSION, type Handshake } from '../protocol.ts';
import { acceptHost, type AcceptedHost } from './accept-host.ts';

const site = 'https://site.example';

interface Sent {
  readonly message: Handshake;
  readonly to: string;
}

/** Where a message comes from; the accepted host where nothing else is said. */
interface How {
  readonly origin?: string;
  readonly source?: unknown;
  readonly ports?: number;
}

/** A frame below a parent, and what anybody sends into it. */
function frameBelow() {
  const sent: Sent[] = [];
  const refused: string[] = [];
  const accepted: AcceptedHost[] = [];
  const listeners = new Set<(event: MessageEvent<unknown>) => void>();
  const parent = {
    postMessage: (message: Handshake, to: string) => {
      sent.push({ message, to });
    },
  };
  const frame = {
    parent,
    addEventListener: (_type: 'message', listener: (event: MessageEvent<unknown>) => void) => {
      listeners.add(listener);
    },
    removeEventListener: (_type: 'message', listener: (event: MessageEvent<unknown>) => void) => {
      listeners.delete(listener);
    },
  };
  void acceptHost(
    frame,
    (origin) => origin === site,
    (origin, reason) => refused.push(`${origin} ${reason}`),
  ).then((host) => accepted.push(host));
  const hello = sent[0]?.message;
  const nonce = hello?.hermit === 'hello' ? hello.nonce : '';
  const receive = async (
    data: unknown,
    { origin = site, source = parent, ports = 1 }: How = {},
  ): Promise<void> => {
    const given = Array.from({ length: ports }, () => new MessageChannel().port1);
    const event = { data, origin, source, ports: given } as unknown as MessageEvent<unknown>;
    for (const listener of listeners) listener(event);
    await Promise.resolve();
    for (const port of given) port.close();
  };
  return { sent, refused, accepted, nonce, receive };
}

const connect = (nonce: string, version = PROTOCOL_VERSION): Handshake => ({
  hermit: 'connect',
  version,
  nonce,
});

describe('the handshake in the frame', () => {
  it('says hello to its parent and accepts the answer', async () => {
    const { sent, accepted, nonce, receive } = frameBelow();
    expect(sent).toEqual([{ message: { hermit: 'hello', version: 1, nonce }, to: '*' }]);
    await receive(connect(nonce));
    expect(accepted.map(({ origin }) => origin)).toEqual([site]);
  });

  it('says hello again when the host knocks, to that host alone', async () => {
    const { sent, nonce, receive } = frameBelow();
    await receive({ hermit: 'knock', version: 1 });
    expect(sent.at(-1)).toEqual({ message: { hermit: 'hello', version: 1, nonce }, to: site });
  });

  it('accepts once', async () => {
    const { accepted, nonce, receive } = frameBelow();
    await receive(connect(nonce));
    await receive(connect(nonce));
    expect(accepted).toHaveLength(1);
  });

  it.each([
    ['another nonce', (nonce: string) => connect(`${nonce}x`), {}],
    ['no nonce', () => ({ hermit: 'connect', version: 1 }), {}],
    ['no port', connect, { ports: 0 }],
    ['two ports', connect, { ports: 2 }],
    ['another window of the right origin', connect, { source: { postMessage: () => undefined } }],
    ['no window at all', connect, { source: null }],
    ['something else', () => 'connect', {}],
    ['a long nonce', () => connect('n'.repeat(65)), {}],
    [
      'inherited fields',
      (nonce: string) => Object.create(connect(nonce), {}) as unknown,
      { ports: 0 },
    ],
  ])('has nothing to do with %s', async (_name, message, how) => {
    const { accepted, refused, nonce, receive } = frameBelow();
    await receive(message(nonce), how);
    expect(accepted).toEqual([]);
    expect(refused).toEqual([]);
  });

  it.each([
    'https://site.example.evil.example',
    'http://site.example',
    'https://site.example:8443',
    'https://SITE.example',
    'null',
    '',
  ])('refuses the origin "%s"', async (origin) => {
    const { accepted, refused, sent, nonce, receive } = frameBelow();
    await receive(connect(nonce), { origin });
    expect(accepted).toEqual([]);
    expect(refused).toEqual([`${origin} origin`]);
    // An answer goes to exactly who asked, and an origin without a name gets none.
    expect(sent.slice(1).map(({ to }) => to)).toEqual(origin === 'null' ? [] : [origin]);
  });

  it('refuses another version with its own', async () => {
    const { accepted, sent, nonce, receive } = frameBelow();
    await receive(connect(nonce, 2));
    expect(accepted).toEqual([]);
    expect(sent.at(-1)).toEqual({
      message: { hermit: 'refused', version: 1, reason: 'version' },
      to: site,
    });
  });
});
