import { describe, expect, it } from 'vitest';
import type { AppError } from '../common/errors.ts';
import {
  activePath,
  addMessage,
  childrenOf,
  createConversation,
  promptMessages,
  settleInterrupted,
  showSibling,
  siblingsOf,
  updateMessage,
} from './conversation-tree.ts';
import type { Conversation, MessageRole } from './conversation-types.ts';

function add(
  conversation: Conversation,
  id: string,
  parentId: string | null,
  role: MessageRole = 'user',
  text = id,
): Conversation {
  // All at the same time: the order must not come from the clock.
  return addMessage(conversation, { id, parentId, role, text, createdAt: 5 });
}

const empty = createConversation('c', 'Title', 1);

/** q1 - a1 - q2 - a2, then a1 regenerated as b1 with question q3. */
function branched(): Conversation {
  let chat = add(empty, 'q1', null);
  chat = add(chat, 'a1', 'q1', 'assistant');
  chat = add(chat, 'q2', 'a1');
  chat = add(chat, 'a2', 'q2', 'assistant');
  chat = add(chat, 'b1', 'q1', 'assistant');
  return add(chat, 'q3', 'b1');
}

const shown = (chat: Conversation): string[] => activePath(chat).map((message) => message.id);
const invalidArgument = expect.objectContaining({ code: 'invalid-argument' }) as AppError;

describe('conversation tree', () => {
  it('begins empty', () => {
    expect(shown(empty)).toEqual([]);
    expect(childrenOf(empty, null)).toEqual([]);
  });

  it('shows the path to the newest message', () => {
    expect(shown(branched())).toEqual(['q1', 'b1', 'q3']);
  });

  it('changes nothing in place', () => {
    const before = add(empty, 'q1', null);
    const after = updateMessage(add(before, 'a1', 'q1', 'assistant'), 'q1', { text: 'new' });
    expect(before.messages.size).toBe(1);
    expect(before.messages.get('q1')?.text).toBe('q1');
    expect(after.messages.get('q1')?.text).toBe('new');
    expect(after.messages.get('a1')).toBeDefined();
  });

  it('knows the versions of a message in the order of writing', () => {
    const { messages, index } = siblingsOf(branched(), 'b1');
    expect([messages.map((message) => message.id), index]).toEqual([['a1', 'b1'], 1]);
  });

  it('goes to a version and to the newest of what follows it', () => {
    const chat = showSibling(branched(), 'b1', 0);
    expect(shown(chat)).toEqual(['q1', 'a1', 'q2', 'a2']);
    expect(shown(showSibling(chat, 'a1', 1))).toEqual(['q1', 'b1', 'q3']);
  });

  it('takes an edited first question as a sibling', () => {
    const chat = add(branched(), 'q1-edited', null);
    expect(shown(chat)).toEqual(['q1-edited']);
    expect(siblingsOf(chat, 'q1').messages.length).toBe(2);
  });

  it('counts time forward only', () => {
    const later = addMessage(add(empty, 'q1', null), {
      id: 'a1',
      parentId: 'q1',
      role: 'assistant',
      text: '',
      createdAt: 2,
    });
    expect(later.updatedAt).toBe(5);
    expect(later.messages.get('a1')?.sequence).toBe(1);
  });

  it.each([
    ['an unknown parent', () => add(empty, 'x', 'nobody')],
    ['an id in use', () => add(branched(), 'q1', null)],
    ['an unknown message', () => updateMessage(empty, 'nobody', {})],
    ['an unknown version', () => showSibling(branched(), 'b1', 2)],
  ])('refuses %s', (_name, work) => {
    expect(work).toThrow(invalidArgument);
  });

  it('settles what an ended tab left unfinished', () => {
    const chat = updateMessage(branched(), 'a2', { status: 'streaming', text: 'half' });
    const settled = settleInterrupted(chat);
    expect(settled.messages.get('a2')).toMatchObject({
      status: 'stopped',
      text: 'half',
      notices: ['interrupted'],
    });
    expect(settleInterrupted(settled)).toBe(settled);
  });
});

describe('promptMessages', () => {
  it('leaves empty answers out and joins the questions around them', () => {
    let chat = add(empty, 's', null, 'system', 'Be brief.');
    chat = add(chat, 'q1', 's', 'user', 'One');
    chat = add(chat, 'a1', 'q1', 'assistant', '  ');
    chat = add(chat, 'q2', 'a1', 'user', 'Two');
    chat = add(chat, 'a2', 'q2', 'assistant', 'Yes');
    expect(promptMessages(activePath(chat))).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'One\n\nTwo' },
      { role: 'assistant', content: 'Yes' },
    ]);
  });

  it('hands reasoning over apart, and calls with all of their results', () => {
    const call = { id: 'c', name: 'add', arguments: '{"a":1}' };
    let chat = add(empty, 'q', null, 'user', 'Add.');
    chat = add(chat, 'a', 'q', 'assistant', '');
    chat = updateMessage(chat, 'a', { calls: [call], reasoning: { text: 'Hm', durationMs: 1 } });
    expect(promptMessages(activePath(chat))).toEqual([{ role: 'user', content: 'Add.' }]);
    const result = { id: 'r', parentId: 'a', role: 'tool', text: '2', createdAt: 1 } as const;
    chat = addMessage(chat, { ...result, callId: 'c' });
    expect(promptMessages(activePath(chat))).toEqual([
      { role: 'user', content: 'Add.' },
      {
        role: 'assistant',
        content: '',
        reasoning_content: 'Hm',
        tool_calls: [
          { id: 'c', type: 'function', function: { name: 'add', arguments: '{"a":1}' } },
        ],
      },
      { role: 'tool', content: '2', tool_call_id: 'c' },
    ]);
    const orphan = addMessage(chat, { ...result, id: 's', parentId: 'r', callId: 'x' });
    expect(promptMessages(activePath(orphan))).toHaveLength(3);
  });
});
