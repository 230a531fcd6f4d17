/**
 * Where untrusted files are read: made for one call and ended after it, without any connection. A
 * header or template that never ends costs its deadline and nothing else.
 */
import { renderChatTemplate } from '../src/conversation/chat-template.ts';
import { headerToMessage } from '../src/engine/formats/gguf/header-message.ts';
import { readModel } from '../src/engine/formats/gguf/split.ts';
import { modelPurpose } from '../src/engine/models/registry.ts';
import type { SandboxApi } from '../src/rpc/contracts.ts';
import { exposeApi } from '../src/rpc/expose.ts';
import { openReference } from './open-reference.ts';

exposeApi({
  readHeader: async (model, header) => {
    const source = await openReference(model);
    try {
      header.postMessage(headerToMessage(await readModel(source)));
    } finally {
      source.close();
    }
  },
  readPurpose: async (model) => {
    const source = await openReference(model);
    try {
      return modelPurpose(await readModel(source));
    } finally {
      source.close();
    }
  },
  renderTemplate: (request) => Promise.resolve(renderChatTemplate(request)),
} satisfies SandboxApi);
