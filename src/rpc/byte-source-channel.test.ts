import { expect, it, vi } from 'vitest';
import { BufferByteSource } from '../common/byte-source.ts';
import { PortByteSource, serveByteSource } from './byte-source-channel.ts';

function served() {
  const source = Object.assign(new BufferByteSource(Uint8Array.of(1, 2, 3, 4, 5)), {
    close: vi.fn<() => void>(),
  });
  const { port1, port2 } = new MessageChannel();
  serveByteSource(port1, source, source.close);
  return { source, reader: new PortByteSource(port2, source.size) };
}

it('reads through the port and tells of failures with their code', async () => {
  const { reader } = served();
  expect([...(await reader.read(1, 3))]).toEqual([2, 3, 4]);
  await expect(reader.read(4, 2)).rejects.toMatchObject({ code: 'invalid-argument' });
  reader.close();
});

it('closes the source when its reader is closed, so that the model can be deleted', async () => {
  const { source, reader } = served();
  await reader.read(0, 1);
  reader.close();
  await vi.waitFor(() => {
    expect(source.close).toHaveBeenCalledTimes(1);
  });
});

it('stops waiting for an answer that does not come', async () => {
  const { port1, port2 } = new MessageChannel();
  const reader = new PortByteSource(port2, 10);
  const controller = new AbortController();
  const reading = reader.read(0, 5, controller.signal);
  controller.abort();
  await expect(reading).rejects.toMatchObject({ code: 'aborted' });
  reader.close();
  port1.close();
});

it('fails what waits when the other side is gone', async () => {
  const { port1, port2 } = new MessageChannel();
  const reader = new PortByteSource(port2, 10);
  const reading = reader.read(0, 5);
  port1.close();
  await expect(reading).rejects.toMatchObject({ code: 'engine/worker-died' });
});
