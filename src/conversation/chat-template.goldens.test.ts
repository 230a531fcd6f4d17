import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { sharedModelPath, sharedModels } from '../../test/fixtures/shared-models.ts';
import { hasCode } from '../common/errors.ts';
import { renderChatTemplate } from './chat-template.ts';
import type { TemplateMessage } from './chat-template.ts';

/** What Python's Jinja renders, or the error it raises, for templates of published models. */
interface Golden {
  readonly template: string;
  readonly case: string;
  readonly messages: readonly TemplateMessage[];
  readonly tools: readonly unknown[] | null;
  readonly add_generation_prompt: boolean;
  readonly bos_token: string;
  readonly eos_token: string;
  readonly unk_token: string;
  readonly pad_token: string;
  readonly date_string: string;
  readonly expected?: string;
  readonly error?: string;
}

const goldens =
  sharedModels === null
    ? []
    : (JSON.parse(readFileSync(sharedModelPath('templates', 'goldens.json'), 'utf8')) as Golden[]);

type Outcome =
  | { readonly text: string }
  | { readonly code: 'template/broken' }
  | { readonly code: 'template/refused'; readonly reason: string };

function expectedOutcome({ expected, error }: Golden): Outcome {
  if (expected !== undefined) return { text: expected };
  const reason = /^TemplateError: (.*)$/s.exec(error ?? '')?.[1];
  return reason === undefined ? { code: 'template/broken' } : { code: 'template/refused', reason };
}

function outcomeOf(golden: Golden): Outcome {
  const { unk_token, pad_token, date_string } = golden;
  try {
    return renderChatTemplate({
      template: readFileSync(sharedModelPath('templates', golden.template), 'utf8'),
      messages: golden.messages,
      tools: golden.tools,
      addGenerationPrompt: golden.add_generation_prompt,
      bosToken: golden.bos_token,
      eosToken: golden.eos_token,
      extra: { unk_token, pad_token, date_string },
    });
  } catch (error) {
    if (hasCode(error, 'template/broken')) return { code: 'template/broken' };
    if (hasCode(error, 'template/refused')) {
      return { code: 'template/refused', reason: String(error.details['reason']) };
    }
    throw error;
  }
}

describe.skipIf(sharedModels === null)('chat templates of published models', () => {
  it('has cases of every kind', () => {
    expect(goldens.filter((golden) => golden.expected !== undefined).length).toBeGreaterThan(50);
    expect(goldens.filter((golden) => golden.error !== undefined).length).toBeGreaterThan(5);
  });

  it.each(goldens)('$template: $case', (golden) => {
    expect(outcomeOf(golden)).toEqual(expectedOutcome(golden));
  });
});
