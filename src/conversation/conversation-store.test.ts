import 'fake-indexeddb/auto';
import { openDB } from 'idb';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { conversationsFromJson, maxImportedConversations } from './conversation-export.ts';
import { maxTextLength, parseMessage } from './conversation-parser.ts';
import { MemoryConversationRecords, openConversationRecords } from './conversation-records.ts';
import { ConversationStore, openConversationStore } from './conversation-store.ts';
import { activePath, addMessage, createConversation, updateMessage } from './conversation-tree.ts';
import type { Conversation } from './conversation-types.ts';

let databases = 0;
const freshName = (): string => `chats-${++databases}`;

function chat(id: string, updatedAt = 10): Conversation {
  let conversation = createConversation(id, `Chat ${id}`, 1);
  conversation = addMessage(conversation, {
    id: 'q',
    parentId: null,
    role: 'user',
    text: 'Why?',
    createdAt: 2,
  });
  conversation = addMessage(conversation, {
    id: 'a',
    parentId: 'q',
    role: 'assistant',
    text: 'Because.',
    createdAt: updatedAt,
    modelId: 'm',
    modelName: 'Model',
  });
  return updateMessage(conversation, 'a', {
    finishReason: 'stop',
    notices: ['default-template'],
    stats: {
      promptTokens: 5,
      reusedTokens: 0,
      answerTokens: 3,
      timeToFirstTokenMs: 1.5,
      prefillTokensPerSecond: 20,
      decodeTokensPerSecond: 10,
      stretches: [
        {
          precision: 'mixed',
          backend: 'wasm',
          threads: 2,
          tokens: 3,
          weightBytesPerToken: 500,
          milliseconds: 30,
        },
      ],
      joules: 4.5,
    },
  });
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe.each([
  ['IndexedDB', () => openConversationRecords(freshName())],
  ['memory', () => Promise.resolve(new MemoryConversationRecords())],
])('ConversationStore over %s', (_kind, openRecords) => {
  async function open(): Promise<ConversationStore> {
    let ids = 0;
    return new ConversationStore(await openRecords(), {
      createId: () => `new-${++ids}`,
      now: () => 0,
    });
  }

  it('gives back what was saved', async () => {
    const store = await open();
    const saved = chat('one');
    await store.save(saved, null);
    expect(await store.load('one')).toEqual({ conversation: saved, lostMessages: 0 });
  });

  it('lists without reading messages, the one changed last first', async () => {
    const store = await open();
    for (const [id, time] of [
      ['old', 10],
      ['new', 30],
      ['middle', 20],
    ] as const) {
      await store.save(chat(id, time), null);
    }
    const { summaries, damaged } = await store.list();
    expect(damaged).toBe(0);
    expect(summaries.map((summary) => summary.id)).toEqual(['new', 'middle', 'old']);
    expect(summaries[0]).toEqual({
      id: 'new',
      title: 'Chat new',
      createdAt: 1,
      updatedAt: 30,
      messageCount: 2,
    });
  });

  it('adds and changes single messages', async () => {
    const store = await open();
    const first = chat('one');
    await store.save(first, null);
    const grown = addMessage(updateMessage(first, 'a', { text: 'Just because.' }), {
      id: 'q2',
      parentId: 'a',
      role: 'user',
      text: 'More',
      createdAt: 11,
    });
    await store.save(grown, first);
    expect((await store.load('one')).conversation).toEqual(grown);
    expect((await store.list()).summaries[0]?.messageCount).toBe(3);
  });

  it('writes nothing but what changed', async () => {
    const records = await openRecords();
    const store = new ConversationStore(records);
    const first = chat('one');
    await store.save(first, null);
    const write = vi.spyOn(records, 'write');
    await store.save(updateMessage(first, 'a', { text: 'x' }), first);
    expect(write.mock.calls[0]?.[0].messages.map((message) => message.id)).toEqual(['a']);
  });

  it('comes back from an ended tab with the half answer marked', async () => {
    const store = await open();
    await store.save(updateMessage(chat('one'), 'a', { status: 'streaming' }), null);
    const { conversation } = await store.load('one');
    expect(conversation.messages.get('a')).toMatchObject({
      status: 'stopped',
      notices: ['default-template', 'interrupted'],
    });
  });

  it('renames and removes', async () => {
    const store = await open();
    await store.save(chat('one'), null);
    await store.save(chat('onetwo'), null);
    await store.rename('one', 'A new name');
    expect((await store.load('one')).conversation.title).toBe('A new name');
    expect((await store.load('one')).conversation.messages.size).toBe(2);
    await store.remove('one');
    await store.remove('one');
    await expect(store.load('one')).rejects.toMatchObject({ code: 'store/not-found' });
    await expect(store.rename('one', 'x')).rejects.toMatchObject({ code: 'store/not-found' });
    expect((await store.load('onetwo')).conversation.messages.size).toBe(2);
  });

  it('exports and imports, and never overwrites a chat that exists', async () => {
    const store = await open();
    await store.save(chat('one'), null);
    await store.save(chat('two', 20), null);
    const json = await store.exportJson();
    await store.remove('two');
    await store.rename('one', 'Mine');
    expect(await store.importJson(json)).toEqual({
      ids: ['two', 'new-1'],
      lostConversations: 0,
      lostMessages: 0,
    });
    expect((await store.load('one')).conversation.title).toBe('Mine');
    expect((await store.load('two')).conversation).toEqual(chat('two', 20));
    expect((await store.load('new-1')).conversation).toEqual({ ...chat('one'), id: 'new-1' });
    const single = JSON.parse(await store.exportJson('two')) as { conversations: unknown[] };
    expect(single.conversations.length).toBe(1);
  });

  it('survives damaged records and counts them', async () => {
    const records = await openRecords();
    const store = new ConversationStore(records);
    await store.save(chat('good'), null);
    const head = { title: 'x', createdAt: 1, updatedAt: 1, activeLeafId: 'a' };
    const good = {
      sequence: 0,
      parentId: null,
      role: 'user',
      text: 't',
      createdAt: 1,
      status: 'complete',
    };
    await records.write({ head: { id: 'no-title', title: 5 }, messages: [] });
    await records.write({
      head: { ...head, id: 'hurt' },
      messages: [
        { ...good, id: 'q' },
        { ...good, id: 'a', parentId: 'q', sequence: 1, role: 'emperor' },
        { ...good, id: 'q2', parentId: 'a', sequence: 2 },
        { ...good, id: 'self', parentId: 'self', sequence: 3 },
        { ...good, id: 'b', parentId: 'q', sequence: 4 },
      ],
    });
    const { summaries, damaged } = await store.list();
    expect([summaries.map((summary) => summary.id).sort(), damaged]).toEqual([['good', 'hurt'], 1]);
    const { conversation, lostMessages } = await store.load('hurt');
    expect(lostMessages).toBe(3);
    expect(activePath(conversation).map((message) => message.id)).toEqual(['q', 'b']);
    expect(conversation.nextSequence).toBe(5);
    await expect(store.load('no-title')).rejects.toMatchObject({
      code: 'store/damaged',
      details: { field: 'title' },
    });
    expect(JSON.parse(await store.exportJson())).toMatchObject({ conversations: { length: 2 } });
  });
});

describe('openConversationStore', () => {
  it('keeps chats from one visit to the next', async () => {
    const name = freshName();
    const first = await openConversationStore({ name });
    expect(first.kept).toBe(true);
    await first.save(chat('one'), null);
    first.close();
    await expect(first.list()).rejects.toMatchObject({ code: 'store/closed' });
    const second = await openConversationStore({ name });
    expect((await second.load('one')).conversation).toEqual(chat('one'));
  });

  it('asks the browser for strict durability', async () => {
    const transaction = vi.spyOn(IDBDatabase.prototype, 'transaction');
    const store = await openConversationStore({ name: freshName() });
    await store.save(chat('one'), null);
    await store.rename('one', 'x');
    await store.remove('one');
    const writes = transaction.mock.calls.filter(([, mode]) => mode === 'readwrite');
    expect(writes.length).toBe(3);
    for (const [, , options] of writes) expect(options).toEqual({ durability: 'strict' });
    transaction.mockRestore();
  });

  it('works in memory, and says so, where there is no IndexedDB', async () => {
    vi.stubGlobal('indexedDB', {
      open: () => {
        throw new DOMException('denied', 'SecurityError');
      },
    });
    const store = await openConversationStore();
    expect(store.kept).toBe(false);
    await store.save(chat('one'), null);
    expect((await store.list()).summaries.length).toBe(1);
  });

  it('does not hide chats that a newer version wrote', async () => {
    const name = freshName();
    (await openDB(name, 99)).close();
    await expect(openConversationStore({ name })).rejects.toMatchObject({ code: 'store/closed' });
  });

  it('makes way for a newer version and says why it closed', async () => {
    const name = freshName();
    const store = await openConversationStore({ name });
    await store.save(chat('one'), null);
    const newer = await openDB(name, 2);
    expect(await newer.count('heads')).toBe(1);
    newer.close();
    await expect(store.save(chat('two'), null)).rejects.toMatchObject({ code: 'store/closed' });
  });

  it('says that the space is used up', async () => {
    const store = await openConversationStore({ name: freshName() });
    const put = vi.spyOn(IDBObjectStore.prototype, 'put').mockImplementation(() => {
      throw new DOMException('full', 'QuotaExceededError');
    });
    await expect(store.save(chat('one'), null)).rejects.toMatchObject({ code: 'store/quota' });
    put.mockRestore();
    await store.save(chat('one'), null);
    expect((await store.list()).summaries.length).toBe(1);
  });
});

describe('parseMessage', () => {
  const valid = {
    id: 'q',
    parentId: null,
    sequence: 0,
    role: 'user',
    text: 'Hi',
    createdAt: 1,
    status: 'complete',
  };
  const soundStats = {
    promptTokens: 5,
    reusedTokens: 0,
    answerTokens: 3,
    timeToFirstTokenMs: 1,
    prefillTokensPerSecond: 20,
    decodeTokensPerSecond: 10,
  };
  const stretch = {
    precision: 8,
    backend: 'wasm',
    threads: 2,
    tokens: 3,
    weightBytesPerToken: 500,
    milliseconds: 30,
  };

  it('keeps how an answer was computed', () => {
    const stats = { ...soundStats, stretches: [stretch], joules: 2 };
    expect(parseMessage({ ...valid, stats }).stats).toEqual(stats);
    expect(parseMessage({ ...valid, stats: soundStats }).stats).toEqual(soundStats);
  });

  it('fills in what is missing and drops what it does not know', () => {
    const message = parseMessage({ ...valid, html: '<script>' });
    expect(message).toEqual({
      ...valid,
      reasoning: null,
      calls: [],
      callId: null,
      modelId: null,
      modelName: null,
      stats: null,
      finishReason: null,
      error: null,
      notices: [],
    });
  });

  it('takes the longest text and refuses one longer', () => {
    const text = 'a'.repeat(maxTextLength);
    expect(parseMessage({ ...valid, text }).text.length).toBe(maxTextLength);
    expect(() => parseMessage({ ...valid, text: `${text}a` })).toThrow(/text/);
  });

  it('takes the reasoning out of the answers of older records, and of those alone', () => {
    const text = '\n<think>\nHm.\n</think>\n\nYes.';
    const old = { ...valid, role: 'assistant', text };
    expect(parseMessage(old)).toMatchObject({
      text: 'Yes.',
      reasoning: { text: 'Hm.', durationMs: null },
    });
    expect(parseMessage({ ...old, text: '<think>Hm' })).toMatchObject({
      text: '',
      reasoning: { text: 'Hm' },
    });
    for (const kept of [
      { ...old, reasoning: null },
      { ...old, role: 'user' },
    ]) {
      expect(parseMessage(kept)).toMatchObject({ text, reasoning: null });
    }
  });

  it('keeps reasoning, calls of tools and their results', () => {
    const fields = {
      reasoning: { text: 'Hm.', durationMs: 5 },
      calls: [{ id: 'c', name: 'add', arguments: '{}' }],
      callId: 'd',
    };
    expect(parseMessage({ ...valid, ...fields })).toMatchObject(fields);
  });

  it('keeps the error of a newer version under a code it knows', () => {
    const error = { code: 'engine/of-tomorrow', message: 'Oh' };
    expect(parseMessage({ ...valid, error }).error).toEqual({ code: 'internal', message: 'Oh' });
  });

  it.each([
    null,
    [],
    'text',
    { ...valid, id: '' },
    { ...valid, id: 5 },
    { ...valid, parentId: 5 },
    { ...valid, sequence: -1 },
    { ...valid, sequence: 1.5 },
    { ...valid, createdAt: Infinity },
    { ...valid, status: 'done' },
    { ...valid, finishReason: 'tired' },
    { ...valid, notices: [1] },
    { ...valid, notices: Array.from({ length: 51 }, () => 'x') },
    { ...valid, stats: { promptTokens: 'many' } },
    { ...valid, stats: { ...soundStats, stretches: {} } },
    { ...valid, stats: { ...soundStats, stretches: [{ ...stretch, precision: 3 }] } },
    { ...valid, stats: { ...soundStats, stretches: [{ ...stretch, backend: 'abacus' }] } },
    { ...valid, stats: { ...soundStats, stretches: [{ ...stretch, tokens: 0.5 }] } },
    { ...valid, stats: { ...soundStats, stretches: Array.from({ length: 51 }, () => stretch) } },
    { ...valid, stats: { ...soundStats, joules: -1 } },
    { ...valid, error: { code: 'internal' } },
    { ...valid, reasoning: 'Hm' },
    { ...valid, reasoning: { text: 'Hm', durationMs: -1 } },
    { ...valid, calls: {} },
    { ...valid, calls: [{ id: 'c', name: 'add' }] },
    { ...valid, calls: Array.from({ length: 1001 }, () => ({ id: 'c', name: '', arguments: '' })) },
    { ...valid, callId: '' },
    Object.create(valid) as unknown,
  ])('refuses %j', (value) => {
    expect(() => parseMessage(value)).toThrow(expect.objectContaining({ code: 'store/damaged' }));
  });
});

describe('conversationsFromJson', () => {
  const file = (conversations: unknown): string =>
    JSON.stringify({ format: 'hermit-conversations', version: 1, conversations });

  it.each([
    ['', 'not JSON'],
    ['<html>', 'not JSON'],
    ['[]', 'nothing of chats'],
    ['null', 'nothing of chats'],
    ['{"__proto__": {"format": "hermit-conversations"}}', 'nothing of chats'],
    ['{"format":"hermit-conversations","version":3,"conversations":[]}', 'newer version'],
    ['{"format":"hermit-conversations","version":1}', 'no list'],
  ])('refuses %j', (json, reason) => {
    expect(() => conversationsFromJson(json)).toThrow(
      expect.objectContaining({
        code: 'invalid-argument',
        message: expect.stringContaining(reason) as string,
      }),
    );
  });

  it('takes the most chats allowed and refuses one more', () => {
    const list = Array.from({ length: maxImportedConversations }, () => null);
    expect(conversationsFromJson(file(list)).lostConversations).toBe(maxImportedConversations);
    expect(() => conversationsFromJson(file([...list, null]))).toThrow(/more than/);
  });

  it('is not fooled by prototype keys', () => {
    const json = `{"format":"hermit-conversations","version":1,"conversations":[
      {"id":"c","title":"t","createdAt":1,"updatedAt":1,"__proto__":{"polluted":1},"messages":[
        {"id":"__proto__","parentId":null,"sequence":0,"role":"user","text":"x","createdAt":1,"status":"complete","__proto__":{"polluted":1}},
        {"id":"constructor","parentId":"__proto__","sequence":1,"role":"assistant","text":"y","createdAt":1,"status":"streaming"}]},
      {"__proto__":{"id":"d","title":"t","createdAt":1,"updatedAt":1},"messages":[]}]}`;
    const { conversations, lostConversations, lostMessages } = conversationsFromJson(json);
    expect([lostConversations, lostMessages]).toEqual([1, 0]);
    expect(activePath(conversations[0]!).map((message) => message.text)).toEqual(['x', 'y']);
    expect(conversations[0]!.messages.get('constructor')?.status).toBe('stopped');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(Object.keys(conversations[0]!)).not.toContain('__proto__');
  });
});
