import { describe, expect, it } from 'vitest';
import { InstallPrompt } from './install-prompt.ts';

class OfferEvent extends Event {
  readonly #outcome: 'accepted' | 'dismissed';
  prompts = 0;

  constructor(outcome: 'accepted' | 'dismissed') {
    super('beforeinstallprompt', { cancelable: true });
    this.#outcome = outcome;
  }

  prompt() {
    this.prompts += 1;
    return Promise.resolve({ outcome: this.#outcome });
  }
}

function inTab(events = new EventTarget()) {
  return {
    events,
    install: new InstallPrompt({ events, standalone: false, safariStandalone: undefined }),
  };
}

describe('InstallPrompt', () => {
  it('keeps the offer of the browser until it is asked for', async () => {
    const { events, install } = inTab();
    expect(install.state.value).toBe('unavailable');
    expect(await install.prompt()).toBe(false);
    const offer = new OfferEvent('accepted');
    events.dispatchEvent(offer);
    expect(offer.defaultPrevented).toBe(true);
    expect(install.state.value).toBe('available');
    expect(offer.prompts).toBe(0);
    expect(await install.prompt()).toBe(true);
    events.dispatchEvent(new Event('appinstalled'));
    expect(install.state.value).toBe('installed');
  });

  it('uses an offer once', async () => {
    const { events, install } = inTab();
    const offer = new OfferEvent('dismissed');
    events.dispatchEvent(offer);
    expect(await install.prompt()).toBe(false);
    expect(await install.prompt()).toBe(false);
    expect(offer.prompts).toBe(1);
    expect(install.state.value).toBe('unavailable');
  });

  it.each([
    [true, undefined, 'installed'],
    [false, true, 'installed'],
    [false, false, 'manual'],
    [false, undefined, 'unavailable'],
  ] as const)('standalone %s, Safari %s: %s', (standalone, safariStandalone, expected) => {
    const events = new EventTarget();
    expect(new InstallPrompt({ events, standalone, safariStandalone }).state.value).toBe(expected);
  });

  it('listens no more after dispose', () => {
    const { events, install } = inTab();
    install.dispose();
    events.dispatchEvent(new OfferEvent('accepted'));
    expect(install.state.value).toBe('unavailable');
  });
});
