/**
 * Where untrusted files are read: made for one call and ended after it, without any connection. A
 * header or template that never ends costs its deadline and nothing else.
 */
import type { ByteSource } from '../src/common/byte-source.ts';
import { renderChatTemplate } from '../src/conversation/chat-template.ts';
import { headerToMessage } from '../src/engine/formats/gguf/header-message.ts';
import { readModel } from '../src/engine/formats/gguf/split.ts';
import { inspectModel, modelUse, refuseUnusable } from '../src/engine/inspection/inspect-model.ts';
import type { ModelReference, SandboxApi } from '../src/rpc/contracts.ts';
import { exposeApi } from '../src/rpc/expose.ts';
import { sendOne } from '../src/rpc/stream-channel.ts';
import { openReference } from './open-reference.ts';
import { planFolder } from './plan-folder.ts';

async function reading<T>(
  model: ModelReference,
  work: (source: ByteSource) => Promise<T>,
): Promise<T> {
  const source = await openReference(model);
  try {
    return await work(source);
  } finally {
    source.close();
  }
}

let headerReceived = Promise.resolve();

exposeApi({
  readHeader: (model, header) =>
    reading(model, async (source) => {
      headerReceived = sendOne(header, headerToMessage(await readModel(source)));
    }),
  planConversion: async (name, files, plan) => {
    headerReceived = sendOne(plan, await planFolder(name, files));
  },
  headerReceived: () => headerReceived,
  readUse: (model) => reading(model, async (source) => modelUse(await readModel(source))),
  inspect: (model) => reading(model, (source) => inspectModel(source)),
  refuseUnusable: (model, budgetBytes) =>
    reading(model, async (source) => refuseUnusable(await readModel(source), budgetBytes)),
  renderTemplate: (request) => Promise.resolve(renderChatTemplate(request)),
} satisfies SandboxApi);
