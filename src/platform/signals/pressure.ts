/**
 * How hard the processor is pressed, heat included, by the Compute Pressure API
 * (https://www.w3.org/TR/compute-pressure/): Chromium alone has it, and tells it to visible pages.
 */
import { ObservableValue, type Observable } from '../../common/observable.ts';
import { isAllowed, known, missing, refusalOf, type Signal } from './signal.ts';

/** In the order of severity. */
export const pressureLevels = ['nominal', 'fair', 'serious', 'critical'] as const;
export type PressureLevel = (typeof pressureLevels)[number];

interface PressureObserverLike {
  observe(source: 'cpu', options: { readonly sampleInterval: number }): Promise<void>;
}

/** The browser's constructor, where there is one. */
export type PressureObserverConstructor = new (
  tell: (records: readonly { readonly state: string }[]) => void,
) => PressureObserverLike;

/** Often enough for heat, which takes minutes, and seldom enough to cost nothing. */
const SAMPLE_INTERVAL_MS = 1000;
const source = 'Compute Pressure API';

export function observePressure(
  Observer: PressureObserverConstructor | undefined = (
    globalThis as { readonly PressureObserver?: PressureObserverConstructor }
  ).PressureObserver,
): Observable<Signal<PressureLevel>> {
  if (Observer === undefined) {
    return new ObservableValue<Signal<PressureLevel>>(missing(source, 'not-supported'));
  }
  if (!isAllowed('compute-pressure')) {
    return new ObservableValue<Signal<PressureLevel>>(missing(source, 'refused'));
  }
  const signal = new ObservableValue<Signal<PressureLevel>>(missing(source, 'waiting'));
  const tell = (records: readonly { readonly state: string }[]): void => {
    const level = pressureLevels.find((each) => each === records.at(-1)?.state);
    if (level !== undefined) signal.set(known(level, source));
  };
  const start = async (): Promise<void> => {
    await new Observer(tell).observe('cpu', { sampleInterval: SAMPLE_INTERVAL_MS });
  };
  start().catch((error: unknown) => {
    const unsupported = error instanceof Error && error.name === 'NotSupportedError';
    signal.set(missing(source, unsupported ? 'not-supported' : refusalOf(error)));
  });
  return signal;
}
