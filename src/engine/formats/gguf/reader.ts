/**
 * Reads the header of a GGUF file (versions 2 and 3, little-endian) and checks all of it: what
 * leaves this module can be trusted to lie inside the file and within the limits.
 * Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
 *
 *   magic u32 | version u32 | tensors u64 | entries u64
 *   entries:  key string | type u32 | value
 *   tensors:  name string | dimensions u32 | size u64 each | type u32 | offset u64
 *   padding to the alignment | tensor data
 *
 * Lengths and offsets stay bigints until they are proven small. Tensor data are never read.
 */
import type { ByteSource } from '../../../common/byte-source.ts';
import { alignUp } from '../../../common/bytes.ts';
import { ModelFileError } from '../../../common/errors.ts';
import { malformed, overLimit, type FilePlace } from './file-errors.ts';
import type { GgufFile } from './gguf-file.ts';
import { HeaderCursor } from './header-cursor.ts';
import { ggufLimits, type GgufLimits } from './limits.ts';
import { Metadata } from './metadata.ts';
import { readMetadataEntries } from './metadata-reader.ts';
import { checkGgufSignature, signatureBytes } from './signature.ts';
import { placeTensors, readTensorRecords } from './tensor-reader.ts';
import { alignmentKey, defaultAlignment } from './value-types.ts';

export interface ReadGgufOptions {
  readonly signal?: AbortSignal | undefined;
  /** Stricter limits than the usual ones, where memory is scarce. */
  readonly limits?: Partial<GgufLimits>;
}

/**
 * Reads and checks a header; of a large file only the header is read, in growing pieces.
 * A file without tensors (a vocabulary) is fine.
 * @throws ModelFileError saying which field is wrong, and where
 * @throws AppError `aborted`; whatever the source throws
 */
export async function readGguf(
  source: ByteSource,
  options: ReadGgufOptions = {},
): Promise<GgufFile> {
  const { cursor, limits, tensorCount, ...header } = await readBeginning(source, options);
  const records = await readTensorRecords(cursor, tensorCount, limits);
  const dataOffsetBytes = alignUp(cursor.offsetBytes, header.alignment);
  return {
    ...header,
    tensors: placeTensors(records, dataOffsetBytes, header.alignment, source.size),
    dataOffsetBytes,
    sizeBytes: source.size,
    parts: 1,
  };
}

/** A header without its tensors: what is left to tell of a file whose tensors cannot be read. */
export type GgufMetadata = Pick<GgufFile, 'version' | 'metadata' | 'alignment' | 'dataOffsetBytes'>;

/**
 * Reads the metadata alone; `dataOffsetBytes` is then where the list of tensors begins.
 * @throws as `readGguf`
 */
export async function readGgufMetadata(
  source: ByteSource,
  options: ReadGgufOptions = {},
): Promise<GgufMetadata> {
  const { cursor, version, metadata, alignment } = await readBeginning(source, options);
  return { version, metadata, alignment, dataOffsetBytes: cursor.offsetBytes };
}

interface HeaderBeginning {
  /** In front of the first tensor's record. */
  readonly cursor: HeaderCursor;
  readonly limits: GgufLimits;
  readonly tensorCount: number;
  readonly version: GgufFile['version'];
  readonly metadata: Metadata;
  readonly alignment: number;
}

async function readBeginning(
  source: ByteSource,
  options: ReadGgufOptions,
): Promise<HeaderBeginning> {
  const limits: GgufLimits = { ...ggufLimits, ...options.limits };
  const cursor = new HeaderCursor(source, limits.headerBytes, options.signal);
  await cursor.fill(Math.min(signatureBytes, source.size), 'the signature');
  checkGgufSignature(cursor.peek(signatureBytes));
  if (!cursor.has(24)) await cursor.fill(24, 'the file header');
  cursor.uint32();
  const version = readVersion(cursor);
  const tensorCount = readCount(cursor, 'the number of tensors', limits.tensors);
  const entryCount = readCount(cursor, 'the number of entries', limits.metadataEntries);

  const metadata = new Metadata(await readMetadataEntries(cursor, entryCount, limits));
  const alignment = alignmentOf(metadata, limits);
  checkModelSize(metadata, limits);
  return { cursor, limits, tensorCount, version, metadata, alignment };
}

function readVersion(cursor: HeaderCursor): 2 | 3 {
  const at = { field: 'version', offsetBytes: cursor.offsetBytes };
  const version = cursor.uint32();
  if (version === 2 || version === 3) return version;
  let what = `has version ${version} of the GGUF format, which this Hermit does not know. Try a newer Hermit`;
  // Versions are small: a number with an empty lower half was written with its bytes swapped.
  if (version !== 0 && version % 65_536 === 0) {
    what = 'is a big-endian GGUF file, made for other machines. Look for a little-endian one';
  } else if (version < 2) {
    what = `has version ${version} of the GGUF format, which is too old. Look for a newer file of this model`;
  }
  throw new ModelFileError('model-file/unsupported-version', `This model ${what}.`, at, {
    details: { version },
  });
}

function readCount(cursor: HeaderCursor, what: string, limit: number): number {
  const at = { field: what, offsetBytes: cursor.offsetBytes };
  const count = cursor.uint64();
  if (count > limit) throw overLimit(at, what, count, limit);
  return Number(count);
}

function alignmentOf(metadata: Metadata, limits: GgufLimits): number {
  const entry = metadata.entries.get(alignmentKey);
  if (entry === undefined) return defaultAlignment;
  const at: FilePlace = { field: alignmentKey, offsetBytes: entry.offsetBytes };
  if (entry.value.type !== 'u32') {
    throw malformed(at, `its alignment has type ${entry.value.type} instead of u32`);
  }
  const alignment = entry.value.value;
  if (alignment === 0 || !Number.isInteger(Math.log2(alignment))) {
    throw malformed(at, `its alignment is ${alignment}, which is not a power of two`);
  }
  if (alignment > limits.alignment) {
    throw overLimit(at, 'the alignment', alignment, limits.alignment);
  }
  return alignment;
}

/** Two numbers that everything later loops or allocates by, whatever the architecture. */
function checkModelSize(metadata: Metadata, limits: GgufLimits): void {
  const architecture = metadata.findString('general.architecture');
  if (architecture === undefined) return;
  const bounds = [
    { key: `${architecture}.block_count`, what: 'the number of layers', limit: limits.blockCount },
    { key: `${architecture}.context_length`, what: 'the context', limit: limits.contextLength },
  ];
  for (const { key, what, limit } of bounds) {
    const value = metadata.findUnsigned(key);
    if (value === undefined) continue;
    const at = { field: key, offsetBytes: metadata.entries.get(key)?.offsetBytes ?? 0 };
    if (value === 0) throw malformed(at, `${what} is 0`);
    if (value > limit) throw overLimit(at, what, value, limit);
  }
}
