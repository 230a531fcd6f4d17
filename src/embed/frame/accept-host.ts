/**
 * The frame's end of the handshake. A host is accepted once a page load, if it is the parent of this
 * very window, its origin stands in the list letter by letter, and it repeats the nonce of this load.
 */
import { parseHandshake, PROTOCOL_VERSION, type Handshake, type Refusal } from '../protocol.ts';

export interface AcceptedHost {
  readonly origin: string;
  readonly port: MessagePort;
}

/** The part of `window` that is used, so that tests can play every role. */
export interface FrameWindow {
  readonly parent: HostWindow | FrameWindow;
  addEventListener(type: 'message', listener: (event: MessageEvent<unknown>) => void): void;
  removeEventListener(type: 'message', listener: (event: MessageEvent<unknown>) => void): void;
}

export interface HostWindow {
  postMessage(message: Handshake, targetOrigin: string): void;
}

/**
 * Resolves with the host; stays pending while nobody is accepted. `onRefused` is told of a parent that
 * asked and may not.
 */
export function acceptHost(
  frame: FrameWindow,
  isAllowed: (origin: string) => boolean,
  onRefused: (origin: string, reason: Refusal) => void,
): Promise<AcceptedHost> {
  const host = frame.parent as HostWindow;
  const nonce = crypto.randomUUID();
  const hello: Handshake = { hermit: 'hello', version: PROTOCOL_VERSION, nonce };
  return new Promise((resolve) => {
    const onMessage = (event: MessageEvent<unknown>): void => {
      if (event.source !== (host as unknown)) return;
      const message = parseHandshake(event.data);
      if (message === null || message.hermit === 'hello' || message.hermit === 'refused') return;
      const reason = refusalOf(event.origin, message.version);
      if (reason !== null) {
        // An opaque origin cannot be named as the receiver of an answer, and gets none.
        const refused: Handshake = { hermit: 'refused', version: PROTOCOL_VERSION, reason };
        if (event.origin !== 'null') host.postMessage(refused, event.origin);
        onRefused(event.origin, reason);
        return;
      }
      if (message.hermit === 'knock') {
        host.postMessage(hello, event.origin);
        return;
      }
      const [port, ...more] = event.ports;
      if (message.nonce !== nonce || port === undefined || more.length > 0) return;
      frame.removeEventListener('message', onMessage);
      resolve({ origin: event.origin, port });
    };
    const refusalOf = (origin: string, version: number): Refusal | null => {
      if (origin === 'null' || !isAllowed(origin)) return 'origin';
      return version === PROTOCOL_VERSION ? null : 'version';
    };
    frame.addEventListener('message', onMessage);
    // To whoever the parent is: its origin is not known yet, and this tells nothing but that Hermit is here.
    host.postMessage(hello, '*');
  });
}
