/** The files of a model's folder, as a conversion reads them. */
import type { ByteSource } from '../../common/byte-source.ts';
import { MEBIBYTE } from '../../common/bytes.ts';
import { AppError } from '../../common/errors.ts';
import type { ModelFolder } from './conversion-plan.ts';

/** A file by its path inside the folder. */
export interface OpenedFile {
  readonly path: string;
  readonly source: ByteSource;
}

/** The largest vocabularies have 35 MB. */
const largestText = 128 * MEBIBYTE;

/** @throws AppError `invalid-argument` where a file is missing that no model can do without */
export async function readModelFolder(
  name: string,
  files: readonly OpenedFile[],
): Promise<ModelFolder> {
  const read = async (path: string): Promise<string | null> => {
    const source = files.find((file) => file.path === path)?.source;
    if (source === undefined) return null;
    if (source.size > largestText) {
      throw new AppError(
        'invalid-argument',
        `The file ${path} is too large to be one of a model.`,
        { details: { fileName: path, sizeBytes: source.size } },
      );
    }
    return new TextDecoder().decode(await source.read(0, source.size));
  };
  const [config, tokenizer] = [await read('config.json'), await read('tokenizer.json')];
  if (config === null) throw missing('config.json');
  if (tokenizer === null) throw missing('tokenizer.json');
  const weights = weightFiles(files);
  if (weights.length === 0) throw missing('model.safetensors');
  return {
    ...{ name, config, tokenizer },
    tokenizerConfig: await read('tokenizer_config.json'),
    generationConfig: await read('generation_config.json'),
    chatTemplate: await read('chat_template.jinja'),
    pooling: await read('1_Pooling/config.json'),
    weights: weights.map(({ path, source }) => {
      const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/')) : undefined;
      return {
        ...{ folder, size: source.size },
        read: (offset, length, signal) => source.read(offset, length, signal),
      };
    }),
  };
}

/** The files with weights, in an order of their own: those of the model, and of layers behind it. */
export function weightFiles<T extends { readonly path: string }>(
  files: readonly T[],
): readonly T[] {
  const all = files.filter(({ path }) => path.endsWith('.safetensors'));
  const top = all.filter(({ path }) => !path.includes('/'));
  // some folders hold the same weights once more in another form
  const named = top.filter(({ path }) => path.startsWith('model'));
  const dense = all.filter(({ path }) => /^\d_Dense\/[^/]+$/.test(path));
  return top.length === 0 ? [] : [...(named.length > 0 ? named : top), ...dense];
}

function missing(fileName: string): AppError {
  return new AppError(
    'invalid-argument',
    `The file ${fileName} is missing. Choose the whole folder of the model: config.json, tokenizer.json and the .safetensors files.`,
    { details: { fileName } },
  );
}
