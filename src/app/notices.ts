/** Things about the whole application that a person should know, until they are dismissed. */
import { type Observable, ObservableValue } from '../common/observable.ts';
import type { AppNoticeView } from '../ui/services.ts';

export class AppNotices {
  readonly #shown = new ObservableValue<readonly AppNoticeView[]>([]);

  get shown(): Observable<readonly AppNoticeView[]> {
    return this.#shown;
  }

  /** Shows a notice; a newer one of its kind takes the place of the one before. */
  show(notice: AppNoticeView): void {
    this.#shown.update((now) => [...now.filter(({ kind }) => kind !== notice.kind), notice]);
  }

  dismiss(kind: AppNoticeView['kind']): void {
    this.#shown.update((now) => now.filter((notice) => notice.kind !== kind));
  }
}
