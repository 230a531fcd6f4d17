/** The chat templates inside the reference models, rendered as Python's Jinja renders them. */
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { BufferByteSource } from '../../src/common/byte-source.ts';
import { renderChatTemplate, type TemplateMessage } from '../../src/conversation/chat-template.ts';
import { readGguf } from '../../src/engine/formats/gguf/reader.ts';
import { sharedModelPath, sharedModels } from '../fixtures/shared-models.ts';

interface Reference {
  readonly chat_cases?: {
    readonly cases: readonly {
      readonly messages: readonly TemplateMessage[];
      readonly add_generation_prompt: boolean;
      readonly text: string;
    }[];
  };
}

const folder = sharedModels === null ? '' : sharedModelPath('fixtures', 'models');
const names =
  sharedModels === null
    ? []
    : readdirSync(folder)
        .filter((name) => name.endsWith('.F32.reference.json'))
        .map((name) => name.replace('.reference.json', ''));

async function renderCases(name: string): Promise<{ rendered: string[]; expected: string[] }> {
  const json = readFileSync(`${folder}/${name}.reference.json`, 'utf8');
  const cases = (JSON.parse(json) as Reference).chat_cases?.cases ?? [];
  const source = new BufferByteSource(new Uint8Array(readFileSync(`${folder}/${name}.gguf`)));
  const { metadata } = await readGguf(source);
  const template = metadata.findString('tokenizer.chat_template') ?? '';
  const spellings = metadata.findStrings('tokenizer.ggml.tokens') ?? [];
  const spelling = (id: string): string =>
    spellings[metadata.findUnsigned(`tokenizer.ggml.${id}_token_id`) ?? -1] ?? '';
  const rendered = cases.map(
    ({ messages, add_generation_prompt }) =>
      renderChatTemplate({
        template,
        messages,
        addGenerationPrompt: add_generation_prompt,
        bosToken: spelling('bos'),
        eosToken: spelling('eos'),
      }).text,
  );
  return { rendered, expected: cases.map(({ text }) => text) };
}

describe.skipIf(sharedModels === null)('chat templates of the reference models', () => {
  it('are rendered as the reference renders them', async () => {
    const all = await Promise.all(names.map(renderCases));
    const count = all.reduce((sum, { expected }) => sum + expected.length, 0);
    expect(count).toBeGreaterThan(20);
    for (const { rendered, expected } of all) expect(rendered).toEqual(expected);
  });
});
