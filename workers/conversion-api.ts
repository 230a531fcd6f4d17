/** What the quantise worker offers for folders that are no GGUF file yet. */
import { runConversionJob, type ConversionJob } from '../src/engine/conversion/conversion-job.ts';
import { ConvertedModel } from '../src/engine/conversion/converted-model.ts';
import { headerFromMessage } from '../src/engine/formats/gguf/header-message.ts';
import { giveBytes } from '../src/rpc/bytes-channel.ts';
import type * as contracts from '../src/rpc/contracts.ts';
import { produceCallbackStream, receiveOne } from '../src/rpc/stream-channel.ts';
import { withFolder } from './open-folder.ts';
import { weightFiles } from '../src/engine/conversion/read-folder.ts';

export function conversionApi(
  parts: Pick<ConversionJob, 'createCodec' | 'createBackend'>,
): Pick<contracts.QuantiseApi, 'convert'> {
  return {
    convert: ({ files, recipe }, plan, bytes, events) =>
      produceCallbackStream<contracts.QuantiseEvent>(events, async (emit, signal) => {
        const planned = await receiveOne<contracts.ConversionMessage>(plan);
        const report = await giveBytes(bytes, signal, (write) =>
          withFolder(weightFiles(files), (opened) => {
            const sources = opened.map(({ source }) => source);
            const source = new ConvertedModel(planned.plan, sources);
            const file = headerFromMessage(planned.header);
            return runConversionJob({ ...parts, source, file, recipe, signal, write, emit });
          }),
        );
        emit({ kind: 'done', report });
      }),
  };
}
