/** How a stored model gets into an engine worker: header from the sandbox, bytes by reference. */
import { throwIfAborted, untilAborted } from '../common/abort.ts';
import { AppError, toAppError } from '../common/errors.ts';
import type { LoadEvent, ModelReference } from '../rpc/contracts.ts';
import { consumeStream } from '../rpc/stream-channel.ts';

export interface ModelAccess {
  /** Parses a stored model's header in a disposable sandbox and posts it on the port. */
  readonly readHeader: (model: ModelReference, header: MessagePort) => Promise<void>;
  /** How a worker reaches the model's bytes; a reference serves one worker. */
  readonly refer: (modelId: string) => Promise<ModelReference>;
}

/**
 * @param load calls the worker with the model and the ports that it must be given
 * @throws AppError what reading the header and loading throw, `aborted`
 */
export async function loadIntoWorker<M>(
  { readHeader, refer }: ModelAccess,
  id: string,
  load: (model: ModelReference, header: MessagePort, events: MessagePort) => Promise<void>,
  onProgress: (fraction: number) => void,
  signal: AbortSignal,
): Promise<M> {
  throwIfAborted(signal);
  // The header goes from the sandbox to the engine directly: a vocabulary is too large to copy twice.
  const header = new MessageChannel();
  const reading = readHeader(await refer(id), header.port1);
  await untilAborted(reading, signal);
  const model = await refer(id);
  const events = consumeStream<LoadEvent<M>>(signal);
  const ended = load(model, header.port2, events.producerPort).catch((error: unknown) => {
    events.fail(toAppError(error));
  });
  let loaded: M | null = null;
  for await (const event of events) {
    if (event.kind === 'loaded') loaded = event.model;
    else onProgress(event.bytesTotal === 0 ? 0 : event.bytesDone / event.bytesTotal);
  }
  await ended;
  if (loaded === null) throw new AppError('internal', 'The engine loaded nothing.');
  return loaded;
}
