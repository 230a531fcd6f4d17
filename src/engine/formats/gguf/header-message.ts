/**
 * A GGUF header as plain data, so that one worker can parse it and another use it: classes do not
 * survive structured clone.
 */
import type { GgufFile, GgufTensor } from './gguf-file.ts';
import { Metadata, type MetadataEntry } from './metadata.ts';

export interface GgufHeaderMessage {
  readonly version: GgufFile['version'];
  readonly entries: ReadonlyMap<string, MetadataEntry>;
  readonly tensors: ReadonlyMap<string, GgufTensor>;
  readonly alignment: number;
  readonly dataOffsetBytes: number;
  readonly sizeBytes: number;
  readonly parts: number;
}

export function headerToMessage(file: GgufFile): GgufHeaderMessage {
  const { metadata, ...rest } = file;
  return { ...rest, entries: metadata.entries };
}

export function headerFromMessage(message: GgufHeaderMessage): GgufFile {
  const { entries, ...rest } = message;
  return { ...rest, metadata: new Metadata(entries) };
}
