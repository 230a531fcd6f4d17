import { expect, it } from 'vitest';
import { ObservableValue } from '../common/observable.ts';
import type { LibraryEntry } from '../download/library-entry.ts';
import { downloadFraction } from './download-fraction.ts';
import { DownloadWatch } from './download-watch.ts';

const entry = (
  kind: 'downloading' | 'ready' | 'paused',
  bytesDone: number,
  bytesTotal: number | null,
): LibraryEntry => ({ bytesTotal, state: { kind, bytesDone } }) as unknown as LibraryEntry;

it('counts what is being downloaded and nothing else', () => {
  expect(downloadFraction([])).toBeNull();
  expect(downloadFraction([entry('ready', 0, 10), entry('paused', 5, 10)])).toBeNull();
  expect(downloadFraction([entry('downloading', 0, null)])).toBe(0);
  expect(downloadFraction([entry('downloading', 30, 100), entry('downloading', 20, 100)])).toBe(
    0.25,
  );
});

function setUp() {
  const entries = new ObservableValue<readonly LibraryEntry[]>([]);
  const log: string[] = [];
  const state = { keepAwake: true, visible: true, look: (): void => undefined };
  const watch = new DownloadWatch({
    entries,
    keepAwake: () => state.keepAwake,
    signals: {
      badge: {
        setAppBadge: (count) => {
          log.push(`badge ${count}`);
          return Promise.resolve();
        },
        clearAppBadge: () => {
          log.push('no badge');
          return Promise.resolve();
        },
      },
      wakeLock: {
        request: () => {
          log.push('awake');
          return Promise.resolve({
            release: () => {
              log.push('asleep');
              return Promise.resolve();
            },
          });
        },
      },
      visible: () => state.visible,
      onVisibility: (listener) => {
        state.look = listener;
      },
    },
  });
  return { entries, log, state, watch };
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

it('a download shows in the badge and keeps the screen on until it ends', async () => {
  const { entries, log } = setUp();
  entries.set([entry('downloading', 0, 100)]);
  entries.set([entry('downloading', 50, 100)]);
  entries.set([entry('downloading', 50, 100)]);
  entries.set([entry('ready', 100, 100)]);
  await settled();
  expect(log).toEqual(['badge 1', 'awake', 'badge 50', 'no badge', 'asleep']);
});

it('the screen stays on only where a person wants it, and a page that is seen again asks again', async () => {
  const { entries, log, state, watch } = setUp();
  state.keepAwake = false;
  entries.set([entry('downloading', 50, 100)]);
  expect(log).toEqual(['badge 50']);
  state.keepAwake = true;
  watch.refresh();
  state.visible = false;
  state.look();
  state.visible = true;
  state.look();
  await settled();
  expect(log).toEqual(['badge 50', 'awake', 'awake', 'asleep']);
});
