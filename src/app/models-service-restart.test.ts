import { expect, it } from 'vitest';
import type { AppError } from '../common/errors.ts';
import { ObservableValue } from '../common/observable.ts';
import { emptyOrigin } from '../store/manifest.ts';
import { ModelPurposes } from './model-purposes.ts';
import { LibraryModelsService, type ModelsServiceOptions } from './models-service.ts';

function serviceOver(remote: { list: () => Promise<unknown>; observe: () => Promise<void> }) {
  const readHeadersWith = (): Promise<void> => Promise.resolve();
  const options = {
    store: {
      use: (call: (api: object) => unknown) =>
        call({ readHeadersWith, useHub: readHeadersWith, ...remote }),
    },
    hubUrl: () => 'https://hub.example',
    readHeader: () => Promise.reject(new Error('No header is read here')),
    runtime: { state: new ObservableValue({ kind: 'none' }), setNames: () => undefined },
    maker: { job: new ObservableValue(null) },
    purposes: new ModelPurposes({
      storage: null,
      read: () => Promise.resolve({ purpose: 'chat', memory: null }),
    }),
    fit: { ofSize: () => null, ofHeader: () => null },
    language: () => 'en',
    fetchCatalog: () => Promise.resolve(null),
    load: () => Promise.resolve(),
  } as unknown as ModelsServiceOptions;
  return new LibraryModelsService(options);
}

const entry = { id: 'a', origin: emptyOrigin('file'), facts: {}, bytesTotal: 1 };

it('follows the store again when its worker was lost in the middle of a download', async () => {
  const kinds = ['downloading', 'paused'];
  let observers = 0;
  const service = serviceOver({
    list: () => Promise.resolve([{ ...entry, state: { kind: kinds.shift(), bytesDone: 1 } }]),
    observe: () => {
      observers += 1;
      return Promise.resolve();
    },
  });
  await service.start();
  expect(service.models.value[0]?.state.kind).toBe('downloading');
  await service.restart();
  expect(service.models.value[0]?.state.kind).toBe('paused');
  expect(observers).toBe(2);
});

it('does not start a store over and over that dies before it was followed', async () => {
  let starts = 0;
  const died = new Error('died') as AppError;
  const service = serviceOver({
    list: () => {
      starts += 1;
      return service.restart().then(() => Promise.reject(died));
    },
    observe: () => Promise.resolve(),
  });
  await expect(service.start()).rejects.toBe(died);
  expect(starts).toBe(1);
});
