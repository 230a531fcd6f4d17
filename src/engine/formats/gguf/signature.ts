/**
 * The first bytes of a file: GGUF, or what it most likely is instead. The usual impostors are the
 * answers of web servers, because models are fetched by address.
 */
import { ModelFileError } from '../../../common/errors.ts';
import { truncated } from './file-errors.ts';

/** How many bytes of a file are enough to tell what it is. */
export const signatureBytes = 256;

const magic = 'GGUF';
const ask = 'Choose a file whose name ends in .gguf.';

/**
 * Checks that a file begins as a GGUF file does.
 * @param head the first `signatureBytes` bytes, or the whole file when it is shorter
 * @throws ModelFileError `model-file/not-gguf`, `model-file/truncated`
 */
export function checkGgufSignature(head: Uint8Array): void {
  const text = latin1(head.subarray(0, signatureBytes));
  if (text.startsWith(magic)) return;
  const at = { field: 'magic', offsetBytes: 0 };
  if (magic.startsWith(text)) {
    throw truncated(at, text === '' ? 'it is empty' : 'it ends within the first four bytes');
  }
  throw new ModelFileError('model-file/not-gguf', describeImpostor(head, text), at);
}

function describeImpostor(head: Uint8Array, text: string): string {
  // A byte order mark (as UTF-8, read as Latin-1) may stand before the text.
  const start = text.replace(/^(?:\u00ef\u00bb\u00bf)?\s*/, '').toLowerCase();
  if (/^<(?:!doctype|!--|html|head|body|\?xml)/.test(start)) {
    return `The server sent a web page instead of a model. Check the address: it must lead to the file itself. ${ask}`;
  }
  if (/^[{[]\s*["{[\]}]/.test(start)) {
    return `The server sent a JSON message instead of a model. Check the address: it must lead to the file itself. ${ask}`;
  }
  if (start.startsWith('version https://git-lfs')) {
    return `This is a pointer to a model (Git LFS), not the model. Download the file itself. ${ask}`;
  }
  if (['lmgg', 'fmgg', 'tjgg', 'algg'].includes(text.slice(0, 4))) {
    return `This model is in an old format from before GGUF. Look for a GGUF version of it. ${ask}`;
  }
  if (text.startsWith('PK')) {
    return `This is an archive (zip or PyTorch), not a GGUF model. ${ask}`;
  }
  // safetensors: the length of a JSON header in 8 bytes, then the header.
  if (text[8] === '{' && head[6] === 0 && head[7] === 0) {
    return `This is a safetensors file, not a GGUF model. Look for a GGUF version of it. ${ask}`;
  }
  return `This is not a GGUF model. ${ask}`;
}

function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}
