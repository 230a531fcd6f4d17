import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  loadedModel,
  ScriptedEngine,
  scriptedRuntime,
} from '../../test/fixtures/scripted-engine.ts';
import type { AnswerPart } from '../conversation/answer-format/answer-parser.ts';
import type { ActivityView } from '../ui/services.ts';
import { writeAnswer, type AnswerRequest } from './answer.ts';
import { defaultSettings } from './settings.ts';

let engine: ScriptedEngine;
let scripted: ReturnType<typeof scriptedRuntime>;

beforeEach(() => {
  engine = new ScriptedEngine();
  scripted = scriptedRuntime(engine);
});
afterEach(() => {
  scripted.close();
});

async function answer(change: Partial<AnswerRequest> = {}) {
  const { runtime, prompts } = scripted;
  const model = await runtime.load('m', { precision: 'auto', contextLength: 2048 });
  const activities: ActivityView[] = [];
  const parts: AnswerPart[] = [];
  const made = await writeAnswer(runtime, prompts, {
    modelId: 'm',
    model,
    messages: [{ role: 'user', content: 'Hello?' }],
    settings: defaultSettings,
    signal: new AbortController().signal,
    onActivity: (activity) => activities.push(activity),
    onPart: (part) => {
      parts.push(part);
    },
    reduction: () => null,
    ...change,
  });
  return { ...made, activities, parts };
}

describe('an answer', () => {
  it('tells once that its words are less exact, if only some of them were', async () => {
    const script = engine.nextAnswer();
    for (const word of ['One ', 'two ', 'three']) script.write(word);
    script.end();
    const reductions = [null, 'saved-battery', 'saved-battery'] as const;
    let tokens = 0;
    const { notices } = await answer({ reduction: () => reductions[tokens++] ?? null });
    expect(notices).toEqual(['saved-battery']);
    expect(tokens).toBe(3);
  });

  it('tells what is being done and gives all of its text, the last of it too', async () => {
    const script = engine.nextAnswer();
    script.write('One ');
    script.end('stop', 'two');
    const { activities, parts, end, notices } = await answer();
    expect(activities).toEqual([
      { kind: 'reading-prompt', done: 0, total: 0 },
      { kind: 'reading-prompt', done: 0, total: 5 },
      { kind: 'answering' },
    ]);
    expect(parts).toEqual([
      { kind: 'text', text: 'One ' },
      { kind: 'text', text: 'two' },
    ]);
    expect(end.reason).toBe('stop');
    expect(notices).toEqual([]);
  });

  it('may be no longer than the context, whatever the settings say', async () => {
    engine.model = loadedModel({ contextLength: 300 });
    await answer({ settings: { ...defaultSettings, maxAnswerTokens: 100_000 } });
    expect(engine.requests[0]?.maxTokens).toBe(300);
  });

  it('keeps the system prompt and the newest turns when the oldest do not fit', async () => {
    engine.model = loadedModel({ contextLength: 130 });
    const messages = ['Ann', 'Bob', 'Cid'].flatMap((name) => [
      { role: 'user' as const, content: `My name is ${name}.` },
      { role: 'assistant' as const, content: `Hello, ${name}.` },
    ]);
    const { notices } = await answer({
      messages: [...messages, { role: 'user', content: 'Who?' }],
      settings: { ...defaultSettings, systemPrompt: 'Be brief.', maxAnswerTokens: 16 },
    });
    expect(notices).toEqual(['older-messages-dropped']);
    const prompt = engine.promptText(0);
    expect(prompt.startsWith('[system] Be brief.')).toBe(true);
    expect(prompt).not.toContain('Ann');
    expect(prompt).toContain('Cid');
    expect(prompt.endsWith('[user] Who?\n[assistant] ')).toBe(true);
    expect(prompt.length).toBeLessThanOrEqual(130 - 16);
  });

  it('is not written by another model than the one that was asked', async () => {
    await expect(answer({ modelId: 'other' })).rejects.toMatchObject({
      code: 'engine/not-loaded',
    });
    expect(engine.requests).toEqual([]);
  });
});
