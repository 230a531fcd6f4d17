import { describe, expect, it } from 'vitest';
import { ObservableValue } from '../../common/observable.ts';
import { observeBattery, type BatteryLike } from './battery.ts';
import { observeDevice, type DeviceSignals } from './device-signals.ts';
import { observePageState, type VisibilityDocument } from './page-state.ts';
import { observePressure } from './pressure.ts';
import { observeSavingHints } from './saving-hints.ts';
import { isAllowed, known, missing, type Signal } from './signal.ts';
import { measureWorkerMemory } from './worker-memory.ts';

/** An event target with fields a test may change, of the shapes browsers have. */
class Source<T extends object> {
  readonly #listeners = new Map<string, (() => void)[]>();
  constructor(fields: T) {
    Object.assign(this, fields);
  }
  addEventListener(type: string, listener: () => void): void {
    this.#listeners.set(type, [...(this.#listeners.get(type) ?? []), listener]);
  }
  change(change: Partial<T>, event: string): void {
    Object.assign(this, change);
    for (const listener of this.#listeners.get(event) ?? []) listener();
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve));
const valueOf = <T>(signal: Signal<T>): T | string =>
  signal.kind === 'known' ? signal.value : signal.reason;

describe('the battery', () => {
  const made = new Source({ level: 0.21, charging: false });

  it('is read and followed', async () => {
    const battery = observeBattery({
      getBattery: () => Promise.resolve(made as unknown as BatteryLike),
    });
    expect(valueOf(battery.value)).toBe('waiting');
    await settled();
    expect(battery.value).toMatchObject({ value: { level: 0.21, charging: false } });
    const told: unknown[] = [];
    battery.subscribe((signal) => told.push(valueOf(signal)));
    made.change({ level: 0.19 }, 'levelchange');
    made.change({ charging: true }, 'chargingchange');
    expect(told).toEqual([
      { level: 0.19, charging: false },
      { level: 0.19, charging: true },
    ]);
  });

  it.each([
    [{}, 'not-supported'],
    [{ getBattery: () => Promise.reject(new DOMException('no', 'NotAllowedError')) }, 'refused'],
    [{ getBattery: () => Promise.reject(new Error('broken')) }, 'failed'],
    [
      {
        getBattery: () => {
          throw new Error('broken at once');
        },
      },
      'failed',
    ],
    [
      {
        getBattery: () =>
          Promise.resolve(new Source({ level: NaN, charging: true }) as unknown as BatteryLike),
      },
      'failed',
    ],
  ])('is missing with the reason: %#', async (browser, reason) => {
    const battery = observeBattery(browser);
    await settled();
    expect(battery.value).toMatchObject({ kind: 'missing', reason });
  });
});

describe('compute pressure', () => {
  it('follows the newest of the records and ignores states it does not know', async () => {
    let tell: (records: { state: string }[]) => void = () => undefined;
    class Observer {
      constructor(callback: typeof tell) {
        tell = callback;
      }
      observe = (): Promise<void> => Promise.resolve();
    }
    const pressure = observePressure(Observer);
    await settled();
    expect(valueOf(pressure.value)).toBe('waiting');
    tell([{ state: 'nominal' }, { state: 'serious' }]);
    expect(valueOf(pressure.value)).toBe('serious');
    tell([{ state: 'molten' }]);
    expect(valueOf(pressure.value)).toBe('serious');
  });

  it.each([
    ['NotSupportedError', 'not-supported'],
    ['NotAllowedError', 'refused'],
    ['Error', 'failed'],
  ])('is missing where observing ends with %s', async (name, reason) => {
    class Observer {
      observe = (): Promise<void> => Promise.reject(new DOMException('no', name));
    }
    const pressure = observePressure(Observer);
    await settled();
    expect(valueOf(pressure.value)).toBe(reason);
  });

  it('is missing where there is no observer', () => {
    expect(valueOf(observePressure(undefined).value)).toBe('not-supported');
  });
});

describe('what a document may use', () => {
  const page = (allowed: boolean, features = ['compute-pressure']) => ({
    featurePolicy: { allowsFeature: () => allowed, features: () => features },
  });
  it.each([
    [{}, true],
    [page(true), true],
    [page(false), false],
    [page(false, ['camera']), true],
  ])('is asked where the browser can tell: %#', (document, allowed) => {
    expect(isAllowed('compute-pressure', document)).toBe(allowed);
  });
});

describe('the page', () => {
  it('is seen hidden, frozen, and back', () => {
    const page = new Source<{ visibilityState: 'visible' | 'hidden' }>({
      visibilityState: 'visible',
    });
    const state = observePageState(page as unknown as VisibilityDocument);
    const told = [valueOf(state.value)];
    state.subscribe((signal) => told.push(valueOf(signal)));
    page.change({ visibilityState: 'hidden' }, 'visibilitychange');
    page.change({}, 'freeze');
    page.change({}, 'resume');
    page.change({ visibilityState: 'visible' }, 'visibilitychange');
    expect(told).toEqual(['visible', 'hidden', 'frozen', 'hidden', 'visible']);
  });
});

describe('the wish to save', () => {
  const query = (
    media: string,
  ): Source<{ matches: boolean; media: string }> & {
    matches: boolean;
    media: string;
  } => new Source({ matches: false, media }) as never;

  it('follows Save-Data and the connection', () => {
    const connection = new Source({ saveData: false, type: 'wifi' });
    const hints = observeSavingHints({ connection, reducedData: query('not all') });
    expect(valueOf(hints.value)).toEqual({ saving: false, connection: 'wifi' });
    connection.change({ saveData: true, type: 'cellular' }, 'change');
    expect(valueOf(hints.value)).toEqual({ saving: true, connection: 'cellular' });
  });

  it('follows the media feature alone', () => {
    const reducedData = query('(prefers-reduced-data: reduce)');
    const hints = observeSavingHints({ connection: undefined, reducedData });
    reducedData.change({ matches: true }, 'change');
    expect(valueOf(hints.value)).toEqual({ saving: true, connection: null });
  });

  it('is missing where the browser knows neither', () => {
    const hints = observeSavingHints({ connection: undefined, reducedData: query('not all') });
    expect(valueOf(hints.value)).toBe('not-supported');
  });
});

describe('memory of workers', () => {
  it('counts what belongs to them and not to the page', async () => {
    const part = (bytes: number, ...scopes: string[]) => ({
      bytes,
      attribution: scopes.map((scope) => ({ scope })),
    });
    const signal = await measureWorkerMemory({
      measureUserAgentSpecificMemory: () =>
        Promise.resolve({
          bytes: 66,
          breakdown: [
            part(1, 'Window'),
            part(20, 'DedicatedWorkerGlobalScope'),
            part(40, 'Window', 'DedicatedWorkerGlobalScope'),
            part(5),
          ],
        }),
    });
    expect(valueOf(signal)).toBe(60);
  });

  it('is missing where it cannot be measured or was refused', async () => {
    expect(valueOf(await measureWorkerMemory({}))).toBe('not-supported');
    const refusing = {
      measureUserAgentSpecificMemory: () => Promise.reject(new DOMException('', 'SecurityError')),
    };
    expect(valueOf(await measureWorkerMemory(refusing))).toBe('refused');
  });
});

describe('the device', () => {
  it('is all signals in one value, told anew at every change', () => {
    const battery = new ObservableValue<DeviceSignals['battery']>(missing('a', 'waiting'));
    const sources = {
      battery,
      pressure: new ObservableValue<DeviceSignals['pressure']>(missing('b', 'not-supported')),
      page: new ObservableValue<DeviceSignals['page']>(known('visible', 'c')),
      saving: new ObservableValue<DeviceSignals['saving']>(missing('d', 'not-supported')),
      deviceMemory: new ObservableValue<DeviceSignals['deviceMemory']>(known(8, 'e', 'guessed')),
    };
    const device = observeDevice(sources);
    const told: string[] = [];
    device.subscribe((signals) => told.push(signals.battery.kind));
    battery.set(known({ level: 1, charging: true }, 'a'));
    expect(told).toEqual(['known']);
    expect(device.value.page).toMatchObject({ value: 'visible' });
  });
});
