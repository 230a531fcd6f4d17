/** Where a smaller model is made from a stored one: reads it, writes into the store worker. */
import { ScalarRowCodec } from '../src/engine/quantise/row-codec.ts';
import { exposeApi } from '../src/rpc/expose.ts';
import { openReference } from './open-reference.ts';
import { quantiseApi } from './quantise-api.ts';

exposeApi(
  quantiseApi({ open: openReference, createCodec: () => Promise.resolve(new ScalarRowCodec()) }),
);
