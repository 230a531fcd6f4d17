/** The engine's thread: reads stored blocks itself, computes, and never connects anywhere. */
import { createWasmBackend } from '../src/engine/backend/wasm/create-wasm-backend.ts';
import { Engine } from '../src/engine/engine.ts';
import { headerFromMessage } from '../src/engine/formats/gguf/header-message.ts';
import type { EngineApi, GgufHeaderMessage, LoadEvent } from '../src/rpc/contracts.ts';
import { exposeApi } from '../src/rpc/expose.ts';
import { receiveOne, produceCallbackStream, produceStream } from '../src/rpc/stream-channel.ts';
import { openReference } from './open-reference.ts';
import { fetchKernels } from './kernel-assets.ts';

const engine = new Engine(() => createWasmBackend(fetchKernels));

exposeApi({
  load: (request, header, events) =>
    produceCallbackStream<LoadEvent>(events, async (emit, signal) => {
      const file = headerFromMessage(await receiveOne<GgufHeaderMessage>(header));
      const source = await openReference(request.model);
      try {
        const onProgress = (bytesDone: number, bytesTotal: number): void => {
          emit({ kind: 'progress', bytesDone, bytesTotal });
        };
        const model = await engine.load(source, file, request.options, onProgress, signal);
        emit({ kind: 'loaded', model });
      } finally {
        source.close();
      }
    }),
  generate: (request, events) =>
    produceStream(events, (signal) => engine.generate(request, signal)),
  setPrecision: (precision) => {
    engine.setPrecision(precision);
  },
  promptTokens: (prompt) => engine.promptTokens(prompt),
  score: (tokens, topLogprobs) => engine.score(tokens, topLogprobs),
  tokenize: (text, options) => engine.tokenize(text, options),
  detokenize: (tokens, options) => engine.detokenize(tokens, options),
} satisfies EngineApi);
