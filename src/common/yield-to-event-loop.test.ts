import { afterEach, describe, expect, it, vi } from 'vitest';
import { yieldToEventLoop } from './yield-to-event-loop.ts';

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('yieldToEventLoop', () => {
  it('lets messages of others through, which promises alone do not', async () => {
    const { port1, port2 } = new MessageChannel();
    const heard: unknown[] = [];
    port1.onmessage = ({ data }) => {
      heard.push(data);
    };
    port2.postMessage('stop');
    for (let i = 0; i < 1000; i++) await Promise.resolve();
    expect(heard).toEqual([]);
    for (let i = 0; i < 1000 && heard.length === 0; i++) await yieldToEventLoop();
    expect(heard).toEqual(['stop']);
    port1.close();
  });

  it('serves several at once, in order', async () => {
    const order: number[] = [];
    await Promise.all(
      [0, 1, 2].map(async (index) => {
        await yieldToEventLoop();
        order.push(index);
      }),
    );
    expect(order).toEqual([0, 1, 2]);
  });

  it('works without MessageChannel', async () => {
    vi.stubGlobal('MessageChannel', undefined);
    await expect(yieldToEventLoop()).resolves.toBeUndefined();
  });
});
