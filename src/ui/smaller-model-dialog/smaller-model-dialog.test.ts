// @vitest-environment happy-dom
import { ContextProvider } from '@lit/context';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { servicesContext } from '../context.ts';
import { makeServices, modelIn, type TestServices } from '../services.test-data.ts';
import './smaller-model-dialog.ts';
import type { SmallerModelDialog } from './smaller-model-dialog.ts';

let test: TestServices;
let dialog: SmallerModelDialog;
let place: HTMLElement;

beforeEach(() => {
  test = makeServices();
  place = document.createElement('div');
  new ContextProvider(place, {
    context: servicesContext,
    initialValue: test.services,
  }).hostConnected();
  dialog = document.createElement('hermit-smaller-model-dialog');
  document.body.append(place);
  place.append(dialog);
});
afterEach(() => {
  place.remove();
});

const text = (): string => dialog.renderRoot.textContent.replaceAll(/\s+/g, ' ');
const start = (): HTMLButtonElement => {
  const button = dialog.renderRoot.querySelector<HTMLButtonElement>('button[type=submit]');
  if (button === null) throw new Error('There is no button.');
  return button;
};

const choice = (recipe: string | { bitsPerWeight: number }, expectedError: number) => ({
  recipe,
  sizeBytes: 1e9,
  bitsPerWeight: 4.9,
  expectedError,
  fromQuantised: false,
});

it('offers what was measured, recommends bits by measurement and makes what was chosen', async () => {
  test.smaller.push(
    choice('Q8_0', 0.005),
    choice({ bitsPerWeight: 4.9 }, 0.042),
    choice('Q4_0', 0.09),
  );
  await dialog.open(modelIn({ kind: 'ready' }));
  await dialog.updateComplete;
  expect(text()).toContain('“Small Model” (2 GB)');
  expect(text()).toContain('No loss you would notice (weights change by 0.5 %)');
  expect(text()).toContain('A small loss (weights change by 4.2 %) · Recommended');
  expect(text()).toContain('Some loss in details (weights change by 9 %)');
  expect(text()).not.toContain('rounded before');
  const radios = [...dialog.renderRoot.querySelectorAll<HTMLInputElement>('[type=radio]')];
  expect(radios.map(({ checked }) => checked)).toEqual([false, true, false]);
  start().click();
  expect(test.calls).toContain('makeSmaller m {"bitsPerWeight":4.9} false');
});

it('says so when nothing would be gained', async () => {
  await dialog.open(modelIn({ kind: 'ready' }));
  await dialog.updateComplete;
  expect(text()).toContain('small already');
  expect(start().disabled).toBe(true);
});

it('makes one model at a time', async () => {
  test.smaller.push(choice('Q4_0', 0.09));
  test.making.set({ from: 'A', recipe: 'Q4_0', phase: 'writing', fraction: 0, secondsLeft: null });
  await dialog.open(modelIn({ kind: 'ready' }));
  await dialog.updateComplete;
  expect(text()).toContain('Another model is being made');
  expect(start().disabled).toBe(true);
});
