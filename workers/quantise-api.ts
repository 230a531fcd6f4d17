/** What the quantise worker offers, over whatever opens models and converts rows. */
import type { ByteSource } from '../src/common/byte-source.ts';
import type { GgufFile } from '../src/engine/formats/gguf/gguf-file.ts';
import * as wire from '../src/engine/formats/gguf/header-message.ts';
import { estimateRecipes } from '../src/engine/quantise/estimate.ts';
import { runQuantiseJob } from '../src/engine/quantise/quantise-job.ts';
import type { RowCodec } from '../src/engine/quantise/row-codec.ts';
import { giveBytes } from '../src/rpc/bytes-channel.ts';
import type * as contracts from '../src/rpc/contracts.ts';
import { produceCallbackStream, receiveOne } from '../src/rpc/stream-channel.ts';

export interface QuantiseParts {
  readonly open: (model: contracts.ModelReference) => Promise<ByteSource & { close(): void }>;
  readonly createCodec: () => Promise<RowCodec>;
}

interface Parts {
  readonly source: ByteSource;
  readonly file: GgufFile;
  readonly codec: RowCodec;
}

export function quantiseApi({ open, createCodec }: QuantiseParts): contracts.QuantiseApi {
  const using = async <T>(
    model: contracts.ModelReference,
    header: MessagePort,
    work: (parts: Parts) => Promise<T>,
  ): Promise<T> => {
    const file = wire.headerFromMessage(await receiveOne<wire.GgufHeaderMessage>(header));
    const source = await open(model);
    try {
      return await work({ source, file, codec: await createCodec() });
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
        const recipes = await using(model, header, (parts) =>
          estimateRecipes({ ...parts, signal, onProgress }),
        );
        emit({ kind: 'done', recipes });
      }),
    quantise: ({ model, recipe }, header, bytes, events) =>
      produceCallbackStream<contracts.QuantiseEvent>(events, async (emit, signal) => {
        const report = await giveBytes(bytes, signal, (write) =>
          using(model, header, (parts) =>
            runQuantiseJob({ ...parts, recipe, importance: null, signal, write, emit }),
          ),
        );
        emit({ kind: 'done', report });
      }),
  };
}
