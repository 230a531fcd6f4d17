/** The only thread that may connect elsewhere: downloads, hashes, writes and repairs models. */
import { browserNetwork } from '../src/download/browser-network.ts';
import { ModelLibrary } from '../src/download/model-library.ts';
import { takeBytes } from '../src/rpc/bytes-channel.ts';
import type { StoreApi } from '../src/rpc/contracts.ts';
import { HeaderRequests, serveFile, serveRemoteModel } from '../src/rpc/header-requests.ts';
import { exposeApi } from '../src/rpc/expose.ts';
import { openModelStore } from '../src/store/open-model-store.ts';
import { storeThreads } from './store-threads.ts';

const headers = new HeaderRequests();
const opened = openModelStore(navigator.locks, storeThreads).then(({ store, whenSuperseded }) => {
  const library = new ModelLibrary({
    store,
    fetch: (input, init) => fetch(input, init),
    network: browserNetwork(self),
    estimate: () => navigator.storage.estimate(),
    readHeader: (source) => headers.read(source),
  });
  return { store, library, whenSuperseded };
});

exposeApi({
  list: async () => (await opened).library.list(),
  observe: async (listener) => {
    const { library } = await opened;
    library.observe(listener);
    listener(await library.list());
  },
  add: async (request) => (await opened).library.add(request),
  addMade: async (made, bytes) => (await opened).library.addMade(made, takeBytes(bytes)),
  pause: async (id) => (await opened).library.pause(id),
  resume: async (id) => (await opened).library.resume(id),
  cancel: async (id) => (await opened).library.cancel(id),
  remove: async (id) => (await opened).library.remove(id),
  verify: async (id) => (await opened).library.verify(id),
  onSuperseded: async (listener) => {
    (await opened).whenSuperseded(listener);
  },
  kept: async () => (await opened).store.isPersistent,
  exportFiles: async (id) => (await opened).library.exportFiles(id),
  readHeadersWith: (read) => {
    headers.readWith(read);
  },
  useHub: async (url) => {
    (await opened).library.useHub(url);
  },
  searchHub: async (query) => (await opened).library.searchHub(query),
  openHubRepository: async (repository) => (await opened).library.openHubRepository(repository),
  serveRemote: async (request, port) =>
    serveRemoteModel(await (await opened).library.openRemote(request), port),
  serveHubFile: async (file, port) => {
    const { library } = await opened;
    return serveFile((signal) => library.openHubFile(file, signal), port);
  },
  serveBytes: async (id, port) => {
    const { store } = await opened;
    return serveFile(() => store.open(id), port);
  },
} satisfies StoreApi);
