/**
 * Models in several files (`name-00001-of-00003.gguf`): each part is a GGUF file of its own. The
 * first describes the model; every part says its number (`split.no`, from 0), how many there are
 * (`split.count`) and how many tensors all of them hold together (`split.tensors.count`).
 *
 * The parts are read behind one another as one file: tensors of part n lie behind all bytes of the
 * parts before. Format: the tool that writes it, `llama-gguf-split` of llama.cpp.
 */
import type { ByteSource } from '../../../common/byte-source.ts';
import { ModelFileError } from '../../../common/errors.ts';
import { SlicedByteSource } from '../../../common/joined-byte-source.ts';
import { malformed, overLimit } from './file-errors.ts';
import type { GgufFile, GgufTensor } from './gguf-file.ts';
import { ggufLimits } from './limits.ts';
import { readGguf, type ReadGgufOptions } from './reader.ts';

const numberKey = 'split.no';
const countKey = 'split.count';
const tensorsKey = 'split.tensors.count';

/**
 * The header of a model in one file or in several (`source.partSizes`).
 * @throws ModelFileError as `readGguf`, and `model-file/in-parts` where the files are not the parts of
 * one model, in order and all of them
 */
export async function readModel(
  source: ByteSource,
  options: ReadGgufOptions = {},
): Promise<GgufFile> {
  const sizes = source.partSizes ?? [];
  if (sizes.length < 2) return readGguf(source, options);
  const headers: GgufFile[] = [];
  let start = 0;
  for (const size of sizes) {
    const header = await readGguf(new SlicedByteSource(source, start, size), options);
    checkPlace(header, headers.length, sizes.length);
    headers.push(header);
    start += size;
  }
  return joinHeaders(headers, options.limits?.tensors ?? ggufLimits.tensors);
}

function joinHeaders(headers: readonly GgufFile[], tensorLimit: number): GgufFile {
  const [first] = headers as [GgufFile];
  const tensors = new Map<string, GgufTensor>();
  let sizeBytes = 0;
  for (const [index, header] of headers.entries()) {
    for (const tensor of header.tensors.values()) {
      const at = { field: tensor.name, offsetBytes: sizeBytes + tensor.offsetBytes };
      if (tensors.has(tensor.name)) {
        throw malformed(at, `its parts have two tensors "${tensor.name}"`);
      }
      tensors.set(tensor.name, { ...tensor, offsetBytes: at.offsetBytes });
    }
    if (tensors.size > tensorLimit) {
      const at = { field: tensorsKey, offsetBytes: 0 };
      throw overLimit(at, 'the number of tensors', tensors.size, tensorLimit);
    }
    checkTotal(header, first, index);
    sizeBytes += header.sizeBytes;
  }
  const stated = first.metadata.findUnsigned(tensorsKey);
  if (stated !== undefined && stated !== tensors.size) {
    throw foreign(first, tensorsKey, {
      part: 1,
      parts: headers.length,
      what: `the parts hold ${tensors.size} tensors, but the model has ${stated}`,
    });
  }
  return { ...first, tensors, sizeBytes, parts: headers.length };
}

/** That a header is part `index` of `count`. */
function checkPlace(header: GgufFile, index: number, count: number): void {
  const { metadata } = header;
  const stated = metadata.findUnsigned(countKey) ?? 1;
  const number = metadata.findUnsigned(numberKey) ?? 0;
  if (stated === count && number === index) return;
  const what =
    stated === 1
      ? 'it is a whole model and no part of one'
      : `it says that it is part ${number + 1} of ${stated}`;
  throw foreign(header, stated === count ? numberKey : countKey, {
    part: index + 1,
    parts: count,
    what,
  });
}

/** All parts state the same number of tensors: a part of another model is told by it. */
function checkTotal(header: GgufFile, first: GgufFile, index: number): void {
  const stated = header.metadata.findUnsigned(tensorsKey);
  const expected = first.metadata.findUnsigned(tensorsKey);
  if (stated === expected) return;
  throw foreign(header, tensorsKey, {
    part: index + 1,
    parts: first.metadata.findUnsigned(countKey) ?? index + 1,
    what: `it belongs to a model of ${stated ?? 'an unknown number of'} tensors, the first part to one of ${expected ?? 'an unknown number'}`,
  });
}

function foreign(
  { metadata }: GgufFile,
  field: string,
  { part, parts, what }: { readonly part: number; readonly parts: number; readonly what: string },
): ModelFileError {
  return new ModelFileError(
    'model-file/in-parts',
    `File ${part} of ${parts} does not belong to this model: ${what}. Get all ${parts} files again from one place.`,
    { field, offsetBytes: metadata.entries.get(field)?.offsetBytes ?? 0 },
    { details: { part, parts, foreign: true } },
  );
}

/** @throws ModelFileError `model-file/in-parts`; `model-file/malformed` when a key is no number */
export function refuseParts({ metadata, parts }: GgufFile): void {
  const count = metadata.findUnsigned(countKey) ?? 1;
  if (count <= 1 || parts === count) return;
  const part = (metadata.findUnsigned(numberKey) ?? 0) + 1;
  throw new ModelFileError(
    'model-file/in-parts',
    `This file is part ${part} of a model in ${count} files, and its name does not lead to the others. Add all files together, named as their publisher named them ("…-00001-of-${String(count).padStart(5, '0')}.gguf").`,
    { field: countKey, offsetBytes: metadata.entries.get(countKey)?.offsetBytes ?? 0 },
    { details: { part, parts: count } },
  );
}
