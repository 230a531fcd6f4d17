/** What the quantise worker offers, over whatever opens models, converts rows and computes. */
import type { ByteSource } from '../src/common/byte-source.ts';
import type { ObservableBackend } from '../src/engine/backend/backend.ts';
import type { GgufFile } from '../src/engine/formats/gguf/gguf-file.ts';
import * as wire from '../src/engine/formats/gguf/header-message.ts';
import { calibrationOf } from '../src/engine/quantise/calibration-of.ts';
import { estimateRecipes } from '../src/engine/quantise/estimate.ts';
import { runQuantiseJob } from '../src/engine/quantise/quantise-job.ts';
import type { RowCodec } from '../src/engine/quantise/row-codec.ts';
import { giveBytes } from '../src/rpc/bytes-channel.ts';
import type * as contracts from '../src/rpc/contracts.ts';
import { produceCallbackStream, receiveOne } from '../src/rpc/stream-channel.ts';
import { conversionApi } from './conversion-api.ts';

export interface QuantiseParts {
  readonly open: (model: contracts.ModelReference) => Promise<ByteSource & { close(): void }>;
  readonly createCodec: () => Promise<RowCodec>;
  readonly createBackend: () => Promise<ObservableBackend>;
}

export function quantiseApi(parts: QuantiseParts): contracts.QuantiseApi {
  const using = async <T>(
    model: contracts.ModelReference,
    header: MessagePort,
    work: (read: { source: ByteSource; file: GgufFile; codec: RowCodec }) => Promise<T>,
  ): Promise<T> => {
    const file = wire.headerFromMessage(await receiveOne<wire.GgufHeaderMessage>(header));
    const source = await parts.open(model);
    try {
      return await work({ source, file, codec: await parts.createCodec() });
    } finally {
      source.close();
    }
  };
  return {
    estimate: (model, header, events) =>
      produceCallbackStream<contracts.EstimateEvent>(events, async (emit, signal) => {
        const onProgress = (done: number, total: number): void => {
          emit({ kind: 'progress', fraction: done / total });
        };
        const recipes = await using(model, header, (read) =>
          estimateRecipes({ ...read, signal, onProgress }),
        );
        emit({ kind: 'done', recipes });
      }),
    quantise: ({ model, recipe, calibration: given }, header, bytes, events) =>
      produceCallbackStream<contracts.QuantiseEvent>(events, async (emit, signal) => {
        const calibration = given && calibrationOf(given);
        const report = await giveBytes(bytes, signal, (write) =>
          using(model, header, (read) =>
            runQuantiseJob({ ...parts, ...read, recipe, calibration, signal, write, emit }),
          ),
        );
        emit({ kind: 'done', report });
      }),
    ...conversionApi(parts),
  };
}
