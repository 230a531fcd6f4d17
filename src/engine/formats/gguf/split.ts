/**
 * Models in several files (`name-00001-of-00003.gguf`): each part is a GGUF file of its own that
 * names its number, from 0, and how many there are; only the first one describes the model.
 */
import { ModelFileError } from '../../../common/errors.ts';
import type { Metadata } from './metadata.ts';

/** @throws ModelFileError `model-file/in-parts`; `model-file/malformed` when a key is no number */
export function refuseParts(metadata: Metadata): void {
  const field = 'split.count';
  const parts = metadata.findUnsigned(field) ?? 1;
  if (parts <= 1) return;
  const part = (metadata.findUnsigned('split.no') ?? 0) + 1;
  throw new ModelFileError(
    'model-file/in-parts',
    `This file is part ${part} of a model in ${parts} files, and Hermit reads models in one file. Choose a file of this model that is not divided, or join the parts with "llama-gguf-split --merge".`,
    { field, offsetBytes: metadata.entries.get(field)?.offsetBytes ?? 0 },
    { details: { part, parts } },
  );
}
