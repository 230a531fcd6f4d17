import { afterEach, describe, expect, it } from 'vitest';
import { AppError } from '../common/errors.ts';
import { Peer, type Serve } from './peer.ts';
import { limits } from './protocol.ts';
import { RateLimit } from './rate-limit.ts';

const peers: Peer[] = [];

afterEach(() => {
  for (const peer of peers.splice(0)) peer.close();
});

/** A caller, and the raw port of a guarded side that serves. */
function pair(serve: Serve, rate = new RateLimit(1000, 0)) {
  const { port1, port2 } = new MessageChannel();
  let closed = false;
  const served = new Peer(port2, {
    serve,
    rate,
    onClose: () => {
      closed = true;
    },
  });
  peers.push(served);
  return {
    port: port1,
    served,
    isClosed: () => closed,
    caller: (): Peer => {
      const caller = new Peer(port1, { serve: () => null });
      peers.push(caller);
      return caller;
    },
  };
}

describe('a peer', () => {
  it('answers calls, with values before the result', async () => {
    const { caller } = pair((method, params, { emit }) => {
      emit('one');
      emit('two');
      return { method, params };
    });
    const values: unknown[] = [];
    const result = await caller().request('sum', [1, 2], {
      onValue: (value) => values.push(value),
    });
    expect(result).toEqual({ method: 'sum', params: [1, 2] });
    expect(values).toEqual(['one', 'two']);
  });

  it('carries code and details of an error', async () => {
    const { caller } = pair(() => {
      throw new AppError('store/quota', 'Full.', { details: { bytesNeeded: 5 } });
    });
    await expect(caller().request('fill', null)).rejects.toMatchObject({
      code: 'store/quota',
      message: 'Full.',
      details: { bytesNeeded: 5 },
    });
  });

  it('aborts what it serves when the caller gives up', async () => {
    let stop = (): void => undefined;
    const stopped = new Promise<void>((resolve) => (stop = resolve));
    const { caller } = pair((_method, _params, { signal }) => {
      signal.addEventListener('abort', () => {
        stop();
      });
      return stopped;
    });
    const controller = new AbortController();
    const call = caller().request('wait', null, { signal: controller.signal });
    controller.abort();
    await expect(call).rejects.toMatchObject({ code: 'aborted' });
    await stopped;
  });

  it('rejects what is under way when it is closed', async () => {
    const { caller } = pair(() => new Promise(() => undefined));
    const peer = caller();
    const call = peer.request('wait', null);
    peer.close();
    await expect(call).rejects.toMatchObject({ code: 'embed/closed' });
    await expect(peer.request('again', null)).rejects.toMatchObject({ code: 'embed/closed' });
  });

  it('refuses messages over the rate, and listens no more to a flood', async () => {
    const served: string[] = [];
    const rate = new RateLimit(2, 0);
    const { caller, isClosed } = pair((method) => served.push(method), rate);
    const peer = caller();
    peer.notify('a', null);
    peer.notify('b', null);
    await expect(peer.request('c', null)).rejects.toMatchObject({ code: 'embed/limit' });
    expect(served).toEqual(['a', 'b']);
    for (let count = 0; count < 1001; count++) peer.notify('flood', null);
    await expect.poll(isClosed).toBe(true);
    expect(served).toEqual(['a', 'b']);
  });

  it('takes a message of the largest size and ends with one that is longer', async () => {
    const lengths: number[] = [];
    const { port, isClosed } = pair((_method, _params, { length }) => lengths.push(length));
    const frame = JSON.stringify({ jsonrpc: '2.0', method: 'x', params: '' }).length;
    const message = (length: number): string =>
      JSON.stringify({ jsonrpc: '2.0', method: 'x', params: '.'.repeat(length - frame) });
    port.postMessage(message(limits.messageLength));
    await expect.poll(() => lengths).toEqual([limits.messageLength]);
    expect(isClosed()).toBe(false);
    port.postMessage(message(limits.messageLength + 1));
    await expect.poll(isClosed).toBe(true);
    expect(lengths).toHaveLength(1);
    port.close();
  });

  it.each([
    ['an object', { jsonrpc: '2.0', method: 'x' }, true],
    ['bytes', new Uint8Array(8), true],
    ['text that is no JSON', '{', false],
    ['JSON that is no object', '[1]', false],
    ['an answer to nothing', '{"jsonrpc":"2.0","id":7,"result":1}', false],
    ['a value for nothing', '{"jsonrpc":"2.0","method":"$value","params":{"id":9}}', false],
    ['a cancel without a call', '{"jsonrpc":"2.0","method":"$cancel"}', false],
    [
      'an id that is a text',
      '{"jsonrpc":"2.0","method":"$cancel","params":{"id":"__proto__"}}',
      false,
    ],
  ])('serves nothing for %s', async (_name, message, ends) => {
    const served: string[] = [];
    const { port, isClosed } = pair((method) => served.push(method));
    port.postMessage(message);
    port.postMessage('{"jsonrpc":"2.0","method":"last"}');
    await expect.poll(() => isClosed() || served.length > 0).toBe(true);
    expect([isClosed(), served]).toEqual(ends ? [true, []] : [false, ['last']]);
    port.close();
  });

  it('has so many calls under way and no more', async () => {
    const { caller } = pair(() => new Promise(() => undefined));
    const peer = caller();
    for (let count = 0; count < limits.openCalls; count++) {
      peer.request('wait', count).catch(() => undefined);
    }
    await expect(peer.request('one more', null)).rejects.toMatchObject({ code: 'embed/limit' });
  });
});
