// @vitest-environment happy-dom
import { afterEach, expect, it } from 'vitest';
import './fit-badge.ts';
import type { FitView } from '../services.ts';

const fit: FitView = {
  kind: 'fits',
  neededBytes: 620e6,
  budgetBytes: 4.3e9,
  exact: true,
  speed: { tokensPerSecond: 12.4, from: 'measured' },
};

const show = async (shown: FitView | null): Promise<string> => {
  const badge = document.createElement('hermit-fit-badge');
  badge.fit = shown;
  document.body.append(badge);
  await badge.updateComplete;
  return (badge.shadowRoot?.textContent ?? '').replaceAll(/\s+/g, ' ').trim();
};

afterEach(() => {
  document.body.replaceChildren();
});

it('says whether a model fits, in numbers, and how fast it will be', async () => {
  expect(await show(fit)).toBe('Fits well 620 MB of 4.3 GB memory 12 tokens/s measured here');
  const guessed = { tokensPerSecond: 3.26, from: 'devices' } as const;
  expect(await show({ ...fit, kind: 'tight', exact: false, speed: guessed })).toBe(
    'Tight about 620 MB of 4.3 GB memory about 3.3 tokens/s expected',
  );
});

it('promises no speed that nobody knows, and is empty where nothing is known', async () => {
  expect(await show({ ...fit, kind: 'exceeds', speed: null })).toBe(
    'Too big 620 MB of 4.3 GB memory',
  );
  expect(await show(null)).toBe('');
});
