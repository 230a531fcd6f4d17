/**
 * A copy of a model from the person's own Hermit. Storage in a frame of another site is apart from
 * that of Hermit's own site, so the frame opens Hermit in a window of its own; there the person
 * chooses a model, and its files come over as files, without a download.
 */

/** Both sides are of the same origin, and check it. */
interface CopyMessage {
  readonly hermit: 'copy-files';
  readonly files: readonly File[];
}

/** The fragment that makes the widget's page the window to choose in. */
export const COPY_FRAGMENT = '#copy';

/** Resolves with the files, or null when the window was closed or could not be opened. */
export function fetchCopy(): Promise<readonly File[] | null> {
  const opened = open(`/widget${COPY_FRAGMENT}`, '_blank', 'popup,width=480,height=640');
  if (opened === null) return Promise.resolve(null);
  return new Promise((resolve) => {
    const finish = (files: readonly File[] | null): void => {
      removeEventListener('message', onMessage);
      clearInterval(watching);
      resolve(files);
    };
    const onMessage = ({ source, origin, data }: MessageEvent<unknown>): void => {
      if (source !== opened || origin !== location.origin) return;
      const files = filesOf(data);
      if (files === null) return;
      opened.close();
      finish(files);
    };
    // No event tells that another window was closed.
    const watching = setInterval(() => {
      if (opened.closed) finish(null);
    }, 500);
    addEventListener('message', onMessage);
  });
}

/** In the opened window: hands over, to nobody of another origin. */
export function giveCopy(files: readonly File[]): void {
  const message: CopyMessage = { hermit: 'copy-files', files };
  (opener as Window | null)?.postMessage(message, location.origin);
}

function filesOf(data: unknown): readonly File[] | null {
  const message = data as Partial<CopyMessage> | null;
  if (message?.hermit !== 'copy-files' || !Array.isArray(message.files)) return null;
  return message.files.every((file) => file instanceof File) ? message.files : null;
}
