import { msg } from '@lit/localize';
import type { BackendReasonView, NoticeCode } from './services.ts';

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
    msg('The page was closed while this was being written.', { id: 'notice.interrupted' }),
  'unknown-pre-tokenizer': () =>
    msg('Hermit does not know exactly how this model splits text; answers may be less good.', {
      id: 'notice.unknown-pre-tokenizer',
    }),
  'gpu-restarted': () =>
    msg('The graphics card stopped and was started again; the answer went on where it was.', {
      id: 'notice.gpu-restarted',
    }),
  'gpu-given-up': () =>
    msg('The graphics card failed again, so the processor writes on. Answers may be slower.', {
      id: 'notice.gpu-given-up',
    }),
  'saved-battery': () =>
    msg(
      'Written with 4 bits, at least in part, to spare the battery. It may be a little less exact.',
      {
        id: 'notice.saved-battery',
      },
    ),
  'saved-memory': () =>
    msg('Written with 4 bits because memory is short. It may be a little less exact.', {
      id: 'notice.saved-memory',
    }),
  'saved-mode': () =>
    msg(
      'Written with fewer bits, as the energy mode “Saver” asks. It may be a little less exact.',
      {
        id: 'notice.saved-mode',
      },
    ),
  'four-bit-loss': () =>
    msg(
      'With 4 bits the answers of this model get noticeably worse: its file was not made for that. A file made with 4 bits (Q4_K_M) loses less.',
      { id: 'notice.four-bit-loss' },
    ),
};

/** The translated sentence of a notice. */
export function noticeText(code: NoticeCode): string {
  return sentences[code]();
}

const reasons: Record<BackendReasonView, () => string> = {
  asked: () => msg('As chosen in the settings.', { id: 'backend.asked' }),
  'no-gpu': () =>
    msg('This browser offers no graphics card to compute with.', { id: 'backend.no-gpu' }),
  'software-gpu': () =>
    msg('The graphics card of this browser is a program, slower than the processor itself.', {
      id: 'backend.software-gpu',
    }),
  'gpu-refused': () =>
    msg('The graphics card cannot hold or compute this model, so the processor does.', {
      id: 'backend.gpu-refused',
    }),
  'faster-gpu': () =>
    msg('Measured: the graphics card is faster with this model.', { id: 'backend.faster-gpu' }),
  'faster-processor': () =>
    msg('Measured: the processor is faster with this model than the graphics card.', {
      id: 'backend.faster-processor',
    }),
  'gpu-reads': () =>
    msg(
      'Measured: the graphics card reads prompts faster, the processor writes faster; each does its part.',
      { id: 'backend.gpu-reads' },
    ),
  'gpu-writes': () =>
    msg(
      'Measured: the processor reads prompts faster, the graphics card writes faster; each does its part.',
      { id: 'backend.gpu-writes' },
    ),
  'device-lost': () =>
    msg('The graphics card failed repeatedly, so the processor computes.', {
      id: 'backend.device-lost',
    }),
};

/** The translated sentence that says why a model is computed where it is. */
export function backendReasonText(reason: BackendReasonView): string {
  return reasons[reason]();
}
