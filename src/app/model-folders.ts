/** Folders of models in safetensors, on this device and in a repository of the hub. */
import { AppError } from '../common/errors.ts';
import type { FolderFile, StoreApi } from '../rpc/contracts.ts';
import { transfer } from '../rpc/transfer.ts';
import type { WorkerOwner } from '../rpc/worker-owner.ts';

/** A folder that can be opened several times, once for every worker that reads it. */
export interface FolderSource {
  readonly name: string;
  readonly licence: string | null;
  /** Files that are read, or those of them that `wanted` names. @throws AppError `download/*` */
  open(wanted?: (path: string) => boolean): Promise<readonly FolderFile[]>;
}

/** A file by its path in the folder, which not every way to choose files keeps. */
export interface PathFile {
  readonly path: string;
  readonly file: File;
}

/** @param name what it is called; that of the chosen folder unless given */
export function localFolder(files: readonly (File | PathFile)[], name?: string): FolderSource {
  const opened = files.map((each): FolderFile => {
    if ('path' in each) return { kind: 'local', path: each.path, content: each.file };
    const path = each.webkitRelativePath.split('/').slice(1).join('/');
    return { kind: 'local', path: path === '' ? each.name : path, content: each };
  });
  return {
    name: name ?? folderName(files),
    licence: null,
    open: (wanted = () => true) => Promise.resolve(opened.filter(({ path }) => wanted(path))),
  };
}

/** The name of the folder that files were chosen from; "model" where they came without one. */
function folderName(files: readonly (File | PathFile)[]): string {
  for (const file of files) {
    const [, folder] = 'path' in file ? [] : (/^([^/]+)\//u.exec(file.webkitRelativePath) ?? []);
    if (folder !== undefined) return folder;
  }
  return 'model';
}

/**
 * The newest version of a repository, of which every file is read at the same commit.
 * @throws AppError `invalid-argument` where it has no such folder, `download/*`
 */
export async function hubFolder(
  store: WorkerOwner<StoreApi>,
  repository: string,
  name?: string,
): Promise<FolderSource> {
  const { folder, commit, licence } = await store.use((remote) =>
    remote.openHubRepository(repository),
  );
  if (folder === null) {
    throw new AppError(
      'invalid-argument',
      `The repository ${repository} has no model in safetensors: config.json, tokenizer.json and model.safetensors are needed.`,
      { details: { repository } },
    );
  }
  return {
    name: name ?? repository.split('/').at(-1) ?? repository,
    licence,
    open: (wanted = () => true) =>
      Promise.all(
        folder.files.filter(wanted).map(async (path): Promise<FolderFile> => {
          const { port1, port2 } = new MessageChannel();
          const file = { repository, revision: commit, file: path };
          const { size } = await store.use((remote) =>
            remote.serveHubFile(file, transfer(port1, [port1])),
          );
          return { kind: 'remote', path, port: port2, size };
        }),
      ),
  };
}
