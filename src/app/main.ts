/** Entry point of the page. */
import { toAppError } from '../common/errors.ts';
import { onOpenedFiles, sharedText } from '../pwa/launch.ts';
import { reloadIntoIsolation } from '../pwa/isolating-reload.ts';
import { type ReloadMemory, reloadWhenPartsAreMissing } from '../pwa/preload-error-guard.ts';
import { allowOwnScriptUrls } from '../pwa/trusted-script-urls.ts';
import { saveDraft } from '../ui/drafts.ts';
import type { HermitApp } from '../ui/hermit-app/hermit-app.ts';
import type { Hermit } from './page-api/hermit.ts';
import { createApplication } from './services.ts';
import '../ui/hermit-app/hermit-app.ts';

declare global {
  var hermit: Hermit;
}

declare const __HERMIT_VERSION__: string;

/** Errors here have no place in the interface; the console is for the developer who looks. */
function report(error: unknown): void {
  const { code, message } = toAppError(error);
  if (code === 'aborted') return;
  console.warn(`Hermit [${code}]: ${message}`, error);
}

/**
 * Where the browser denies storage, access itself throws. What cannot remember that it was reloaded
 * says that it was, or it would reload for ever.
 */
function tabMemory(): ReloadMemory {
  try {
    return sessionStorage;
  } catch {
    return { getItem: () => __HERMIT_VERSION__, setItem: () => undefined };
  }
}

allowOwnScriptUrls();
void reloadIntoIsolation({
  isolated: crossOriginIsolated,
  lacksHeaders: async () => {
    const { headers } = await fetch(location.pathname, { method: 'HEAD' });
    return !headers.has('Cross-Origin-Embedder-Policy');
  },
  serviceWorker: 'serviceWorker' in navigator ? navigator.serviceWorker : null,
  memory: tabMemory(),
  events: globalThis,
  reload: () => {
    location.reload();
  },
}).catch(report);
reloadWhenPartsAreMissing({
  events: globalThis,
  memory: tabMemory(),
  version: __HERMIT_VERSION__,
  isOnline: () => navigator.onLine,
  // Drafts are kept in sessionStorage while they are typed.
  saveDraft: () => Promise.resolve(),
  reload: () => {
    location.reload();
  },
  report,
});

const shared = sharedText(location.href);
if (shared !== null) {
  // Into the field of a new chat, where the person reads it before anything else.
  saveDraft(null, shared.text);
  history.replaceState(null, '', shared.rest);
}

const application = await createApplication(__HERMIT_VERSION__);
globalThis.hermit = application.hermit;
const element = document.querySelector<HermitApp>('hermit-app');
if (element !== null) element.services = application.services;
onOpenedFiles((files) => element?.addFiles(files) ?? Promise.resolve());
await application.start(report).catch(report);
