/**
 * The battery, by the Battery Status API (https://w3c.github.io/battery/): Chromium alone has it, in
 * pages of secure contexts. A device without a battery reports a full one that is charging.
 */
import { ObservableValue, type Observable } from '../../common/observable.ts';
import { known, missing, refusalOf, type Signal } from './signal.ts';

export interface BatteryReading {
  /** 0 to 1; Chromium rounds it to hundredths. */
  readonly level: number;
  readonly charging: boolean;
}

/** The part of a `BatteryManager` used here. */
export interface BatteryLike {
  readonly level: number;
  readonly charging: boolean;
  addEventListener(type: 'levelchange' | 'chargingchange', listener: () => void): void;
}

export interface BatteryNavigator {
  readonly getBattery?: () => Promise<BatteryLike>;
}

const source = 'Battery Status API';

export function observeBattery(
  browser: BatteryNavigator = navigator as BatteryNavigator,
): Observable<Signal<BatteryReading>> {
  if (typeof browser.getBattery !== 'function') {
    return new ObservableValue<Signal<BatteryReading>>(missing(source, 'not-supported'));
  }
  const signal = new ObservableValue<Signal<BatteryReading>>(missing(source, 'waiting'));
  const follow = (battery: BatteryLike): void => {
    const read = (): void => {
      const { level, charging } = battery;
      const sound = typeof level === 'number' && level >= 0 && level <= 1;
      signal.set(sound ? known({ level, charging }, source) : missing(source, 'failed'));
    };
    battery.addEventListener('levelchange', read);
    battery.addEventListener('chargingchange', read);
    read();
  };
  const ask = async (): Promise<BatteryLike> => {
    if (browser.getBattery === undefined) throw new Error('there is no battery to ask for');
    return browser.getBattery();
  };
  ask().then(follow, (error: unknown) => {
    signal.set(missing(source, refusalOf(error)));
  });
  return signal;
}
