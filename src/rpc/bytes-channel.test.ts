import { describe, expect, it } from 'vitest';
import { AppError } from '../common/errors.ts';
import { giveBytes, takeBytes } from './bytes-channel.ts';

const piece = (value: number): Uint8Array<ArrayBuffer> => new Uint8Array(4).fill(value);

describe('bytes over a port', () => {
  it('arrive in order, are moved and not copied, and end', async () => {
    const { port1, port2 } = new MessageChannel();
    const sent: Uint8Array<ArrayBuffer>[] = [];
    const giving = giveBytes(port1, new AbortController().signal, async (write) => {
      for (let value = 0; value < 10; value++) {
        const bytes = piece(value);
        sent.push(bytes);
        await write(bytes);
      }
      return 'done';
    });
    const received: number[] = [];
    for await (const bytes of takeBytes(port2)) received.push(bytes[0] ?? -1);
    expect(received).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(await giving).toBe('done');
    expect(sent.every(({ byteLength }) => byteLength === 0)).toBe(true);
  });

  it('are made no faster than they are taken', async () => {
    const { port1, port2 } = new MessageChannel();
    let made = 0;
    const giving = giveBytes(port1, new AbortController().signal, async (write) => {
      for (; made < 20; made++) await write(piece(made));
    });
    const reader = takeBytes(port2).getReader();
    await reader.read();
    // however long nobody takes, no more than the pieces kept and the one under way are made
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(made).toBeLessThanOrEqual(4);
    while (!(await reader.read()).done);
    await giving;
    expect(made).toBe(20);
  });

  it('fail on the taking side with what the giver failed with', async () => {
    const { port1, port2 } = new MessageChannel();
    const failing = giveBytes(port1, new AbortController().signal, async (write) => {
      await write(piece(1));
      throw new AppError('store/damaged', 'A bit was lost.');
    });
    const reader = takeBytes(port2).getReader();
    failing.catch(() => undefined);
    await reader.read();
    await expect(reader.read()).rejects.toMatchObject({ code: 'store/damaged' });
    await expect(failing).rejects.toMatchObject({ code: 'store/damaged' });
  });

  it('fail on the giving side with the reason of the taker', async () => {
    const { port1, port2 } = new MessageChannel();
    const giving = giveBytes(port1, new AbortController().signal, async (write) => {
      for (;;) await write(piece(1));
    });
    const reader = takeBytes(port2).getReader();
    giving.catch(() => undefined);
    await reader.read();
    await reader.cancel(new AppError('store/quota', 'The disk is full.'));
    await expect(giving).rejects.toMatchObject({ code: 'store/quota' });
  });

  it('stop at the signal while nobody takes', async () => {
    const { port1 } = new MessageChannel();
    const controller = new AbortController();
    const giving = giveBytes(port1, controller.signal, (write) => write(piece(1)));
    controller.abort();
    await expect(giving).rejects.toMatchObject({ code: 'aborted' });
  });
});
