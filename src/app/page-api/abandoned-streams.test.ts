import { expect, it } from 'vitest';
import { plainAnswer } from '../../conversation/answer-format/answer-format.ts';
import type { EngineEvent } from '../../engine/engine.ts';
import { Turns } from '../turns.ts';
import { ChatCompletions, type CompletionDependencies } from './chat-completions.ts';
import { Completions } from './completions.ts';

const done: EngineEvent = {
  type: 'done',
  reason: 'stop',
  text: '!',
  stats: { promptTokens: 1, answerTokens: 1, reusedTokens: 0 } as never,
};

function dependencies(): CompletionDependencies {
  const runtime = {
    promptTokens: () => Promise.resolve([1]),
    detokenize: () => Promise.resolve('a'),
    async *generate(): AsyncGenerator<EngineEvent> {
      yield await Promise.resolve({ type: 'token', token: 1, text: 'b' });
      yield done;
    },
  };
  return {
    runtime: runtime as never,
    prompts: {
      render: () =>
        Promise.resolve({
          prompt: { kind: 'tokens', tokens: [1] },
          stop: [],
          format: plainAnswer,
        }),
    } as never,
    ensureModel: () => Promise.resolve('model'),
    turns: new Turns(),
  };
}

it('lets others answer when a script reads only the beginning of a chat answer', async () => {
  const chat = new ChatCompletions(dependencies());
  const messages = [{ role: 'user', content: 'a' }] as const;
  const stream = await chat.create({ messages, stream: true });
  await stream[Symbol.asyncIterator]().next();
  const answer = await chat.create({ messages });
  expect(answer.choices[0].message.content).toBe('b!');
});

it('lets others answer when a script reads only the beginning of a completion', async () => {
  const completions = new Completions(dependencies());
  const stream = await completions.create({ prompt: 'a', echo: true, stream: true });
  const first = await stream[Symbol.asyncIterator]().next();
  expect(first).toMatchObject({ value: { choices: [{ text: 'a' }] } });
  const completion = await completions.create({ prompt: 'a' });
  expect(completion.choices[0]?.text).toBe('b!');
});
