import { ObservableValue, type Observable } from '../common/observable.ts';

/** Whether the browser believes it has a network. "Online" is a hint, "offline" is reliable. */
export function observeOnline(): Observable<boolean> {
  const online = new ObservableValue(navigator.onLine);
  addEventListener('online', () => {
    online.set(true);
  });
  addEventListener('offline', () => {
    online.set(false);
  });
  return online;
}
