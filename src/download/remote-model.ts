/** A model elsewhere, opened for reading its header: nothing of it is stored. */
import { JoinedByteSource } from '../common/joined-byte-source.ts';
import type { ModelDraft } from '../store/model-store.ts';
import type { ModelSource } from './model-source.ts';
import { openRemoteFile, type RemoteFile } from './remote-byte-source.ts';
import type { Clock } from './retry.ts';

export interface RemoteModel {
  readonly name: string;
  readonly source: JoinedByteSource<RemoteFile>;
  readonly files: readonly { readonly fileName: string; readonly bytes: number | null }[];
  readonly licence: string | null;
  /** Bytes that came over the network so far. */
  bytesFetched(): number;
  close(): void;
}

/**
 * Opens every file of a model at one version.
 * @throws AppError `download/*`, `aborted`
 */
export async function openRemoteModel(
  drafts: readonly [ModelDraft, ...ModelDraft[]],
  sourceOf: (draft: ModelDraft, index: number) => ModelSource,
  clock: Clock,
  signal: AbortSignal,
): Promise<RemoteModel> {
  let { licence, origin } = drafts[0];
  let { commit } = origin;
  const opened: { fileName: string; file: RemoteFile }[] = [];
  const close = (): void => {
    for (const { file } of opened) file.close();
  };
  try {
    for (const [index, draft] of drafts.entries()) {
      ({ origin } = draft);
      const pinned = { ...draft, origin: { ...origin, commit: origin.commit ?? commit } };
      const source = sourceOf(pinned, index);
      const resolved = await source.resolve(signal);
      ({ commit } = resolved);
      licence ??= resolved.licence;
      const size = resolved.size ?? draft.expectedSize;
      opened.push({
        fileName: draft.fileName,
        file: await openRemoteFile(source, size, clock, signal),
      });
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    name: drafts[0].name,
    source: new JoinedByteSource(opened.map(({ file }) => file)),
    files: opened.map(({ fileName, file }) => ({
      fileName,
      bytes: file.sizeKnown ? file.size : null,
    })),
    licence,
    bytesFetched: () => opened.reduce((sum, { file }) => sum + file.bytesFetched, 0),
    close,
  };
}
