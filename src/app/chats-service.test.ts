import 'fake-indexeddb/auto';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  loadedModel,
  ScriptedEngine,
  scriptedRuntime,
  stats,
} from '../../test/fixtures/scripted-engine.ts';
import { AppError } from '../common/errors.ts';
import { ObservableValue } from '../common/observable.ts';
import { MemoryConversationRecords } from '../conversation/conversation-records.ts';
import { ConversationStore, openConversationStore } from '../conversation/conversation-store.ts';
import type { MessageView, Settings } from '../ui/services.ts';
import { messageStats } from './power/answer-cost.ts';
import { StoredChatsService } from './chats-service.ts';
import { defaultSettings } from './settings.ts';

const loading = { precision: 'auto', contextLength: 2048 } as const;
const closers: (() => void)[] = [];
afterEach(() => {
  vi.useRealTimers();
  for (const close of closers.splice(0)) close();
});

let databases = 0;

interface SetUp {
  readonly settings?: Partial<Settings>;
  readonly store?: ConversationStore;
  readonly ensureModel?: () => Promise<void>;
}

async function setUp({ settings = {}, store: given, ensureModel }: SetUp = {}) {
  const engine = new ScriptedEngine();
  const { runtime, prompts, close } = scriptedRuntime(engine);
  const store = given ?? (await openConversationStore({ name: `chats-${(databases += 1)}` }));
  const options = {
    store,
    runtime,
    prompts,
    settings: new ObservableValue<Settings>({ ...defaultSettings, ...settings }),
    ensureModel:
      ensureModel ??
      (async (onProgress: (fraction: number) => void) => {
        if (runtime.state.value.kind !== 'ready') await runtime.load('m', loading, onProgress);
      }),
  };
  const chats = new StoredChatsService(options);
  await chats.start();
  closers.push(close, () => {
    store.close();
  });
  /** The chats as another page finds them. */
  const reopened = (): StoredChatsService => new StoredChatsService(options);
  return { engine, runtime, store, chats, reopened, settings: options.settings };
}

function last(chats: StoredChatsService): MessageView {
  const message = chats.current.value.messages.at(-1);
  if (message === undefined) throw new Error('The chat is empty.');
  return message;
}

const shows = (chats: StoredChatsService, text: string): Promise<void> =>
  vi.waitFor(() => {
    expect(last(chats).text).toBe(text);
  });

describe('an answer', () => {
  it('is shown with its model and its speed, and found again', async () => {
    const { chats, reopened } = await setUp();
    await chats.send('How are you?');
    const { id, title, messages, activity } = chats.current.value;
    expect(title).toBe('How are you?');
    expect(activity).toEqual({ kind: 'idle' });
    expect(messages.map(({ role, text, status }) => [role, text, status])).toEqual([
      ['user', 'How are you?', 'complete'],
      ['assistant', 'Fine.', 'complete'],
    ]);
    expect(messages[1]).toMatchObject({
      modelName: 'm',
      stats: messageStats(stats, null),
      error: null,
    });
    const later = reopened();
    await later.start();
    expect(later.summaries.value).toMatchObject([{ id, title }]);
    await later.open(id ?? '');
    expect(later.current.value.messages).toEqual(messages);
  });

  it('is saved while it is written, so that a crash loses little', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { engine, chats, reopened } = await setUp();
    const answer = engine.nextAnswer();
    const sending = chats.send('Tell me a story.');
    answer.write('Once upon ');
    await vi.waitFor(() => {
      expect(chats.current.value.messages.at(-1)?.text).toBe('Once upon ');
    });
    vi.advanceTimersByTime(1500);
    const later = reopened();
    await vi.waitFor(async () => {
      await later.open(chats.current.value.id ?? '');
      expect(last(later).text).toBe('Once upon ');
      later.startNew();
    });
    await later.open(chats.current.value.id ?? '');
    expect(last(later)).toMatchObject({ status: 'stopped', notices: ['interrupted'] });
    answer.write('a time.');
    answer.end();
    await sending;
    expect(last(chats)).toMatchObject({ text: 'Once upon a time.', status: 'complete' });
  });

  it('that is stopped keeps its text', async () => {
    const { engine, chats, reopened } = await setUp();
    const answer = engine.nextAnswer();
    const sending = chats.send('Tell me a story.');
    answer.write('Once ');
    await shows(chats, 'Once ');
    chats.stop();
    await sending;
    expect(answer.stopped).toBe(true);
    expect(last(chats)).toMatchObject({ text: 'Once ', status: 'stopped', error: null });
    const later = reopened();
    await later.open(chats.current.value.id ?? '');
    expect(last(later)).toMatchObject({ text: 'Once ', status: 'stopped', notices: [] });
  });

  it('that was cut off goes on with one press, also for the next visitor', async () => {
    const { engine, chats, reopened } = await setUp();
    const answer = engine.nextAnswer();
    const sent = chats.send('Count');
    answer.write('One, ');
    answer.write('two');
    await shows(chats, 'One, two');
    chats.stop();
    await sent;
    expect(last(chats)).toMatchObject({ status: 'stopped', continuable: true });
    const visitor = reopened();
    await visitor.open(chats.current.value.id ?? '');
    const whole = engine.nextAnswer();
    const goneOn = visitor.continueAnswer(last(visitor).id);
    // The engine tells again what was written, and goes on.
    whole.write('One, ');
    await vi.waitFor(() => expect(engine.requests).toHaveLength(2));
    expect(last(visitor).text).toBe('One, two');
    whole.write('two');
    whole.write(', three.');
    whole.end();
    await goneOn;
    expect(engine.requests[1]?.written).toEqual([1, 1]);
    expect(engine.requests[1]?.prompt).toEqual(engine.requests[0]?.prompt);
    expect(visitor.current.value.messages).toHaveLength(2);
    expect(last(visitor)).toMatchObject({
      text: 'One, two, three.',
      status: 'complete',
      continuable: false,
      version: { index: 0, count: 1 },
    });
  });

  it('that was cut off keeps its text where it cannot go on', async () => {
    const { engine, runtime, chats } = await setUp();
    const answer = engine.nextAnswer();
    const sent = chats.send('Count');
    answer.write('One');
    await shows(chats, 'One');
    chats.stop();
    await sent;
    await runtime.load('another', loading);
    await chats.continueAnswer(last(chats).id);
    expect(last(chats)).toMatchObject({
      text: 'One',
      status: 'failed',
      error: { code: 'engine/other-model' },
      continuable: true,
    });
    await runtime.load('m', loading);
    await chats.continueAnswer(last(chats).id);
    expect(last(chats)).toMatchObject({ status: 'complete', error: null });
  });

  it('that is stopped while its model loads ends at once, and the load goes on', async () => {
    const { engine, runtime, chats } = await setUp();
    let finishLoading = (): void => undefined;
    engine.onLoad = () =>
      new Promise((resolve) => {
        finishLoading = resolve;
      });
    const sending = chats.send('Hello?');
    await vi.waitFor(() => {
      expect(chats.current.value.activity).toEqual({ kind: 'loading-model', fraction: 0.5 });
    });
    chats.stop();
    await sending;
    expect(last(chats)).toMatchObject({ text: '', status: 'stopped' });
    expect(chats.current.value.activity).toEqual({ kind: 'idle' });
    finishLoading();
    await vi.waitFor(() => {
      expect(runtime.state.value.kind).toBe('ready');
    });
    expect(chats.current.value.activity).toEqual({ kind: 'idle' });
    expect(engine.requests).toEqual([]);
  });

  it('that fails keeps its text and tells the code, details only until the reload', async () => {
    const { engine, chats, reopened } = await setUp();
    const answer = engine.nextAnswer();
    answer.write('Half ');
    const details = { neededBytes: 9 };
    answer.fail(new AppError('engine/out-of-memory', 'Too large.', { details }));
    await chats.send('Hello?');
    const error = { code: 'engine/out-of-memory', message: 'Too large.' };
    expect(last(chats)).toMatchObject({
      text: 'Half ',
      status: 'failed',
      error: { ...error, details },
    });
    expect(chats.busy.value).toBe(false);
    const later = reopened();
    await later.open(chats.current.value.id ?? '');
    expect(last(later)).toMatchObject({ text: 'Half ', status: 'failed', error });
  });

  it('of a worker that dies fails with its code, and the next one loads the model again', async () => {
    const { engine, chats } = await setUp();
    const answer = engine.nextAnswer();
    const sending = chats.send('Hello?');
    answer.write('Half ');
    await shows(chats, 'Half ');
    engine.workers.at(-1)?.crash('unreachable executed');
    await sending;
    expect(last(chats)).toMatchObject({
      text: 'Half ',
      status: 'failed',
      error: { code: 'engine/worker-died' },
    });
    await chats.send('And now?');
    expect(last(chats)).toMatchObject({ text: 'Fine.', status: 'complete' });
    expect(engine.loads).toHaveLength(2);
  });

  it('without a model fails in its message and can be asked for again', async () => {
    const none = new AppError('engine/not-loaded', 'No model is loaded.');
    const { chats } = await setUp({ ensureModel: () => Promise.reject(none) });
    await chats.send('Hello?');
    expect(last(chats)).toMatchObject({ status: 'failed', error: { code: 'engine/not-loaded' } });
    expect(chats.busy.value).toBe(false);
  });

  it('that cannot be saved stays here and says so, until there is room', async () => {
    let full = true;
    class FullRecords extends MemoryConversationRecords {
      override write(...change: Parameters<MemoryConversationRecords['write']>): Promise<void> {
        if (!full) return super.write(...change);
        return Promise.reject(new AppError('store/quota', 'The storage is full.'));
      }
    }
    const { chats, reopened } = await setUp({ store: new ConversationStore(new FullRecords()) });
    await chats.send('Hello?');
    const { id } = chats.current.value;
    expect(last(chats)).toMatchObject({ text: 'Fine.', error: { code: 'store/quota' } });
    chats.startNew();
    expect(chats.summaries.value).toMatchObject([{ id }]);
    await chats.open(id ?? '');
    expect(last(chats).text).toBe('Fine.');
    chats.startNew();
    full = false;
    await chats.send('Is there room now?');
    await chats.open(id ?? '');
    expect(last(chats)).toMatchObject({ text: 'Fine.', error: null });
    const later = reopened();
    await later.open(id ?? '');
    expect(last(later).text).toBe('Fine.');
  });
});

describe('versions', () => {
  it('of an answer are made by asking again, and can be leafed through', async () => {
    const { engine, chats, reopened } = await setUp();
    await chats.send('One?');
    const again = engine.nextAnswer();
    again.write('Better.');
    again.end();
    await chats.regenerate(last(chats).id);
    expect(last(chats)).toMatchObject({ text: 'Better.', version: { index: 1, count: 2 } });
    expect(engine.promptText(1)).toBe(engine.promptText(0));
    await chats.showVersion(last(chats).id, 0);
    expect(last(chats)).toMatchObject({ text: 'Fine.', version: { index: 0, count: 2 } });
    const later = reopened();
    await later.open(chats.current.value.id ?? '');
    expect(last(later)).toMatchObject({ text: 'Fine.', version: { index: 0, count: 2 } });
  });

  it('of a question are made by editing it, and what followed the other one stays with it', async () => {
    const { engine, chats } = await setUp();
    await chats.send('One?');
    await chats.send('Two?');
    const [first] = chats.current.value.messages;
    await chats.edit(first?.id ?? '', 'Uno?');
    expect(chats.current.value.messages.map(({ text }) => text)).toEqual(['Uno?', 'Fine.']);
    expect(engine.promptText(2)).not.toContain('One?');
    const [edited] = chats.current.value.messages;
    expect(edited?.version).toEqual({ index: 1, count: 2 });
    await chats.showVersion(edited?.id ?? '', 0);
    const texts = chats.current.value.messages.map(({ text }) => text);
    expect(texts).toEqual(['One?', 'Fine.', 'Two?', 'Fine.']);
  });
});

describe('other chats', () => {
  it('can be looked at while an answer goes on, but not be asked', async () => {
    const { engine, chats } = await setUp();
    await chats.send('First?');
    const first = chats.current.value.id ?? '';
    chats.startNew();
    const answer = engine.nextAnswer();
    const sending = chats.send('Second?');
    answer.write('Still ');
    await shows(chats, 'Still ');
    const second = chats.current.value.id ?? '';
    await chats.open(first);
    expect(chats.current.value).toMatchObject({ id: first, activity: { kind: 'idle' } });
    expect(chats.busy.value).toBe(true);
    await expect(chats.send('Third?')).rejects.toMatchObject({ code: 'engine/busy' });
    await expect(chats.regenerate(last(chats).id)).rejects.toMatchObject({ code: 'engine/busy' });
    answer.write('here.');
    answer.end();
    await sending;
    expect(chats.current.value.id).toBe(first);
    expect(chats.busy.value).toBe(false);
    await chats.open(second);
    expect(last(chats)).toMatchObject({ text: 'Still here.', status: 'complete' });
    expect(chats.summaries.value.map(({ id }) => id)).toEqual([second, first]);
  });

  it('that are read late do not replace the one chosen after them', async () => {
    const { chats, reopened } = await setUp();
    await chats.send('First?');
    const later = reopened();
    const opening = later.open(chats.current.value.id ?? '');
    later.startNew();
    await opening;
    expect(later.current.value.id).toBeNull();
  });

  it('are removed with the answer that is being written into them', async () => {
    const { engine, store, chats } = await setUp();
    const answer = engine.nextAnswer();
    const sending = chats.send('Hello?');
    answer.write('Gone ');
    await shows(chats, 'Gone ');
    const id = chats.current.value.id ?? '';
    await chats.remove(id);
    expect(chats.current.value).toMatchObject({ id: null, messages: [] });
    await sending;
    expect(answer.stopped).toBe(true);
    expect(chats.busy.value).toBe(false);
    expect(chats.summaries.value).toEqual([]);
    expect((await store.list()).summaries).toEqual([]);
    await expect(chats.open(id)).rejects.toMatchObject({ code: 'store/not-found' });
    await chats.send('Anybody?');
    expect(last(chats).text).toBe('Fine.');
  });

  it('are renamed and exported, open or not', async () => {
    const { chats } = await setUp();
    await chats.send('First?');
    const first = chats.current.value.id ?? '';
    chats.startNew();
    await chats.send('Second?');
    await chats.rename(first, 'Old one');
    await chats.rename(chats.current.value.id ?? '', 'New one');
    expect(chats.current.value.title).toBe('New one');
    expect(chats.summaries.value.map(({ title }) => title).toSorted()).toEqual([
      'New one',
      'Old one',
    ]);
    const one = await (await chats.exportChats(first)).text();
    expect(one).toContain('First?');
    expect(one).not.toContain('Second?');
    const all = await (await chats.exportChats()).text();
    expect(all).toContain('First?');
    expect(all).toContain('Second?');
  });
});

describe('what the model is asked', () => {
  it('holds the system prompt and the settings of the moment', async () => {
    const { engine, chats, settings } = await setUp({
      settings: {
        systemPrompt: '  Be brief. ',
        temperature: 0.25,
        topK: 7,
        topP: 0.5,
        minP: 0.125,
        repetitionPenalty: 1.5,
        seed: 42,
        maxAnswerTokens: 99,
      },
    });
    await chats.send('Hello?');
    expect(engine.promptText(0)).toBe('[system] Be brief.\n[user] Hello?\n[assistant] ');
    expect(engine.requests[0]).toMatchObject({
      sampling: { temperature: 0.25, topK: 7, topP: 0.5, minP: 0.125, seed: 42 },
      penalties: { repetitionPenalty: 1.5 },
      maxTokens: 99,
    });
    settings.set({ ...defaultSettings, seed: null });
    await chats.send('Again?');
    await chats.send('Again?');
    expect(engine.promptText(1)).toBe(
      '[user] Hello?\n[assistant] Fine.\n[user] Again?\n[assistant] ',
    );
    expect(engine.requests[1]?.sampling.seed).not.toBe(engine.requests[2]?.sampling.seed);
  });

  it('leaves out the oldest turns when there is no room, and tells so each time', async () => {
    const { engine, chats } = await setUp({ settings: { maxAnswerTokens: 16 } });
    engine.model = loadedModel({ contextLength: 120 });
    await chats.send('My name is Ann.');
    await chats.send('My dog is Bob.');
    expect(last(chats).notices).toEqual([]);
    await chats.send('What is my name?');
    expect(last(chats).notices).toEqual(['older-messages-dropped']);
    expect(engine.promptText(2)).not.toContain('Ann');
    expect(engine.promptText(2)).toContain('What is my name?');
    await chats.send('And the dog?');
    expect(last(chats).notices).toEqual(['older-messages-dropped']);
    await chats.send('x'.repeat(200));
    expect(last(chats)).toMatchObject({
      status: 'failed',
      error: { code: 'engine/context-overflow' },
    });
    expect(chats.current.value.messages.at(-2)?.text).toHaveLength(200);
  });

  it('is told when the answer reached the end of the context', async () => {
    const { engine, chats } = await setUp();
    const answer = engine.nextAnswer();
    answer.write('Too ');
    answer.end('context', 'long');
    await chats.send('Hello?');
    expect(last(chats)).toMatchObject({ text: 'Too long', notices: ['context-full'] });
  });

  it('is put into a default form where the model has none, which is told once', async () => {
    const { engine, chats } = await setUp();
    engine.model = loadedModel({ chatTemplate: null });
    await chats.send('Hello?');
    expect(last(chats).notices).toEqual(['default-template']);
    await chats.send('Again?');
    expect(last(chats).notices).toEqual([]);
    expect(engine.requests[0]?.stop.length).toBeGreaterThan(0);
  });

  it('fails with the words of a template that refuses', async () => {
    const { engine, chats } = await setUp();
    engine.model = loadedModel({ chatTemplate: "{{ raise_exception('Only on Sundays') }}" });
    await chats.send('Hello?');
    expect(last(chats).error?.code).toBe('template/refused');
    expect(last(chats).error?.message).toContain('Only on Sundays');
  });
});

describe('what a model thinks', () => {
  it('is kept apart from the answer, timed, found again, and not read back to the model', async () => {
    const { engine, chats, reopened } = await setUp();
    const answer = engine.nextAnswer();
    const sending = chats.send('Why?');
    answer.write('<thi');
    answer.write('nk>\nHm, ');
    await vi.waitFor(() => {
      expect(last(chats)).toMatchObject({ text: '', reasoning: { text: 'Hm,', durationMs: null } });
    });
    answer.write('well.\n</think>\n\nBecause.');
    answer.end();
    await sending;
    expect(last(chats)).toMatchObject({ text: 'Because.', reasoning: { text: 'Hm, well.' } });
    expect(last(chats).reasoning?.durationMs).toBeGreaterThanOrEqual(0);
    const later = reopened();
    await later.open(chats.current.value.id ?? '');
    expect(last(later)).toEqual(last(chats));
    await chats.send('And?');
    expect(engine.promptText(1)).toBe(
      '[user] Why?\n[assistant] Because.\n[user] And?\n[assistant] ',
    );
  });

  it('is told apart where the prompt opens it, and stays when the answer is stopped', async () => {
    const { engine, chats } = await setUp();
    engine.model = loadedModel({
      chatTemplate: '{% for m in messages %}{{ m.content }}{% endfor %}<think>\n',
    });
    const answer = engine.nextAnswer();
    const sending = chats.send('Why?');
    answer.write('Hm');
    await vi.waitFor(() => {
      expect(last(chats).reasoning?.text).toBe('Hm');
    });
    chats.stop();
    await sending;
    expect(last(chats)).toMatchObject({ status: 'stopped', text: '', reasoning: { text: 'Hm' } });
    expect(last(chats).reasoning?.durationMs).not.toBeNull();
  });

  it('is asked for or not, where the template lets one choose', async () => {
    const { engine, chats, settings } = await setUp();
    engine.model = loadedModel({
      chatTemplate: '{% if enable_thinking %}think{% else %}answer{% endif %}',
    });
    await chats.send('One');
    settings.set({ ...settings.value, thinking: false });
    await chats.send('Two');
    expect([engine.promptText(0), engine.promptText(1)]).toEqual(['think', 'answer']);
  });
});

describe('a call of a tool', () => {
  it('that the chat does not have is shown and not read back', async () => {
    const { engine, chats, reopened } = await setUp();
    engine.model = loadedModel({
      chatTemplate: `{% if false %}<tool_call>{% endif %}{% for m in messages %}[{{ m.content }}]{% endfor %}`,
    });
    const answer = engine.nextAnswer();
    answer.write('<tool_call>{"name":"add","arguments":{"a":1}}</tool_call>');
    answer.end();
    await chats.send('Add.');
    expect(last(chats)).toMatchObject({
      text: '',
      calls: [{ name: 'add', arguments: '{"a":1}', result: null }],
    });
    const later = reopened();
    await later.open(chats.current.value.id ?? '');
    expect(last(later)).toEqual(last(chats));
    await chats.send('Well?');
    expect(engine.promptText(1)).toBe('[Add.\n\nWell?]');
  });
});
