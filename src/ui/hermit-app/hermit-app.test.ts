// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeServices, modelIn } from '../services.test-data.ts';
import type { TestServices } from '../services.test-data.ts';
import './hermit-app.ts';
import type { HermitApp } from './hermit-app.ts';

let test: TestServices;
let app: HermitApp;

const page = (): string | undefined => app.renderRoot.querySelector('main > *')?.localName;

function start(hash: string): void {
  location.hash = hash;
  app = document.createElement('hermit-app');
  app.services = test.services;
  document.body.append(app);
}

beforeEach(() => {
  test = makeServices();
});

afterEach(() => {
  app.remove();
});

describe('hermit-app', () => {
  it('shows nothing before it has services', async () => {
    app = document.createElement('hermit-app');
    document.body.append(app);
    await app.updateComplete;
    expect(app.renderRoot.querySelector('main')).toBeNull();
  });

  it('welcomes those without a model, and turns to the chat when one comes', async () => {
    start('#/');
    await app.updateComplete;
    expect(page()).toBe('hermit-welcome-view');
    test.models.set([modelIn({ kind: 'verifying', bytesDone: 1 })]);
    await app.updateComplete;
    expect(page()).toBe('hermit-chat-view');
  });

  it('follows the address', async () => {
    start('#/models');
    await vi.waitUntil(() => page() === 'hermit-models-view');
    location.hash = '#/chat/abc';
    await vi.waitUntil(() => test.calls.includes('open abc'));
    await vi.waitUntil(() => document.title === 'Chat abc · Hermit');
    location.hash = '#/settings';
    await vi.waitUntil(() => page() === 'hermit-settings-view');
    expect(document.title).toBe('Settings · Hermit');
  });

  it('gives a new chat its address once it has one', async () => {
    test.models.set([modelIn({ kind: 'ready' })]);
    start('#/');
    await app.updateComplete;
    test.chat.set({ ...test.chat.value, id: 'fresh', title: 'Fresh' });
    expect(location.hash).toBe('#/chat/fresh');
    expect(test.calls).not.toContain('open fresh');
  });

  it('applies theme and language to the document', async () => {
    start('#/');
    test.services.settings.update({ theme: 'dark', language: 'zh-Hans' });
    expect(document.documentElement.dataset['theme']).toBe('dark');
    await vi.waitUntil(() => document.documentElement.lang === 'zh-Hans');
    await vi.waitUntil(() => app.renderRoot.querySelector('.skip')?.textContent === '跳到主要内容');
    test.services.settings.update({ theme: 'system', language: 'en' });
    expect(document.documentElement.dataset['theme']).toBeUndefined();
    await vi.waitUntil(() => document.documentElement.lang === 'en');
  });

  it('makes a model added here answer when it is complete', async () => {
    start('#/');
    await app.updateComplete;
    app.renderRoot
      .querySelector('main')
      ?.dispatchEvent(
        new CustomEvent('hermit-model-added', { detail: 'm', bubbles: true, composed: true }),
      );
    test.models.set([modelIn({ kind: 'ready' })]);
    expect(test.calls).toContain('select m');
  });
});
