import { ModelFileError } from '../../common/errors.ts';

/** The error for a tokenizer.json that GGUF cannot express. */
export function unsupportedTokenizer(what: string): ModelFileError {
  return new ModelFileError(
    'model-file/unsupported-tokenizer',
    `The model's tokenizer.json has ${what} that Hermit cannot convert. Look for a GGUF file of this model.`,
    { field: 'tokenizer.json', offsetBytes: 0 },
    { details: { tokenizer: what } },
  );
}
