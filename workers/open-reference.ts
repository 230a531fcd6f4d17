import type { ByteSource } from '../src/common/byte-source.ts';
import { PortByteSource } from '../src/rpc/byte-source-channel.ts';
import type { ModelReference } from '../src/rpc/contracts.ts';
import { openStoreForReading } from '../src/store/open-model-store.ts';

/** The bytes behind a reference; close the source to let the model be deleted again. */
export async function openReference(
  model: ModelReference,
): Promise<ByteSource & { close(): void }> {
  if (model.kind === 'port') return new PortByteSource(model.port, model.size, model.partSizes);
  const store = await openStoreForReading(navigator.locks);
  return store.open(model.id);
}
