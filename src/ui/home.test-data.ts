import { ContextProvider } from '@lit/context';
import { servicesContext } from './context.ts';
import type { Services } from './services.ts';

/** A place in the page whose components find `services`; to be removed after the test. */
export function homeWith(services: Services): HTMLElement {
  const home = document.createElement('div');
  new ContextProvider(home, { context: servicesContext, initialValue: services }).hostConnected();
  document.body.append(home);
  return home;
}
