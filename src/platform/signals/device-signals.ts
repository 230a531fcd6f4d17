/** Everything this browser tells about the device, as one value that changes. */
import { ObservableValue, type Observable } from '../../common/observable.ts';
import { memoryHints } from '../memory-budget.ts';
import { observeBattery, type BatteryReading } from './battery.ts';
import { observePageState, type PageState } from './page-state.ts';
import { observePressure, type PressureLevel } from './pressure.ts';
import { observeSavingHints, type SavingHints } from './saving-hints.ts';
import { known, missing, type Signal } from './signal.ts';

export interface DeviceSignals {
  readonly battery: Signal<BatteryReading>;
  readonly pressure: Signal<PressureLevel>;
  readonly page: Signal<PageState>;
  readonly saving: Signal<SavingHints>;
  /** GiB of the device, as far as the browser admits: Chromium rounds to powers of two. */
  readonly deviceMemory: Signal<number>;
}

export type DeviceSources = {
  readonly [K in keyof DeviceSignals]: Observable<DeviceSignals[K]>;
};

function thisDevice(): DeviceSources {
  return {
    battery: observeBattery(),
    pressure: observePressure(),
    page: observePageState(),
    saving: observeSavingHints(),
    deviceMemory: new ObservableValue(deviceMemory(memoryHints().deviceMemory)),
  };
}

function deviceMemory(gibibytes: number | undefined): Signal<number> {
  const source = 'navigator.deviceMemory';
  return gibibytes === undefined
    ? missing(source, 'not-supported')
    : known(gibibytes, source, 'guessed');
}

export function observeDevice(sources: DeviceSources = thisDevice()): Observable<DeviceSignals> {
  const { battery, pressure, page, saving, deviceMemory: memory } = sources;
  const now = (): DeviceSignals => ({
    battery: battery.value,
    pressure: pressure.value,
    page: page.value,
    saving: saving.value,
    deviceMemory: memory.value,
  });
  const signals = new ObservableValue(now());
  for (const each of [battery, pressure, page, saving, memory]) {
    each.subscribe(() => {
      signals.set(now());
    });
  }
  return signals;
}
