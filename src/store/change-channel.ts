/** Tells other tabs and workers that a model's record changed, so that their lists follow. */
export interface ChangeChannel {
  announce(modelId: string): void;
  /** Calls `listener` for changes made elsewhere. */
  listen(listener: (modelId: string) => void): void;
  close(): void;
}

/** Over `BroadcastChannel`; what arrives is checked, for any script of this origin can send. */
export class BroadcastChangeChannel implements ChangeChannel {
  readonly #channel: BroadcastChannel;

  constructor(name = 'hermit-models') {
    this.#channel = new BroadcastChannel(name);
  }

  announce(modelId: string): void {
    this.#channel.postMessage({ modelId });
  }

  listen(listener: (modelId: string) => void): void {
    this.#channel.onmessage = (event: MessageEvent<unknown>) => {
      const message = event.data;
      if (typeof message !== 'object' || message === null || !('modelId' in message)) return;
      if (typeof message.modelId === 'string') listener(message.modelId);
    };
  }

  close(): void {
    this.#channel.close();
  }
}
