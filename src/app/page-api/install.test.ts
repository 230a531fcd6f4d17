import { expect, it } from 'vitest';
import { ObservableValue } from '../../common/observable.ts';
import type { LibraryEntry } from '../../download/library-entry.ts';
import { Hermit, type HermitDependencies } from './hermit.ts';

type Entries = readonly Pick<LibraryEntry, 'id' | 'state' | 'bytesTotal'>[];

const downloading: Entries = [
  {
    id: 'a',
    bytesTotal: 8,
    state: { kind: 'verifying', bytesDone: 8 },
  },
];
const ready: Entries = [{ id: 'a', bytesTotal: 8, state: { kind: 'ready' } }];

/** The library as the page sees it: what `list` answers, and what is observed meanwhile. */
function library({
  listed,
  observed,
  onList,
}: {
  listed: Entries;
  observed: Entries;
  onList?: () => void;
}) {
  const entries = new ObservableValue(observed as readonly LibraryEntry[]);
  const remote = {
    add: () => Promise.resolve('a'),
    cancel: () => Promise.resolve(),
    list: () => {
      onList?.();
      return Promise.resolve(listed);
    },
  };
  const dependencies: Pick<HermitDependencies, 'store' | 'entries'> = {
    store: { use: (call: (api: typeof remote) => unknown) => call(remote) } as never,
    entries,
  };
  return { entries, hermit: new Hermit(dependencies as HermitDependencies) };
}

it('ends when the model was cancelled before anybody saw it', async () => {
  const { hermit } = library({ listed: [], observed: [] });
  const installing = hermit.models.install('https://models.example/a.gguf', {
    signal: AbortSignal.abort(),
  });
  await expect(installing).rejects.toMatchObject({ code: 'aborted' });
});

it('ends when the last change was observed while the older list was on its way', async () => {
  const made = library({
    listed: downloading,
    observed: [],
    onList: () => {
      made.entries.set(ready as readonly LibraryEntry[]);
    },
  });
  await expect(made.hermit.models.install('https://models.example/a.gguf')).resolves.toBe('a');
});

it('does not take an older observation for a cancellation', async () => {
  const { hermit, entries } = library({ listed: downloading, observed: [] });
  const installing = hermit.models.install('https://models.example/a.gguf');
  await new Promise((resolve) => setTimeout(resolve, 0));
  entries.set([]);
  entries.set(downloading as readonly LibraryEntry[]);
  entries.set(ready as readonly LibraryEntry[]);
  await expect(installing).resolves.toBe('a');
});

it('ends when the model is removed while it is watched', async () => {
  const { hermit, entries } = library({ listed: downloading, observed: downloading });
  const installing = hermit.models.install('https://models.example/a.gguf');
  await new Promise((resolve) => setTimeout(resolve, 0));
  entries.set([]);
  await expect(installing).rejects.toMatchObject({ code: 'aborted' });
});
