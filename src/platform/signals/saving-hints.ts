/**
 * Whether the person asked this browser to be sparing, by `navigator.connection` (Save-Data and the
 * kind of connection) and the media feature `prefers-reduced-data`. No browser tells a page of the
 * system's battery saver; these are what comes nearest.
 */
import { ObservableValue, type Observable } from '../../common/observable.ts';
import { known, missing, type Signal } from './signal.ts';

export interface SavingHints {
  /** The person wants less data to be moved. */
  readonly saving: boolean;
  /** For example `wifi` or `cellular`; null where the browser does not say. */
  readonly connection: string | null;
}

interface ConnectionLike {
  readonly saveData?: boolean;
  readonly type?: string;
  addEventListener?(type: 'change', listener: () => void): void;
}

interface MediaQueryLike {
  readonly matches: boolean;
  readonly media: string;
  addEventListener(type: 'change', listener: () => void): void;
}

export interface HintingBrowser {
  readonly connection?: ConnectionLike | undefined;
  readonly reducedData: MediaQueryLike;
}

function thisBrowser(): HintingBrowser {
  return {
    connection: (navigator as { readonly connection?: ConnectionLike }).connection,
    reducedData: matchMedia('(prefers-reduced-data: reduce)'),
  };
}

const source = 'Save-Data, prefers-reduced-data';

export function observeSavingHints(
  browser: HintingBrowser = thisBrowser(),
): Observable<Signal<SavingHints>> {
  const { connection, reducedData } = browser;
  // A browser that does not know the feature answers with the query "not all".
  const knowsReducedData = reducedData.media !== 'not all';
  if (connection === undefined && !knowsReducedData) {
    return new ObservableValue<Signal<SavingHints>>(missing(source, 'not-supported'));
  }
  const now = (): Signal<SavingHints> => {
    const saving = connection?.saveData === true || reducedData.matches;
    return known({ saving, connection: connection?.type ?? null }, source);
  };
  const signal = new ObservableValue(now());
  const read = (): void => {
    signal.set(now());
  };
  connection?.addEventListener?.('change', read);
  reducedData.addEventListener('change', read);
  return signal;
}
