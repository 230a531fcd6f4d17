/** What a browser's profile has on the disk, for tests that damage it behind the browser's back. */
import { open, readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

/** The file somewhere in the profile that has exactly these bytes; null without one. */
export async function fileWith(profile: string, bytes: Uint8Array): Promise<string | null> {
  const wanted = Buffer.from(bytes);
  for (const path of await filesIn(profile)) {
    const { size } = await stat(path).catch(() => ({ size: -1 }));
    // Another process may remove it in between.
    if (size !== wanted.length) continue;
    if (wanted.equals(await readFile(path).catch(() => Buffer.alloc(0)))) return path;
  }
  return null;
}

/** @throws Error when there is none */
export async function needFileWith(profile: string, bytes: Uint8Array): Promise<string> {
  const path = await fileWith(profile, bytes);
  if (path === null) throw new Error(`No file with these ${bytes.length} bytes in ${profile}`);
  return path;
}

export async function flipByte(path: string, offset: number): Promise<void> {
  const file = await open(path, 'r+');
  try {
    const byte = new Uint8Array(1);
    await file.read(byte, 0, 1, offset);
    byte[0] = (byte[0] ?? 0) ^ 1;
    await file.write(byte, 0, 1, offset);
  } finally {
    await file.close();
  }
}

/** The folder with the databases of the origin. @throws Error when there is none */
export async function databaseFolder(profile: string, origin: string): Promise<string> {
  const { protocol, hostname, port } = new URL(origin);
  const name = `${protocol.slice(0, -1)}_${hostname}_${port}.indexeddb.leveldb`;
  const parent = join(profile, 'Default', 'IndexedDB');
  if (!(await readdir(parent)).includes(name)) throw new Error(`No ${name} in ${parent}`);
  return join(parent, name);
}

async function filesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
}
