/** The files of a folder as sources of bytes, wherever they lie. */
import { PortByteSource } from '../src/rpc/byte-source-channel.ts';
import type { FolderFile } from '../src/rpc/contracts.ts';
import { BlobByteSource } from './blob-byte-source.ts';
import type { OpenedFile } from '../src/engine/conversion/read-folder.ts';

/** Runs `work` with the files open and closes them after it. */
export async function withFolder<T>(
  files: readonly FolderFile[],
  work: (opened: readonly OpenedFile[]) => Promise<T>,
): Promise<T> {
  const remote: PortByteSource[] = [];
  const opened = files.map((file): OpenedFile => {
    if (file.kind === 'local') {
      return { path: file.path, source: new BlobByteSource(file.content, file.path) };
    }
    const source = new PortByteSource(file.port, file.size);
    remote.push(source);
    return { path: file.path, source };
  });
  try {
    return await work(opened);
  } finally {
    for (const source of remote) source.close();
  }
}
