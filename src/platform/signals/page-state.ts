/** Whether anybody can see the page, by the Page Visibility and Page Lifecycle events. */
import { ObservableValue, type Observable } from '../../common/observable.ts';
import { known, type Signal } from './signal.ts';

/** `frozen`: the browser stopped the page's tasks to save energy; it goes on where it was. */
export type PageState = 'visible' | 'hidden' | 'frozen';

export interface VisibilityDocument {
  readonly visibilityState: 'visible' | 'hidden';
  addEventListener(type: 'visibilitychange' | 'freeze' | 'resume', listener: () => void): void;
}

const source = 'Page Visibility';

export function observePageState(
  page: VisibilityDocument = document,
): Observable<Signal<PageState>> {
  const signal = new ObservableValue<Signal<PageState>>(known(page.visibilityState, source));
  const read = (): void => {
    signal.set(known(page.visibilityState, source));
  };
  page.addEventListener('visibilitychange', read);
  page.addEventListener('resume', read);
  page.addEventListener('freeze', () => {
    signal.set(known('frozen', 'Page Lifecycle'));
  });
  return signal;
}
