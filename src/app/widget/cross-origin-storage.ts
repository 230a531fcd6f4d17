/**
 * Files that sites share by their hash (https://github.com/WICG/cross-origin-storage), where a browser
 * has that: a model that any site has fetched before costs no download in a frame of another one.
 */

interface Hash {
  readonly algorithm: 'SHA-256';
  /** Hexadecimal, lower case. */
  readonly value: string;
}

interface CrossOriginStorage {
  requestFileHandles(
    hashes: readonly Hash[],
    options?: { readonly create: boolean },
  ): Promise<readonly FileSystemFileHandle[]>;
}

const storage = (): CrossOriginStorage | undefined =>
  (navigator as { readonly crossOriginStorage?: CrossOriginStorage }).crossOriginStorage;

const hashesOf = (sha256: string): readonly Hash[] => [
  { algorithm: 'SHA-256', value: sha256.toLowerCase() },
];

/** The file with this hash, under the name it is to have here; null where it is not, or not allowed. */
export async function findShared(sha256: string, name: string): Promise<File | null> {
  try {
    const [handle] = (await storage()?.requestFileHandles(hashesOf(sha256))) ?? [];
    // The handle's own name is its hash. A File of a File copies no bytes.
    return handle === undefined ? null : new File([await handle.getFile()], name);
  } catch {
    return null; // not there, or the person said no to the browser: then it is downloaded
  }
}

/** Leaves a file with a published hash to other sites; that there is no room for it harms nobody. */
export async function share(sha256: string, file: Blob): Promise<void> {
  try {
    const options = { create: true };
    const [handle] = (await storage()?.requestFileHandles(hashesOf(sha256), options)) ?? [];
    await file.stream().pipeTo((await handle?.createWritable()) ?? new WritableStream());
  } catch {
    // The model is installed here all the same.
  }
}

/** Whether it makes sense to look or to share at all. */
export const hasCrossOriginStorage = (): boolean => storage() !== undefined;
