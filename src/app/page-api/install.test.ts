import { expect, it } from 'vitest';
import { ObservableValue } from '../../common/observable.ts';
import type { LibraryEntry } from '../../download/library-entry.ts';
import { Hermit, type HermitDependencies } from './hermit.ts';

type Entries = readonly Pick<LibraryEntry, 'id' | 'state' | 'bytesTotal'>[];

const downloading: Entries = [
  {
    id: 'a',
    bytesTotal: 8,
    state: { kind: 'verifying', bytesDone: 8, bytesTotal: 8 },
  },
];
const ready: Entries = [{ id: 'a', bytesTotal: 8, state: { kind: 'ready' } }];

/** The library: what it holds by now, and what the page observed of it. */
function library({ held, observed }: { held: Entries; observed: Entries }) {
  const entries = new ObservableValue(observed as readonly LibraryEntry[]);
  const now = { held };
  /** What happens while the first list is on its way to the page. */
  const after = { list: (): void => undefined };
  const remote = {
    add: () => Promise.resolve('a'),
    cancel: () => Promise.resolve(),
    list: () => {
      const listed = now.held;
      after.list();
      after.list = () => undefined;
      return Promise.resolve(listed);
    },
  };
  const observe = (seen: Entries): void => {
    entries.set([...seen] as unknown as readonly LibraryEntry[]);
  };
  const change = (to: Entries): void => {
    now.held = to;
    observe(to);
  };
  const dependencies: Pick<HermitDependencies, 'store' | 'entries'> = {
    store: { use: (call: (api: typeof remote) => unknown) => call(remote) } as never,
    entries,
  };
  return { hermit: new Hermit(dependencies as HermitDependencies), after, observe, change };
}

const url = 'https://models.example/a.gguf';
const aMoment = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

it('ends when the model was cancelled before anybody saw it', async () => {
  const { hermit } = library({ held: [], observed: [] });
  const installing = hermit.models.install(url, { signal: AbortSignal.abort() });
  await expect(installing).rejects.toMatchObject({ code: 'aborted' });
});

it('ends when the last change was observed while the older list was on its way', async () => {
  const { hermit, after, change } = library({ held: downloading, observed: [] });
  after.list = () => {
    change(ready);
  };
  await expect(hermit.models.install(url)).resolves.toBe('a');
});

it('does not take an older observation for a cancellation', async () => {
  const { hermit, observe, change } = library({ held: downloading, observed: [] });
  const installing = hermit.models.install(url);
  await aMoment();
  observe([]);
  await aMoment();
  change(downloading);
  change(ready);
  await expect(installing).resolves.toBe('a');
});

it('ends when the model is removed while it is watched', async () => {
  const { hermit, change } = library({ held: downloading, observed: downloading });
  const installing = hermit.models.install(url);
  await aMoment();
  change([]);
  await expect(installing).rejects.toMatchObject({ code: 'aborted' });
});
