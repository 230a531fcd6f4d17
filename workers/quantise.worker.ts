/** Where a smaller model is made from a stored one: reads it, writes into the store worker. */
import { createWasmBackend } from '../src/engine/backend/wasm/create-wasm-backend.ts';
import { WasmRowCodec } from '../src/engine/quantise/wasm-row-codec.ts';
import { exposeApi } from '../src/rpc/expose.ts';
import { fetchKernels } from './kernel-assets.ts';
import { openReference } from './open-reference.ts';
import { quantiseApi } from './quantise-api.ts';

exposeApi(
  quantiseApi({
    open: openReference,
    createCodec: async () => WasmRowCodec.create(await fetchKernels('plain', 'private')),
    createBackend: () => createWasmBackend(fetchKernels),
  }),
);
