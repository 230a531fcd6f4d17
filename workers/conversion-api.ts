/** What the quantise worker offers for folders that are no GGUF file yet. */
import { runConversionJob, type ConversionJob } from '../src/engine/conversion/conversion-job.ts';
import { giveBytes } from '../src/rpc/bytes-channel.ts';
import type * as contracts from '../src/rpc/contracts.ts';
import { produceCallbackStream } from '../src/rpc/stream-channel.ts';
import { readModelFolder } from './read-model-folder.ts';

export function conversionApi(
  parts: Pick<ConversionJob, 'createCodec' | 'createBackend'>,
): Pick<contracts.QuantiseApi, 'convert'> {
  return {
    convert: ({ name, files, recipe }, bytes, events) =>
      produceCallbackStream<contracts.QuantiseEvent>(events, async (emit, signal) => {
        const report = await giveBytes(bytes, signal, async (write) => {
          const folder = await readModelFolder(name, files);
          return runConversionJob({ ...parts, folder, recipe, signal, write, emit });
        });
        emit({ kind: 'done', report });
      }),
  };
}
