/** Pages written for the browser's Prompt API, on the page API. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ScriptedEngine, scriptedRuntime } from '../../../test/fixtures/scripted-engine.ts';
import { languageModel, type LanguageModelFactory } from '../../embed/host/language-model.ts';
import { Turns } from '../turns.ts';
import { ChatCompletions } from './chat-completions.ts';

let engine: ScriptedEngine;
let model: LanguageModelFactory;
let installed: boolean;
let close: () => void;

beforeEach(async () => {
  engine = new ScriptedEngine();
  const scripted = scriptedRuntime(engine);
  close = scripted.close;
  installed = true;
  await scripted.runtime.load('m', { precision: 'auto', contextLength: 2048 });
  const listed = {
    id: 'm',
    name: 'M',
    fileName: 'm.gguf',
    bytesTotal: 1,
    state: { kind: 'ready' },
  };
  model = languageModel({
    chat: {
      completions: new ChatCompletions({
        ...scripted,
        turns: new Turns(),
        ensureModel: () => Promise.resolve('m'),
      }),
    },
    models: { list: () => Promise.resolve(installed ? [listed] : []) },
  });
});
afterEach(() => {
  close();
});

function answer(...pieces: readonly string[]): void {
  const next = engine.nextAnswer();
  for (const piece of pieces) next.write(piece);
  next.end();
}

describe('the Prompt API', () => {
  it('says whether there is a model', async () => {
    expect(await model.availability()).toBe('available');
    installed = false;
    expect(await model.availability()).toBe('unavailable');
    await expect(model.create()).rejects.toMatchObject({ name: 'NotSupportedError' });
  });

  it('keeps the conversation of a session, and clones of it apart', async () => {
    const session = await model.create({
      initialPrompts: [{ role: 'system', content: 'Be brief.' }],
    });
    answer('Blue.');
    expect(await session.prompt('Colour of the sky?')).toBe('Blue.');
    const clone = await session.clone();
    answer('At night black.');
    await clone.prompt('Always?');
    await session.append('Thanks.');
    answer('Welcome.');
    await session.prompt('Bye.');
    expect(engine.promptText(1)).toContain('[assistant] Blue.\n[user] Always?');
    expect(engine.promptText(2)).toContain('Be brief.');
    expect(engine.promptText(2)).not.toContain('Always?');
    expect(engine.promptText(2)).toMatch(/Thanks\.[\s\S]*Bye\./);
  });

  it('streams pieces', async () => {
    const session = await model.create({ temperature: 0.5, topK: 3 });
    answer('One', ' two', ' three');
    const pieces: string[] = [];
    const reader = session.promptStreaming('Count.').getReader();
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      pieces.push(step.value);
    }
    expect(pieces.join('')).toBe('One two three');
    expect(pieces.length).toBeGreaterThan(1);
    expect(engine.requests[0]?.sampling).toMatchObject({ temperature: 0.5, topK: 3 });
  });

  it('holds an answer to a schema', async () => {
    const session = await model.create();
    answer('{"n":1}');
    const responseConstraint = {
      type: 'object',
      properties: { n: { type: 'integer' } },
      required: ['n'],
      additionalProperties: false,
    };
    expect(await session.prompt('A number.', { responseConstraint })).toBe('{"n":1}');
    expect(engine.requests[0]?.grammar).toBeDefined();
  });

  it('ends with its session', async () => {
    const session = await model.create();
    const next = engine.nextAnswer();
    next.write('It goes on');
    const prompted = session.prompt('Go on.');
    await expect.poll(() => engine.requests.length).toBe(1);
    session.destroy();
    await expect(prompted).rejects.toMatchObject({ code: 'aborted' });
    await expect(session.prompt('Again?')).rejects.toMatchObject({ code: 'aborted' });
    expect(next.stopped).toBe(true);
  });
});
