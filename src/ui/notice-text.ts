import { msg } from '@lit/localize';
import type { NoticeCode } from './services.ts';

const sentences: Record<NoticeCode, () => string> = {
  'default-template': () =>
    msg('The model file has no usable chat format, so a general one is used.', {
      id: 'notice.default-template',
    }),
  'template-refused-system': () =>
    msg('This model takes no system prompt; it was put before your first message.', {
      id: 'notice.template-refused-system',
    }),
  'tools-in-words': () =>
    msg('The chat format of this model knows no tools; they were described to it in words.', {
      id: 'notice.tools-in-words',
    }),
  'context-full': () =>
    msg(
      'The answer ended because the context is full. Start a new chat, or raise the context length in Settings.',
      {
        id: 'notice.context-full',
      },
    ),
  'older-messages-dropped': () =>
    msg('The chat is long: the model no longer sees its oldest messages.', {
      id: 'notice.older-messages-dropped',
    }),
  interrupted: () =>
    msg('The page was closed while this was being written. Regenerate to get a whole answer.', {
      id: 'notice.interrupted',
    }),
  'unknown-pre-tokenizer': () =>
    msg('Hermit does not know exactly how this model splits text; answers may be less good.', {
      id: 'notice.unknown-pre-tokenizer',
    }),
};

/** The translated sentence of a notice. */
export function noticeText(code: NoticeCode): string {
  return sentences[code]();
}
