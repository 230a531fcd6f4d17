/** Looks at the first bytes of a file, before more of it is fetched than needed. */
import { AppError, ModelFileError } from '../common/errors.ts';

/** How many bytes decide. */
export const sniffBytes = 4;

/**
 * @param head the first bytes of the file, at least `sniffBytes` unless the file is shorter
 * @throws AppError `download/not-a-model` for pages and the like, `model-file/not-gguf` for other files
 */
export function checkModelStart(head: Uint8Array, fileName: string): void {
  const text = new TextDecoder('latin1').decode(head.subarray(0, 512));
  if (text.startsWith('GGUF')) return;
  // A byte order mark, read as Latin-1, and white space may stand before.
  const start = text.replace(/^\u00EF\u00BB\u00BF/u, '').trimStart();
  if (start.startsWith('<')) {
    throw new AppError(
      'download/not-a-model',
      'The server sent a web page instead of a model. Check that the address is that of the file itself.',
      { details: { fileName, kind: 'html' } },
    );
  }
  if (start.startsWith('{') || start.startsWith('[')) {
    throw new AppError(
      'download/not-a-model',
      'The server sent a message instead of a model. Check that the address is that of the file itself.',
      { details: { fileName, kind: 'json' } },
    );
  }
  if (start.startsWith('vers')) {
    throw new AppError(
      'download/not-a-model',
      'The server sent a reference to the model (Git LFS) instead of the model. Use the download address of the file.',
      { details: { fileName, kind: 'git-lfs' } },
    );
  }
  throw new ModelFileError(
    'model-file/not-gguf',
    `"${fileName}" is not a model in the GGUF format. Look for a file that ends with .gguf.`,
    { field: 'magic', offsetBytes: 0 },
  );
}
