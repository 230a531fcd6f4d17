import { expose, type Endpoint } from 'comlink';
import './errors-over-wire.ts';
import type { Pingable } from './worker-owner.ts';

/**
 * Offers an interface to the page from inside a worker, or on a port to another tab, with the
 * heartbeat every worker answers.
 */
export function exposeApi(api: object, port?: Endpoint): void {
  const pingable: Pingable = { ping: () => undefined };
  expose(Object.assign(api, pingable), port);
}
