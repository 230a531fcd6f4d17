import type { ByteSource } from '../src/common/byte-source.ts';
import type { GgufFile } from '../src/engine/formats/gguf/gguf-file.ts';
import { headerFromMessage } from '../src/engine/formats/gguf/header-message.ts';
import type { GgufHeaderMessage, LoadEvent, ModelReference } from '../src/rpc/contracts.ts';
import { produceCallbackStream, receiveOne } from '../src/rpc/stream-channel.ts';
import { openReference } from './open-reference.ts';

type Loads<O, M> = (
  source: ByteSource,
  file: GgufFile,
  options: O,
  onProgress: (bytesDone: number, bytesTotal: number) => void,
  signal: AbortSignal,
  /** Absent where the bytes can be opened once. */
  reopen?: () => Promise<ByteSource & { close(): void }>,
) => Promise<M>;

/** Has `loads` load what the reference and the header describe, and tells how far it is. */
export function loadStored<O, M>(
  request: { readonly model: ModelReference; readonly options: O },
  header: MessagePort,
  events: MessagePort,
  loads: Loads<O, M>,
): Promise<void> {
  return produceCallbackStream<LoadEvent<M>>(events, async (emit, signal) => {
    const file = headerFromMessage(await receiveOne<GgufHeaderMessage>(header));
    const { model: reference, options } = request;
    const source = await openReference(reference);
    const reopen = reference.kind === 'stored' ? () => openReference(reference) : undefined;
    try {
      const onProgress = (bytesDone: number, bytesTotal: number): void => {
        emit({ kind: 'progress', bytesDone, bytesTotal });
      };
      const model = await loads(source, file, options, onProgress, signal, reopen);
      emit({ kind: 'loaded', model });
    } finally {
      source.close();
    }
  });
}
