/** What the store worker does with headers of models: it has them, and may not parse them. */
import type { ByteSource } from '../common/byte-source.ts';
import type { RemoteModel } from '../download/remote-model.ts';
import type { HeaderFacts } from '../engine/inspection/inspect-model.ts';
import { serveByteSource } from './byte-source-channel.ts';
import type { RemoteModelInfo, ServedBytes, StoreApi } from './contracts.ts';
import { transfer } from './transfer.ts';

type ReadHeaders = Parameters<StoreApi['readHeadersWith']>[0];

/** Has headers parsed by whom the page named, in a sandbox on the other end of a port. */
export class HeaderRequests {
  #read: ReadHeaders | null = null;

  readWith(read: ReadHeaders): void {
    this.#read = read;
  }

  /** @throws AppError why the model cannot be used; any other error where nobody reads headers yet */
  read(source: ByteSource): Promise<HeaderFacts> {
    if (this.#read === null) return Promise.reject(new Error('Nobody reads headers yet'));
    const { port1, port2 } = new MessageChannel();
    serveByteSource(port1, source);
    const { size, partSizes = [] } = source;
    return this.#read({ size, partSizes }, transfer(port2, [port2]));
  }
}

/** Answers reads on the port, of a stored model or one file elsewhere, until the other side closes it. */
export async function serveFile(
  open: (signal: AbortSignal) => Promise<ByteSource & { close(): void }>,
  port: MessagePort,
): Promise<ServedBytes> {
  const stop = new AbortController();
  const source = await open(stop.signal);
  serveByteSource(port, source, () => {
    stop.abort();
    source.close();
  });
  return { size: source.size, partSizes: source.partSizes ?? [] };
}

/** Answers reads of a model elsewhere on the port, until the other side closes it. */
export function serveRemoteModel(model: RemoteModel, port: MessagePort): RemoteModelInfo {
  const { name, files, licence, source } = model;
  serveByteSource(port, source, () => {
    model.close();
  });
  return { name, files, licence, size: source.size, partSizes: source.partSizes };
}
