/**
 * A thread that computes its rows of weight matrices in a memory of its own, where the page cannot share
 * memory: answers one message after the other (`shard-thread.ts`).
 */
import {
  shardReplies,
  type ShardRequest,
  type ShardStart,
} from '../src/engine/backend/wasm/shards/shard-thread.ts';

const reply = shardReplies();

self.onmessage = ({ data }: MessageEvent<ShardStart | ShardRequest>) => {
  const answer = reply(data);
  if ('data' in answer) {
    self.postMessage(answer, { transfer: [answer.data] });
    return;
  }
  const tell = (): void => {
    self.postMessage(answer);
  };
  // Held for life, so that the engine learns when this thread is gone. Where the browser gives no locks
  // (a frame whose storage is blocked) it learns from the silence.
  navigator.locks
    .request(self.name, () => {
      tell();
      return new Promise<never>(() => undefined);
    })
    .catch(tell);
};
