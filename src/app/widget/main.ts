/** Entry point of `/widget`: Hermit inside a frame of another page. */
import { toAppError } from '../../common/errors.ts';
import { acceptHost, type AcceptedHost } from '../../embed/frame/accept-host.ts';
import { parseEmbedOrigins } from '../../embed/frame/embed-origins.ts';
import { HostSession, parseConfiguration } from '../../embed/frame/host-session.ts';
import { SiteMemory } from '../../embed/frame/site-memory.ts';
import { allowOwnScriptUrls } from '../../pwa/trusted-script-urls.ts';
import type { WidgetApp } from '../../ui/widget-app/widget-app.ts';
import { createApplication } from '../services.ts';
import { browserStorage } from '../settings.ts';
import { apiMethods } from './api-methods.ts';
import { chatToolsOf } from './chat-tools.ts';
import { COPY_FRAGMENT } from './fetch-copy.ts';
import { FrameWidgetService } from './frame-widget-service.ts';
import '../../ui/widget-app/widget-app.ts';

declare const __HERMIT_VERSION__: string;

/** A page that loaded `/embed.js` answers at once; one that did not never will. */
const SILENCE_MS = 10_000;

allowOwnScriptUrls();
const widget = new FrameWidgetService({
  theme: 'system',
  locale: null,
  placeholder: null,
  model: null,
  closable: true,
});
widget.configure(
  parseConfiguration(Object.fromEntries(new URLSearchParams(location.hash.slice(1)))),
);
const element = document.querySelector<WidgetApp>('hermit-widget-app');
if (element !== null) element.widget = widget;

if (self.origin === 'null') {
  widget.status.set({ kind: 'refused', origin: null, reason: 'sandbox' });
} else if (window.parent === window) {
  const copying = location.hash === COPY_FRAGMENT && window.opener !== null;
  widget.status.set({ kind: copying ? 'copying' : 'alone' });
  await start(null);
} else {
  await start(await waitForHost());
}

async function waitForHost(): Promise<AcceptedHost> {
  const allowed = await readEmbedOrigins();
  const silence = setTimeout(() => {
    widget.status.set({ kind: 'refused', origin: null, reason: 'silent' });
  }, SILENCE_MS);
  const host = await acceptHost(
    window,
    (origin) => origin === location.origin || allowed.has(origin),
    (origin, reason) => {
      clearTimeout(silence);
      widget.status.set({ kind: 'refused', origin, reason });
    },
  );
  clearTimeout(silence);
  return host;
}

async function readEmbedOrigins(): Promise<ReadonlySet<string>> {
  try {
    return parseEmbedOrigins(await (await fetch('/embed-origins.json')).json());
  } catch (error) {
    report(error); // without the list nobody but Hermit itself may show it
    return new Set();
  }
}

async function start(host: AcceptedHost | null): Promise<void> {
  const own = host === null || host.origin === location.origin;
  const application = await createApplication(__HERMIT_VERSION__, {
    // In a frame of another site nothing is stored that the person did not ask for.
    serviceWorker: false,
    tools: chatToolsOf(() => widget.session?.tools ?? null),
  });
  const { hermit, services } = application;
  if (element !== null) element.services = services;
  if (host !== null) {
    widget.status.set({ kind: 'connected', origin: host.origin, own });
    widget.session = new HostSession({
      host,
      own,
      memory: new SiteMemory(browserStorage()),
      consent: widget.consent,
      api: apiMethods(hermit, widget.confirmInstall),
      onConfigure: (configuration) => {
        widget.configure(configuration);
      },
      onFill: (text) => {
        widget.fill(text);
      },
      onChange: () => {
        widget.refreshGrants();
      },
    });
    widget.refreshGrants();
  }
  await application.start(report).catch(report);
}

/** Errors here have no place in the interface; the console is for the developer who looks. */
function report(error: unknown): void {
  const { code, message } = toAppError(error);
  if (code !== 'aborted') console.warn(`Hermit [${code}]: ${message}`, error);
}
