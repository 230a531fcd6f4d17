// @vitest-environment happy-dom
import { ContextProvider } from '@lit/context';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { servicesContext } from '../context.ts';
import { makeServices } from '../services.test-data.ts';
import type { MessageView } from '../services.ts';
import './chat-message.ts';
import type { ChatMessage } from './chat-message.ts';

const answer: MessageView = {
  id: 'a',
  role: 'assistant',
  text: 'Yes.',
  reasoning: null,
  calls: [],
  status: 'complete',
  error: null,
  notices: [],
  stats: null,
  modelName: 'Small Model',
  version: { index: 0, count: 1 },
};

let home: HTMLElement;
let element: ChatMessage;

beforeEach(() => {
  home = document.createElement('div');
  new ContextProvider(home, {
    context: servicesContext,
    initialValue: makeServices().services,
  }).hostConnected();
  document.body.append(home);
  element = document.createElement('hermit-chat-message');
  home.append(element);
});
afterEach(() => {
  home.remove();
});

/** The text of every shadow root inside, in the order of the page. */
async function shown(change: Partial<MessageView>): Promise<string> {
  element.message = { ...answer, ...change };
  await element.updateComplete;
  const texts: string[] = [];
  const visit = async (node: Node): Promise<void> => {
    if (node instanceof HTMLStyleElement) return;
    if (node.nodeType === Node.TEXT_NODE) texts.push(node.textContent ?? '');
    const root = (node as Partial<Element>).shadowRoot;
    if (root !== null && root !== undefined) {
      await (node as Partial<ChatMessage>).updateComplete;
      await visit(root);
    }
    for (const child of node.childNodes) await visit(child);
  };
  await visit(element);
  return texts.join(' ').replaceAll(/\s+/g, ' ');
}

const details = (tag: string): HTMLDetailsElement | null | undefined =>
  element.renderRoot.querySelector(tag)?.shadowRoot?.querySelector('details');

describe('hermit-chat-message', () => {
  it('folds the reasoning away, and says how long it took', async () => {
    const text = await shown({ reasoning: { text: 'Hm, *well*.', durationMs: 12_300 } });
    expect(text).toContain('Thought for 12 sec');
    expect(text.indexOf('well')).toBeLessThan(text.indexOf('Yes.'));
    expect(details('hermit-answer-reasoning')?.open).toBe(false);
  });

  it('says that the model is thinking while it is, instead of a dot', async () => {
    const reasoning = { text: 'Hm', durationMs: null };
    expect(await shown({ status: 'streaming', text: '', reasoning })).toContain('Thinking…');
    expect(element.renderRoot.querySelector('.waiting')).toBeNull();
    const done = { text: 'Hm', durationMs: 100 };
    expect(await shown({ status: 'streaming', text: '', reasoning: done })).toContain('1 sec');
    expect(element.renderRoot.querySelector('.waiting')).not.toBeNull();
  });

  it('tells what an answer cost in each way it was computed', async () => {
    const stats = {
      promptTokens: 5,
      reusedTokens: 0,
      answerTokens: 30,
      timeToFirstTokenMs: 100,
      prefillTokensPerSecond: 50,
      decodeTokensPerSecond: 20,
    };
    const way = { backend: 'wasm', tokens: 20, milliseconds: 180 } as const;
    const text = await shown({
      stats: {
        ...stats,
        stretches: [
          { ...way, precision: 8, threads: 2, weightBytesPerToken: 8.5e6 },
          { ...way, precision: 4, threads: 1, weightBytesPerToken: 4.5e6 },
        ],
        joules: 42.4,
      },
    });
    expect(text).toContain('8 bits, 2 threads');
    expect(text).toContain('20 tokens, each 8.5 MB of weights and 9 ms');
    expect(text).toContain('4 bits, 1 thread');
    expect(text).toContain('about 42 J for the whole device');
    expect(await shown({ stats })).not.toContain('estimated');
  });

  it('names reasoning of unknown length', async () => {
    const text = await shown({ reasoning: { text: 'Hm', durationMs: null } });
    expect(text).toContain('How it thought about this');
  });

  it('shows a call of a tool folded, with its arguments and result', async () => {
    const call = { id: 'c', name: 'get_weather', arguments: '{"city":"Paris"}', result: '18 C' };
    const text = await shown({ text: '', calls: [call] });
    expect(text).toContain('Called the tool get_weather');
    expect(text).toContain('{ "city": "Paris" }');
    expect(text).toContain('18 C');
    expect(details('hermit-tool-call')?.open).toBe(false);
    expect(await shown({ calls: [{ ...call, result: null }] })).toContain('Not run');
  });
});
