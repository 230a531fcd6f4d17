import { describe, expect, it } from 'vitest';
import { fitToContext } from './prompt-budget.ts';
import type { Budget } from './prompt-budget.ts';

interface Message {
  readonly role: string;
  readonly tokens: number;
}

const system = { role: 'system', tokens: 10 };
const user = (tokens: number): Message => ({ role: 'user', tokens });
const assistant = (tokens: number): Message => ({ role: 'assistant', tokens });

async function fit(
  messages: readonly Message[],
  contextTokens: number,
  answerTokens = 20,
): Promise<Budget<Message> & { counts: number }> {
  let counts = 0;
  const budget = await fitToContext({
    messages,
    contextTokens,
    answerTokens,
    countTokens: (some) => {
      counts++;
      return Promise.resolve(some.reduce((sum, message) => sum + message.tokens, 0));
    },
  });
  return { ...budget, counts };
}

describe('fitToContext', () => {
  it('keeps everything that fits exactly, and counts once', async () => {
    const messages = [system, user(30), assistant(30), user(10)];
    const budget = await fit(messages, 100);
    expect(budget).toEqual({
      messages,
      dropped: [],
      promptTokens: 80,
      answerTokens: 20,
      counts: 1,
    });
  });

  it('drops the oldest whole turns first and keeps the system message', async () => {
    const messages = [system, user(30), assistant(30), user(5), assistant(6), user(10)];
    const budget = await fit(messages, 100);
    expect(budget.messages).toEqual([system, user(5), assistant(6), user(10)]);
    expect(budget.dropped).toEqual([user(30), assistant(30)]);
    expect(budget.promptTokens).toBe(31);
  });

  it('drops as few turns as possible, for every size of context', async () => {
    const turns = Array.from({ length: 20 }, (_value, i) => [user(i + 1), assistant(2)]);
    const messages = [system, ...turns.flat(), user(3)];
    for (let context = 80; context <= 400; context += 7) {
      const budget = await fit(messages, context);
      let dropped = 0;
      const size = (): number =>
        [system, ...turns.slice(dropped).flat(), user(3)].reduce((sum, m) => sum + m.tokens, 0);
      while (size() + 20 > context) dropped++;
      expect(budget.dropped.length).toBe(2 * dropped);
      expect(budget.promptTokens).toBe(size());
      expect(budget.counts).toBeLessThanOrEqual(8);
    }
  });

  it('keeps free no more than a quarter of the context for the answer', async () => {
    const messages = [user(30), assistant(30), user(15)];
    const budget = await fit(messages, 100, 1000);
    expect(budget.dropped).toEqual([]);
    expect(budget.answerTokens).toBe(25);
  });

  it('gives the newest question the room of the answer before it gives up', async () => {
    const messages = [user(30), assistant(30), user(84)];
    const budget = await fit(messages, 100, 50);
    expect(budget.messages).toEqual([user(84)]);
    expect(budget.answerTokens).toBe(16);
    await expect(fit([user(30), assistant(30), user(85)], 100, 50)).rejects.toMatchObject({
      code: 'engine/context-overflow',
      details: { tokens: 85, capacity: 100 },
    });
    await expect(fit([user(101)], 100)).rejects.toMatchObject({ code: 'engine/context-overflow' });
  });
});
