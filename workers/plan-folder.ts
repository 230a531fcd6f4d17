/** What the sandbox does with a model's folder. */
import { ConvertedModel } from '../src/engine/conversion/converted-model.ts';
import { planConversion } from '../src/engine/conversion/conversion-plan.ts';
import { headerToMessage } from '../src/engine/formats/gguf/header-message.ts';
import { readGguf } from '../src/engine/formats/gguf/reader.ts';
import { defineModel } from '../src/engine/models/registry.ts';
import type { ConversionMessage, FolderFile } from '../src/rpc/contracts.ts';
import { withFolder } from './open-folder.ts';
import { readModelFolder } from '../src/engine/conversion/read-folder.ts';

/** @throws AppError `invalid-argument`; ModelFileError as `planConversion` and `defineModel` */
export function planFolder(name: string, files: readonly FolderFile[]): Promise<ConversionMessage> {
  return withFolder(files, async (opened) => {
    const folder = await readModelFolder(name, opened);
    const plan = await planConversion(folder);
    const header = await readGguf(new ConvertedModel(plan, folder.weights));
    // a model that could not be run is refused before it is written
    defineModel(header);
    return { plan, header: headerToMessage(header) };
  });
}
