/** The files that a person chose, as the folder that a conversion reads. */
import { MEBIBYTE } from '../src/common/bytes.ts';
import { AppError } from '../src/common/errors.ts';
import type { ModelFolder } from '../src/engine/conversion/conversion-plan.ts';
import type { NamedFile } from '../src/rpc/contracts.ts';
import { BlobByteSource } from './blob-byte-source.ts';

/** The largest vocabularies have 35 MB. */
const largestText = 128 * MEBIBYTE;

/** @throws AppError `invalid-argument` where a file is missing that no model can do without */
export async function readModelFolder(
  name: string,
  files: readonly NamedFile[],
): Promise<ModelFolder> {
  const read = async (wanted: string): Promise<string | null> => {
    const file = files.find((candidate) => candidate.name === wanted);
    if (file === undefined) return null;
    if (file.content.size <= largestText) return file.content.text();
    throw new AppError(
      'invalid-argument',
      `The file ${wanted} is too large to be one of a model.`,
      {
        details: { fileName: wanted, sizeBytes: file.content.size },
      },
    );
  };
  const [config, tokenizer] = [await read('config.json'), await read('tokenizer.json')];
  if (config === null) throw missing('config.json');
  if (tokenizer === null) throw missing('tokenizer.json');
  const weights = files.filter((file) => file.name.endsWith('.safetensors'));
  if (weights.length === 0) throw missing('model.safetensors');
  // some folders hold the same weights once more in another form
  const named = weights.filter((file) => file.name.startsWith('model'));
  return {
    ...{ name, config, tokenizer },
    tokenizerConfig: await read('tokenizer_config.json'),
    chatTemplate: await read('chat_template.jinja'),
    weights: (named.length > 0 ? named : weights).map(
      (file) => new BlobByteSource(file.content, file.name),
    ),
  };
}

function missing(fileName: string): AppError {
  return new AppError(
    'invalid-argument',
    `The file ${fileName} is missing. Choose the whole folder of the model: config.json, tokenizer.json and the .safetensors files.`,
    { details: { fileName } },
  );
}
