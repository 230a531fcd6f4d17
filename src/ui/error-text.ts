import { msg, str } from '@lit/localize';
import type { ErrorCode, ErrorDetails } from '../common/errors.ts';
import { formatBytes, formatNumber } from './format.ts';
import type { ErrorView } from './services.ts';

/**
 * A sentence for every code, in the language of the interface: what happened, what is safe, what to
 * do next. `internal` and `invalid-argument` add the English message, which an expert may need.
 */
export function errorText(error: ErrorView): string {
  return sentences[error.code](error.details, error.message);
}

type Sentence = (details: ErrorDetails, message: string) => string;

/** A detail as text, or a dash where it was not given. */
function text(details: ErrorDetails, name: string): string {
  const value = details[name];
  if (value === undefined || value === null) return '—';
  if (typeof value === 'number') return formatNumber(value, 2);
  return typeof value === 'object' ? value.join(', ') : String(value);
}

/** The words of the template alone; only the whole message is stored with a chat. */
function refusal({ reason }: ErrorDetails, message: string): string {
  return typeof reason === 'string' ? reason : message;
}

/** The first of several detail names that holds a number of bytes, as text; null where none does. */
function bytes(details: ErrorDetails, ...names: readonly string[]): string | null {
  for (const name of names) {
    const value = details[name];
    if (typeof value === 'number') return formatBytes(value);
  }
  return null;
}

const sentences: Record<ErrorCode, Sentence> = {
  internal: (_details, message) =>
    msg(
      str`Something unexpected went wrong. Your chats and models are safe. Reload the page; if it happens again, report this: ${message}`,
      { id: 'error.internal' },
    ),
  aborted: () => msg('Stopped. Everything so far was kept.', { id: 'error.aborted' }),
  'invalid-argument': (_details, message) =>
    msg(str`That cannot be done as asked: ${message} Check what was entered and try again.`, {
      id: 'error.invalid-argument',
    }),
  'not-supported': () =>
    msg(
      'This browser cannot do that. Nothing was lost. A recent Chrome, Edge, Firefox or Safari can.',
      { id: 'error.not-supported' },
    ),
  'model-file/not-gguf': () =>
    msg(
      'This is not a GGUF model file, so it was not kept. Look for a file whose name ends in .gguf and add that one.',
      { id: 'error.model-file/not-gguf' },
    ),
  'model-file/truncated': () =>
    msg(
      'The model file ends too early; part of it is missing. Get the whole file and add it again.',
      { id: 'error.model-file/truncated' },
    ),
  'model-file/malformed': (details) =>
    msg(
      str`The model file contradicts itself (at: ${text(details, 'field')}). It cannot be trusted, so it is not used. Download it again or choose another file.`,
      { id: 'error.model-file/malformed' },
    ),
  'model-file/limit': (details) =>
    msg(
      str`The model file asks for more than Hermit allows (${text(details, 'field')}). It was not opened, to keep your device safe. Choose another file.`,
      { id: 'error.model-file/limit' },
    ),
  'model-file/unsupported-version': (details) =>
    msg(
      str`This is GGUF version ${text(details, 'version')}; Hermit reads versions 2 and 3. Choose a newer file of the same model.`,
      { id: 'error.model-file/unsupported-version' },
    ),
  'model-file/unsupported-architecture': (details) =>
    msg(
      str`Hermit cannot run models of the kind “${text(details, 'architecture')}” yet. The file is fine; choose another model from the catalogue.`,
      { id: 'error.model-file/unsupported-architecture' },
    ),
  'model-file/wrong-kind': (details) =>
    text(details, 'purpose') === 'embedding'
      ? msg(
          'This model turns texts into numbers for search and cannot answer. Choose another model to talk to.',
          { id: 'error.model-file/wrong-kind.embedding' },
        )
      : msg(
          'This model answers and does not turn texts into numbers for search. Choose an embedding model for that.',
          { id: 'error.model-file/wrong-kind.chat' },
        ),
  'model-file/in-parts': (details) => {
    const parts = text(details, 'parts');
    const { missing } = details;
    if (Array.isArray(missing)) {
      return msg(
        str`This model has ${parts} files. Choose all of them together. Missing: ${missing.slice(0, 3).join(', ')}${missing.length > 3 ? '…' : ''}`,
        { id: 'error.model-file/in-parts.missing' },
      );
    }
    return details['foreign'] === true
      ? msg(
          str`File ${text(details, 'part')} of ${parts} does not belong to the same model as the others. Get all ${parts} files again from one place.`,
          { id: 'error.model-file/in-parts.foreign' },
        )
      : msg(
          str`This file is one part of a model in ${parts} files. Add all of them together, under the names their publisher gave them.`,
          { id: 'error.model-file/in-parts' },
        );
  },
  'model-file/unsupported-tensor-type': (details) =>
    msg(
      str`This file is stored in a way Hermit cannot read yet (${text(details, 'type')}). Choose another file of the same model, for example Q4_0 or Q8_0.`,
      { id: 'error.model-file/unsupported-tensor-type' },
    ),
  'model-file/unsupported-tokenizer': (details) =>
    msg(
      str`This model splits text in a way Hermit does not know yet (${text(details, 'tokenizer')}). Choose another model from the catalogue.`,
      { id: 'error.model-file/unsupported-tokenizer' },
    ),
  'model-file/missing-tensor': (details) =>
    msg(
      str`The model file lacks a part it needs (${text(details, 'tensor')}). Download it again or choose another file.`,
      { id: 'error.model-file/missing-tensor' },
    ),
  'model-file/invalid-numbers': () =>
    msg(
      'The model gives values that are not numbers, so it was stopped. Verify it on the Models page; if its file is sound, choose another one.',
      { id: 'error.model-file/invalid-numbers' },
    ),
  'engine/out-of-memory': () =>
    msg(
      'This device has too little free memory for the model. Your chats are safe. Close other tabs, choose a shorter context in Settings, or a smaller model.',
      { id: 'error.engine/out-of-memory' },
    ),
  'engine/context-overflow': () =>
    msg(
      'This chat is longer than the model can hold in mind. Shorten your message, start a new chat, or raise the context length in Settings.',
      { id: 'error.engine/context-overflow' },
    ),
  'engine/not-loaded': () =>
    msg('No model is loaded. Choose one at the top of the page, then try again.', {
      id: 'error.engine/not-loaded',
    }),
  'engine/other-model': () =>
    msg(
      'Another model began this answer. Choose that one to go on with it, or have it answered again.',
      { id: 'error.engine/other-model' },
    ),
  'engine/busy': () =>
    msg('The model is still at work on something else. Wait for it to finish, or stop it first.', {
      id: 'error.engine/busy',
    }),
  'engine/worker-died': () =>
    msg(
      'The model stopped unexpectedly, probably for lack of memory. What was written is kept. Try again; if it happens again, choose a smaller model.',
      { id: 'error.engine/worker-died' },
    ),
  'engine/worker-silent': () =>
    msg('The model did not respond and was restarted. What was written is kept. Try again.', {
      id: 'error.engine/worker-silent',
    }),
  'engine/backend-unavailable': () =>
    msg(
      'The way of computing chosen for this model is not available in this browser. Update the browser or try another one.',
      { id: 'error.engine/backend-unavailable' },
    ),
  'engine/device-lost': () =>
    msg('The graphics card stopped working for this page. What was written is kept. Try again.', {
      id: 'error.engine/device-lost',
    }),
  'engine/asset-mismatch': () =>
    msg('Hermit was updated only in part. Reload the page; your chats and models are safe.', {
      id: 'error.engine/asset-mismatch',
    }),
  'template/refused': (details, message) =>
    msg(
      str`The model’s chat format refused these messages: ${refusal(details, message)} Start a new chat or change the system prompt.`,
      { id: 'error.template/refused' },
    ),
  'template/broken': () =>
    msg('The chat format inside this model file is broken. Try another file of the same model.', {
      id: 'error.template/broken',
    }),
  'template/deadline': () =>
    msg(
      'The chat format inside this model file took too long and was stopped. Try another file of the same model.',
      { id: 'error.template/deadline' },
    ),
  'download/network': () =>
    msg(
      'The connection broke. What was downloaded is kept. Check the connection, then continue. If it never connects, the server may not allow downloads by web pages: download the file yourself and add it from this device.',
      { id: 'error.download/network' },
    ),
  'download/offline': () =>
    msg(
      'You are offline. What was downloaded is kept, and the models that are ready go on working. Continue when you are online.',
      { id: 'error.download/offline' },
    ),
  'download/not-found': () =>
    msg(
      'There is no file at this address. Check the address, or find the file again on its site.',
      {
        id: 'error.download/not-found',
      },
    ),
  'download/access-denied': () =>
    msg(
      'The server does not give this file to everyone. Accept its terms on its site, download it there, and add the file from this device.',
      { id: 'error.download/access-denied' },
    ),
  'download/rate-limited': () =>
    msg('The server asks to slow down. What was downloaded is kept. Continue in a few minutes.', {
      id: 'error.download/rate-limited',
    }),
  'download/server-error': (details) =>
    msg(
      str`The server has a problem (${text(details, 'status')}). What was downloaded is kept. Continue later.`,
      { id: 'error.download/server-error' },
    ),
  'download/not-a-model': () =>
    msg(
      'The address leads to a web page or another kind of file, not to a model. Copy the address of the download button itself; it ends in .gguf.',
      { id: 'error.download/not-a-model' },
    ),
  'download/changed-upstream': () =>
    msg(
      'The file changed on the server during the download, so the parts do not fit together. Start the download again.',
      { id: 'error.download/changed-upstream' },
    ),
  'download/bad-range': (details) =>
    msg(
      str`The server ${text(details, 'host')} keeps sending another part of the file than the one asked for, so nothing more was taken from it. Continue later, or add the model from another address.`,
      { id: 'error.download/bad-range' },
    ),
  'download/stalled': () =>
    msg(
      'No data has come for a while. What was downloaded is kept. Check the connection, then continue.',
      {
        id: 'error.download/stalled',
      },
    ),
  'download/hash-mismatch': () =>
    msg(
      'The file differs from what its publisher signed off (the checksum does not match), so it is not used. Download it again.',
      { id: 'error.download/hash-mismatch' },
    ),
  'download/insecure-url': () =>
    msg(
      'The address is not secure. Use one that begins with https://; plain http:// works only for a server on this device.',
      { id: 'error.download/insecure-url' },
    ),
  'download/local-file-changed': () =>
    msg('The file on this device changed or was moved while it was read. Add it again.', {
      id: 'error.download/local-file-changed',
    }),
  'store/quota': (details) => {
    const stored = bytes(details, 'bytesStored');
    const needed = bytes(details, 'bytesNeeded');
    return stored !== null && needed !== null
      ? msg(
          str`Not enough storage: ${stored} of ${needed} stored. What was downloaded is kept. Free some space or delete a model, then continue.`,
          { id: 'error.store/quota.sizes' },
        )
      : msg(
          'Not enough storage. What was stored is kept. Free some space or delete a model, then continue.',
          { id: 'error.store/quota' },
        );
  },
  'store/unavailable': () =>
    msg(
      'The browser does not let this page store anything, perhaps because the window is private. Models and chats last until the tab is closed. Export what you want to keep.',
      { id: 'error.store/unavailable' },
    ),
  'store/damaged': (details) =>
    details['offline'] === true
      ? msg(
          'Part of the stored model is damaged, and fetching that part again needs the internet. Your chats are safe. Connect, then choose the model again.',
          { id: 'error.store/damaged.offline' },
        )
      : msg(
          'Part of the stored model is damaged. Your chats are safe. Verify it on the Models page while online to fetch just that part again.',
          { id: 'error.store/damaged' },
        ),
  'store/not-ready': () =>
    msg('This model is not complete yet. Finish its download on the Models page first.', {
      id: 'error.store/not-ready',
    }),
  'store/not-found': () =>
    msg('That is no longer here; it may have been deleted in another tab.', {
      id: 'error.store/not-found',
    }),
  'store/in-use': () =>
    msg('Another tab is using this. Close it there or wait, then try again.', {
      id: 'error.store/in-use',
    }),
  'store/closed': () =>
    msg(
      'The browser closed the storage, perhaps because Hermit was updated in another tab. Reload this page; nothing stored was lost.',
      { id: 'error.store/closed' },
    ),
  'embed/refused': () =>
    msg('This page was not allowed to do that with Hermit. Nothing was shared with it.', {
      id: 'error.embed/refused',
    }),
  'embed/closed': () =>
    msg('The connection between the page and Hermit has ended. Reload the page to connect again.', {
      id: 'error.embed/closed',
    }),
  'embed/limit': () =>
    msg('The page asked Hermit for too much at once. Wait a moment and try again.', {
      id: 'error.embed/limit',
    }),
  'catalog/invalid': ({ reason }) =>
    typeof reason === 'string'
      ? msg(
          str`The new catalogue is not used (${reason}); the one before stays. Get the file again from where it is published.`,
          { id: 'error.catalog/invalid.update' },
        )
      : msg(
          'The catalogue could not be read. You can still add a model by its address or from this device.',
          { id: 'error.catalog/invalid' },
        ),
};
