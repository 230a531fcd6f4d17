// @vitest-environment happy-dom
import { afterEach, beforeEach, expect, it } from 'vitest';
import { AppError } from '../../common/errors.ts';
import { homeWith } from '../home.test-data.ts';
import { makeServices, type TestServices } from '../services.test-data.ts';
import type { ErrorView } from '../services.ts';
import './step-profile.ts';
import type { StepProfile } from './step-profile.ts';

let home: HTMLElement;
let view: StepProfile;
let made: TestServices;

beforeEach(async () => {
  made = makeServices();
  home = homeWith(made.services);
  view = document.createElement('hermit-step-profile');
  home.append(view);
  await view.updateComplete;
});
afterEach(() => {
  home.remove();
});

const texts = (selector: string): string[] =>
  [...(view.shadowRoot?.querySelectorAll(selector) ?? [])].map((element) =>
    element.textContent.replaceAll(/\s+/g, ' ').trim(),
  );

async function measure(): Promise<void> {
  view.shadowRoot?.querySelector('button')?.click();
  await view.updateComplete;
  expect(texts('button')).toEqual(['Measuring…']);
  await expect.poll(() => texts('button')).toEqual(['Measure']);
}

it('shows the parts of a token with their shares, once it is asked', async () => {
  expect(texts('tr')).toEqual([]);
  made.profile = () =>
    Promise.resolve({
      backend: 'webgpu',
      precision: 8,
      measured: true,
      parts: [
        { label: 'matmul blk.N.attn_q.weight', milliseconds: 3 },
        { label: 'attention', milliseconds: 1 },
      ],
    });
  await measure();
  expect(texts('p')[1]).toBe('A token takes 4 ms on the graphics card with 8 bits.');
  expect(texts('tbody tr')).toEqual(['matmul blk.N.attn_q.weight 3 75%', 'attention 1 25%']);
});

it('tells why it could not measure', async () => {
  const problems: ErrorView[] = [];
  home.addEventListener('hermit-problem', ({ detail }) => problems.push(detail));
  made.profile = () => Promise.reject(new AppError('engine/not-loaded', 'No model is loaded.'));
  await measure();
  expect(problems.map(({ code }) => code)).toEqual(['engine/not-loaded']);
});
