/** Hermit in the side-by-side benchmark: its engine in one worker, with threads of its own. */
import { wrap, type Remote } from 'comlink';
import type { HermitPeerWorker } from './hermit-peer-worker.ts';
import type { LoadOptions, Peer, Prefill } from './peer.ts';

export class HermitPeer implements Peer {
  readonly name = 'Hermit';
  readonly #worker = new Worker('/worker.js');
  readonly remote: Remote<HermitPeerWorker> = wrap<HermitPeerWorker>(this.#worker);
  #context = 0;

  async load(file: Blob, options: LoadOptions): Promise<void> {
    await this.remote.load(file, options);
  }

  async prefill(tokens: readonly number[]): Promise<Prefill> {
    const startedAt = performance.now();
    const promptMs = await this.remote.prefill(tokens);
    return { promptMs, firstTokenMs: performance.now() - startedAt };
  }

  async fill(tokens: readonly number[]): Promise<void> {
    await this.remote.prefill(tokens);
    this.#context = tokens.length;
  }

  decode(count: number): Promise<number> {
    return this.remote.decode(this.#context, count);
  }

  close(): Promise<void> {
    this.#worker.terminate();
    return Promise.resolve();
  }
}
