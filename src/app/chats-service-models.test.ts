import { plainAnswer } from '../conversation/answer-format/answer-format.ts';
import { expect, it } from 'vitest';
import { AppError } from '../common/errors.ts';
import { ObservableValue } from '../common/observable.ts';
import type { EngineEvent } from '../engine/engine.ts';
import { StatsRecorder } from '../engine/generation/stats.ts';
import { StoredChatsService, type ChatsServiceOptions } from './chats-service.ts';
import type { RuntimeState } from './model-runtime.ts';
import { defaultSettings } from './settings.ts';

const noWork = new StatsRecorder(() => 0, 0, 1, 0).stats();
const stopped = new AppError('aborted', 'The operation was stopped.');
const replaced = new AppError('engine/not-loaded', 'Another model was chosen.');

function ready(id: string): RuntimeState {
  return {
    kind: 'ready',
    id,
    name: id,
    model: { contextLength: 512, chatTemplate: null } as never,
  };
}

function chatsOver(
  ensureModel: (state: ObservableValue<RuntimeState>) => Promise<void>,
  beforeAnswer: (state: ObservableValue<RuntimeState>, modelId: string) => void,
) {
  const state = new ObservableValue<RuntimeState>({ kind: 'none' });
  const runtime = {
    state,
    promptTokens: () => Promise.resolve([1]),
    async *generate(
      _request: unknown,
      { modelId }: { modelId: string },
    ): AsyncGenerator<EngineEvent> {
      beforeAnswer(state, modelId);
      yield await Promise.resolve({ type: 'token', token: 1, text: `I am ${modelId}` });
      yield { type: 'done', reason: 'stop', text: '.', stats: noWork };
    },
  };
  const options = {
    store: { list: () => Promise.resolve({ summaries: [] }), save: () => Promise.resolve() },
    runtime,
    prompts: {
      render: () => Promise.resolve({ prompt: {}, stop: [], format: plainAnswer, notices: [] }),
    },
    settings: new ObservableValue(defaultSettings),
    ensureModel: () => ensureModel(state),
  } as unknown as ChatsServiceOptions;
  return new StoredChatsService(options);
}

it('answers with the model that is chosen while another is loaded for the answer', async () => {
  let loads = 0;
  const chats = chatsOver(
    (state) => {
      loads += 1;
      if (loads > 1) state.set(ready('b'));
      else state.set({ kind: 'loading', id: 'b', name: 'b', fraction: 0, repairBytes: 0 });
      return loads > 1 ? Promise.resolve() : Promise.reject(stopped);
    },
    () => undefined,
  );
  await chats.send('Who are you?');
  expect(chats.current.value.messages.at(-1)).toMatchObject({
    text: 'I am b.',
    status: 'complete',
    modelName: 'b',
  });
});

it('answers with the model that took the place of another before its turn', async () => {
  const chats = chatsOver(
    (state) => {
      if (state.value.kind === 'none') state.set(ready('a'));
      return Promise.resolve();
    },
    (state, modelId) => {
      if (modelId === 'b') return;
      state.set(ready('b'));
      throw replaced;
    },
  );
  await chats.send('Who are you?');
  expect(chats.current.value.messages.at(-1)).toMatchObject({ text: 'I am b.', modelName: 'b' });
});

it('tells of a model that cannot be had, and can be asked again', async () => {
  const chats = chatsOver(
    () => Promise.reject(replaced),
    () => undefined,
  );
  await chats.send('Who are you?');
  expect(chats.current.value.messages.at(-1)).toMatchObject({
    status: 'failed',
    error: { code: 'engine/not-loaded' },
  });
  expect(chats.busy.value).toBe(false);
});
