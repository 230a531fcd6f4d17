// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import './chat-composer.ts';
import type { ChatComposer } from './chat-composer.ts';

let composer: ChatComposer;
let sent: string[];

const field = (): HTMLTextAreaElement =>
  composer.renderRoot.querySelector('textarea') as HTMLTextAreaElement;

function type(text: string): void {
  field().value = text;
  field().dispatchEvent(new Event('input'));
}

function press(init: KeyboardEventInit): void {
  field().dispatchEvent(new KeyboardEvent('keydown', { bubbles: true, cancelable: true, ...init }));
}

beforeEach(async () => {
  sessionStorage.clear();
  sent = [];
  composer = document.createElement('hermit-chat-composer');
  composer.addEventListener('hermit-send', (event) => sent.push(event.detail));
  document.body.append(composer);
  await composer.updateComplete;
});

afterEach(() => {
  composer.remove();
});

describe('hermit-chat-composer', () => {
  it('sends on Enter, trimmed, and empties itself and its draft', () => {
    type('  hello\n');
    press({ key: 'Enter' });
    expect(sent).toEqual(['hello']);
    expect(field().value).toBe('');
    expect(sessionStorage.length).toBe(0);
  });

  it('does not send on Shift+Enter, while composing, or without words', () => {
    type('你好');
    press({ key: 'Enter', shiftKey: true });
    press({ key: 'Enter', isComposing: true });
    type('   ');
    press({ key: 'Enter' });
    expect(sent).toEqual([]);
  });

  it('sends nothing while blocked or working, and keeps the words', async () => {
    composer.blocked = 'No model.';
    await composer.updateComplete;
    type('hello');
    press({ key: 'Enter' });
    composer.blocked = null;
    composer.working = true;
    await composer.updateComplete;
    press({ key: 'Enter' });
    expect(sent).toEqual([]);
    expect(field().value).toBe('hello');
    expect(composer.renderRoot.querySelector('button')?.getAttribute('aria-label')).toBe('Stop');
  });

  it('keeps a draft for each chat', async () => {
    type('for the new one');
    composer.chatId = 'other';
    sessionStorage.setItem('hermit:draft:other', 'half a thought');
    await composer.updateComplete;
    expect(field().value).toBe('half a thought');
    composer.chatId = null;
    await composer.updateComplete;
    expect(field().value).toBe('for the new one');
  });

  it('takes along what was typed while a new chat got its name, and only then', async () => {
    type('first');
    composer.chatId = 'existing';
    await composer.updateComplete;
    expect(field().value).toBe('');
    composer.chatId = null;
    composer.working = true;
    await composer.updateComplete;
    type('and another thing');
    composer.chatId = 'named';
    await composer.updateComplete;
    expect(field().value).toBe('and another thing');
    expect(sessionStorage.getItem('hermit:draft:named')).toBe('and another thing');
    expect(sessionStorage.getItem('hermit:draft:new')).toBeNull();
  });

  it('asks to edit the last message on arrow up only when empty', () => {
    let asked = 0;
    composer.addEventListener('hermit-edit-last', () => asked++);
    type('x');
    press({ key: 'ArrowUp' });
    type('');
    press({ key: 'ArrowUp' });
    expect(asked).toBe(1);
  });
});
