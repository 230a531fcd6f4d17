/**
 * Brings two tabs together: the browser gives them no way to hand each other a `MessagePort`, but both
 * can connect to one shared worker, which does it for them.
 *
 * It remembers nothing beyond a meeting that one side waits for, so that nothing is lost when the
 * browser ends it, as it may with the process of the tab that started it: whoever waits in vain asks
 * again under another name.
 */
export class PortBroker {
  /** By the name of a meeting: who came first. */
  readonly #waiting = new Map<string, MessagePort>();

  /** A tab's connection; its first message is the name of the meeting. */
  connect(tab: MessagePort): void {
    tab.onmessage = ({ data }: MessageEvent<unknown>) => {
      if (typeof data !== 'string') return;
      const first = this.#waiting.get(data);
      if (first === undefined) {
        this.#waiting.set(data, tab);
        return;
      }
      this.#waiting.delete(data);
      const { port1, port2 } = new MessageChannel();
      first.postMessage(null, [port1]);
      tab.postMessage(null, [port2]);
    };
  }
}

/** A port to the tab that names the same meeting. Never settles where none does. */
export function meet(broker: MessagePort, meeting: string): Promise<MessagePort> {
  return new Promise((resolve) => {
    broker.onmessage = ({ ports: [port] }) => {
      broker.close();
      if (port !== undefined) resolve(port);
    };
    broker.postMessage(meeting);
  });
}

/** A port as `WorkerOwner` wants it: what is behind it is ended by letting it go. */
export function portAsWorker(port: MessagePort): Worker {
  const worker = Object.assign(port, {
    terminate: () => {
      port.close();
    },
  });
  return worker as unknown as Worker;
}
