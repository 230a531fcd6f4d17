/**
 * What tells of a download outside the page: the badge of the installed app, and a screen that stays
 * on where the person wants that, because a phone that goes to sleep ends the download.
 */
import type { Observable } from '../common/observable.ts';
import type { LibraryEntry } from '../download/library-entry.ts';
import { downloadFraction } from './download-fraction.ts';

/** The parts of the browser that are used; each may be missing. */
export interface DownloadSignals {
  /** Only an installed app has a badge. */
  readonly badge: {
    setAppBadge(count: number): Promise<void>;
    clearAppBadge(): Promise<void>;
  } | null;
  readonly wakeLock: { request(type: 'screen'): Promise<{ release(): Promise<void> }> } | null;
  /** Whether the page can be seen, and when that changes: the browser gives a hidden page no lock. */
  readonly visible: () => boolean;
  readonly onVisibility: (listener: () => void) => void;
}

export interface DownloadWatchOptions {
  readonly entries: Observable<readonly LibraryEntry[]>;
  /** Whether the screen is to stay on; it may change. */
  readonly keepAwake: () => boolean;
  readonly signals: DownloadSignals;
}

export class DownloadWatch {
  readonly #options: DownloadWatchOptions;
  #badge: number | null = null;
  #lock: Promise<{ release(): Promise<void> } | null> | null = null;

  constructor(options: DownloadWatchOptions) {
    this.#options = options;
    options.entries.subscribe(() => {
      this.refresh();
    });
    options.signals.onVisibility(() => {
      // The browser took the lock away with the page; a visible one may have it again.
      if (!options.signals.visible()) this.#letSleep();
      this.refresh();
    });
  }

  /** Looks again, after the person changed a setting. */
  refresh(): void {
    const { entries, keepAwake, signals } = this.#options;
    const fraction = downloadFraction(entries.value);
    this.#showBadge(fraction);
    if (fraction !== null && keepAwake() && signals.visible()) this.#stayAwake();
    else this.#letSleep();
  }

  #showBadge(fraction: number | null): void {
    const { badge } = this.#options.signals;
    // Zero would show nothing.
    const percent = fraction === null ? null : Math.max(1, Math.floor(fraction * 100));
    if (badge === null || percent === this.#badge) return;
    this.#badge = percent;
    // A badge is decoration: a system that shows none refuses, and nothing is lost.
    const shown = percent === null ? badge.clearAppBadge() : badge.setAppBadge(percent);
    shown.catch(() => undefined);
  }

  #stayAwake(): void {
    // Refused while the battery is low: then the screen goes off as it always does.
    this.#lock ??= this.#options.signals.wakeLock?.request('screen').catch(() => null) ?? null;
  }

  #letSleep(): void {
    void this.#lock?.then((lock) => lock?.release());
    this.#lock = null;
  }
}
