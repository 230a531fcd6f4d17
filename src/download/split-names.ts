/**
 * Names of the files of a model in several files: `name-00002-of-00003.gguf`, from 1, as
 * `llama-gguf-split` writes them. One name leads to all others.
 */
import { AppError } from '../common/errors.ts';

export interface SplitName {
  /** What stands before the number. */
  readonly base: string;
  /** From 0. */
  readonly index: number;
  readonly count: number;
}

/** More files than any published model has: the largest are cut into 48 GB each. */
const largestCount = 1000;

/** Null for the name of a whole model, a single part of one included. */
export function parseSplitName(fileName: string): SplitName | null {
  const match = /^(.+)-(\d{5})-of-(\d{5})\.gguf$/iu.exec(fileName);
  if (match === null) return null;
  const [, base = '', number, of] = match;
  const index = Number(number) - 1;
  const count = Number(of);
  if (count < 2 || count > largestCount || index < 0 || index >= count) return null;
  return { base, index, count };
}

/** The names of all files, in order; of every kind of path only the last segment is changed. */
export function splitPaths(path: string): readonly string[] | null {
  const at = path.lastIndexOf('/') + 1;
  const name = parseSplitName(path.slice(at));
  if (name === null) return null;
  const extension = path.slice(-5);
  return Array.from({ length: name.count }, (_, index) => {
    const number = String(index + 1).padStart(5, '0');
    const count = String(name.count).padStart(5, '0');
    return `${path.slice(0, at)}${name.base}-${number}-of-${count}${extension}`;
  });
}

/**
 * Sorts files that were chosen together: those of one model, in order, and single ones.
 * @throws AppError `model-file/in-parts` when some files of a model are not among them
 */
export function groupSplitFiles<F extends { readonly name: string }>(
  files: readonly F[],
): readonly (readonly F[])[] {
  const groups = new Map<string, F[]>();
  for (const file of files) {
    const split = parseSplitName(file.name);
    const key = split === null ? `\n${groups.size}` : `${split.base}\n${split.count}`;
    groups.set(key, [...(groups.get(key) ?? []), file]);
  }
  return [...groups.values()].map((group) => {
    const [first] = group;
    const wanted = first === undefined ? null : splitPaths(first.name);
    if (wanted === null) return group;
    const byName = new Map(group.map((file) => [file.name.toLowerCase(), file]));
    const missing = wanted.filter((name) => !byName.has(name.toLowerCase()));
    if (missing.length > 0) throw missingFiles(wanted.length, missing);
    return wanted.flatMap((name) => byName.get(name.toLowerCase()) ?? []);
  });
}

function missingFiles(parts: number, missing: readonly string[]): AppError {
  const named = missing.slice(0, 3).join(', ');
  const rest = missing.length > 3 ? ` and ${missing.length - 3} more` : '';
  return new AppError(
    'model-file/in-parts',
    `This model has ${parts} files. Choose all of them together; missing: ${named}${rest}.`,
    { details: { parts, missing } },
  );
}
