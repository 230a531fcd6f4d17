import { describe, expect, it } from 'vitest';
import { ObservableValue } from '../common/observable.ts';
import { UpdateController, type ServiceWorkerClient } from './update-controller.ts';

/** A service worker whose events the test fires. */
class ScriptedClient implements ServiceWorkerClient {
  readonly #listeners: { type: string; listener: () => void }[] = [];
  registered = 0;
  skipped = 0;
  failure: Error | null = null;

  register(): Promise<unknown> {
    this.registered += 1;
    return this.failure ? Promise.reject(this.failure) : Promise.resolve();
  }

  addEventListener(type: 'waiting' | 'controlling', listener: () => void): void {
    this.#listeners.push({ type, listener });
  }

  messageSkipWaiting(): void {
    this.skipped += 1;
  }

  fire(type: 'waiting' | 'controlling'): void {
    for (const each of this.#listeners) if (each.type === type) each.listener();
  }
}

function setUp(isBusy = false) {
  const client = new ScriptedClient();
  const busy = new ObservableValue(isBusy);
  let reloads = 0;
  const controller = new UpdateController({ client, busy, reload: () => (reloads += 1) });
  return { client, busy, controller, reloads: () => reloads };
}

describe('UpdateController', () => {
  it('offers an update, switches only when told to, and reloads when the new version is in charge', () => {
    const { client, controller, reloads } = setUp();
    expect(controller.state.value).toBe('none');
    client.fire('waiting');
    expect(controller.state.value).toBe('ready');
    expect(client.skipped).toBe(0);
    controller.apply();
    expect(client.skipped).toBe(1);
    expect(reloads()).toBe(0);
    client.fire('controlling');
    expect(reloads()).toBe(1);
  });

  it('waits for the end of the work under way', () => {
    const { client, busy, controller } = setUp(true);
    const seen: string[] = [];
    controller.state.subscribe((state) => seen.push(state));
    client.fire('waiting');
    controller.apply();
    expect(client.skipped).toBe(0);
    busy.set(false);
    busy.set(true);
    busy.set(false);
    expect(seen).toEqual(['waiting', 'ready', 'waiting', 'ready']);
    controller.apply();
    expect(client.skipped).toBe(1);
  });

  it('does not reload a tab that did not ask when another one switches', () => {
    const { client, reloads } = setUp();
    client.fire('waiting');
    client.fire('controlling');
    expect(reloads()).toBe(0);
  });

  it('asks the service worker once, however often it is told', () => {
    const { client, controller } = setUp();
    client.fire('waiting');
    controller.apply();
    controller.apply();
    expect(client.skipped).toBe(1);
  });

  it('reports busy changes only once there is an update', () => {
    const { busy, controller } = setUp();
    busy.set(true);
    busy.set(false);
    expect(controller.state.value).toBe('none');
  });

  it('says what to do when the browser refuses the service worker', async () => {
    const { client, controller } = setUp();
    client.failure = new DOMException('quota', 'QuotaExceededError');
    await expect(controller.start()).rejects.toMatchObject({
      code: 'not-supported',
      cause: client.failure,
    });
  });

  it('does nothing where there are no service workers', async () => {
    const controller = new UpdateController({
      client: null,
      busy: new ObservableValue(false),
      reload: () => expect.unreachable(),
    });
    await controller.start();
    controller.apply();
    expect(controller.state.value).toBe('none');
    controller.dispose();
  });
});
