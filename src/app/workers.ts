/**
 * Starts the threads. The one place that names the worker files, so that Vite finds and bundles
 * them; who owns which is decided in `services.ts`.
 */

export function createEngineWorker(): Worker {
  return new Worker(new URL('../../workers/engine.worker.ts', import.meta.url), {
    type: 'module',
    name: 'hermit-engine',
  });
}

/** A second engine, for the embedding model beside the model that answers. */
export function createEmbedderWorker(): Worker {
  return new Worker(new URL('../../workers/engine.worker.ts', import.meta.url), {
    type: 'module',
    name: 'hermit-embedder',
  });
}

export function createStoreWorker(): Worker {
  return new Worker(new URL('../../workers/store.worker.ts', import.meta.url), {
    type: 'module',
    name: 'hermit-store',
  });
}

export function createQuantiseWorker(): Worker {
  return new Worker(new URL('../../workers/quantise.worker.ts', import.meta.url), {
    type: 'module',
    name: 'hermit-quantise',
  });
}

export function createSandboxWorker(): Worker {
  return new Worker(new URL('../../workers/sandbox.worker.ts', import.meta.url), {
    type: 'module',
    name: 'hermit-sandbox',
  });
}

/** A connection to the one that all tabs share. */
export function connectPortBroker(): MessagePort {
  return new SharedWorker(new URL('../../workers/port-broker.worker.ts', import.meta.url), {
    type: 'module',
    name: 'hermit-port-broker',
  }).port;
}
