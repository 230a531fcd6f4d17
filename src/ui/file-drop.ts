import type { ReactiveController, ReactiveControllerHost } from 'lit';
import type { FolderFileView } from './services.ts';

/** A folder that was dropped, with the files in it and in its own folders. */
export interface DroppedFolder {
  readonly name: string;
  readonly files: readonly FolderFileView[];
}

/** What was dropped: files, or a folder. */
type OnFiles = (files: readonly File[], folder?: DroppedFolder) => void;

/**
 * Takes files dropped anywhere on the page.
 *
 * The host is updated when `dragging` changes. Browsers open a dropped file in place of the page
 * unless every drag over it is refused; that is done here for the whole window.
 */
export class FileDrop implements ReactiveController {
  readonly #host: ReactiveControllerHost;
  readonly #onFiles: OnFiles;
  #depth = 0;

  constructor(host: ReactiveControllerHost, onFiles: OnFiles) {
    this.#host = host;
    this.#onFiles = onFiles;
    host.addController(this);
  }

  /** Whether files hover over the page now. */
  get dragging(): boolean {
    return this.#depth > 0;
  }

  hostConnected(): void {
    window.addEventListener('dragenter', this.#onEnter);
    window.addEventListener('dragleave', this.#onLeave);
    window.addEventListener('dragover', this.#onOver);
    window.addEventListener('drop', this.#onDrop);
  }

  hostDisconnected(): void {
    window.removeEventListener('dragenter', this.#onEnter);
    window.removeEventListener('dragleave', this.#onLeave);
    window.removeEventListener('dragover', this.#onOver);
    window.removeEventListener('drop', this.#onDrop);
  }

  /** Enter and leave come once for every element on the way; only their balance matters. */
  #step(depth: number): void {
    this.#depth = Math.max(0, depth);
    this.#host.requestUpdate();
  }

  readonly #onEnter = (event: DragEvent): void => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    this.#step(this.#depth + 1);
  };

  readonly #onLeave = (event: DragEvent): void => {
    if (carriesFiles(event)) this.#step(this.#depth - 1);
  };

  readonly #onOver = (event: DragEvent): void => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    if (event.dataTransfer !== null) event.dataTransfer.dropEffect = 'copy';
  };

  readonly #onDrop = (event: DragEvent): void => {
    if (!carriesFiles(event)) return;
    event.preventDefault();
    this.#step(0);
    void filesOf(event.dataTransfer).then(({ files, folder }) => {
      this.#onFiles(files, folder);
    });
  };
}

/** The files that were dropped, and those in the first folder among them. */
async function filesOf(
  transfer: DataTransfer | null,
): Promise<{ readonly files: readonly File[]; readonly folder?: DroppedFolder }> {
  // both lists are empty once the event is over
  const files = [...(transfer?.files ?? [])];
  const entries = [...(transfer?.items ?? [])].map((item) => item.webkitGetAsEntry());
  const folders = entries.filter((entry) => entry instanceof FileSystemDirectoryEntry);
  const [folder] = folders;
  if (folder === undefined) return { files };
  const inside = await filesInside(folder, deepest);
  const names = new Set(folders.map(({ name }) => name));
  const apart = files.filter(({ name }) => !names.has(name));
  return {
    files: [...apart, ...inside.map(({ file }) => file)],
    folder: { name: folder.name, files: inside },
  };
}

/** Models that make vectors keep what follows them in folders inside theirs, not deeper. */
const deepest = 1;

async function filesInside(
  folder: FileSystemDirectoryEntry,
  depth: number,
  prefix = '',
): Promise<readonly FolderFileView[]> {
  const reader = folder.createReader();
  const files: FolderFileView[] = [];
  for (;;) {
    // at most a hundred at a time
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) => {
      reader.readEntries(resolve, reject);
    });
    if (entries.length === 0) return files;
    for (const entry of entries) {
      const path = `${prefix}${entry.name}`;
      if (entry instanceof FileSystemDirectoryEntry && depth > 0) {
        files.push(...(await filesInside(entry, depth - 1, `${path}/`)));
      }
      if (!(entry instanceof FileSystemFileEntry)) continue;
      const file = await new Promise<File>((resolve, reject) => {
        entry.file(resolve, reject);
      });
      files.push({ path, file });
    }
  }
}

function carriesFiles(event: DragEvent): boolean {
  return event.dataTransfer?.types.includes('Files') === true;
}
