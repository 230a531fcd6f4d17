// @vitest-environment happy-dom
import { ContextProvider } from '@lit/context';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { servicesContext } from '../context.ts';
import type { ConfirmationRequest } from '../requests.ts';
import type { ModelViewState } from '../services.ts';
import { makeServices, modelIn } from '../services.test-data.ts';
import type { TestServices } from '../services.test-data.ts';
import './model-row.ts';
import type { ModelRow } from './model-row.ts';

let test: TestServices;
let row: ModelRow;
let asked: ConfirmationRequest[];
let place: HTMLElement;

async function show(state: ModelViewState, change = {}): Promise<string> {
  row.model = modelIn(state, change);
  await row.updateComplete;
  return row.renderRoot.textContent.replaceAll(/\s+/g, ' ');
}

function press(label: string): void {
  const button = [...row.renderRoot.querySelectorAll('button')].find(
    (one) => one.textContent.trim() === label,
  );
  if (button === undefined) throw new Error(`There is no button “${label}”.`);
  button.click();
}

beforeEach(() => {
  test = makeServices();
  asked = [];
  place = document.createElement('div');
  new ContextProvider(place, {
    context: servicesContext,
    initialValue: test.services,
  }).hostConnected();
  place.addEventListener('hermit-confirm', (event) => asked.push(event.detail));
  row = document.createElement('hermit-model-row');
  document.body.append(place);
  place.append(row);
});

afterEach(() => {
  place.remove();
});

const downloading: ModelViewState = {
  kind: 'downloading',
  bytesDone: 5e8,
  bytesPerSecond: 1.2e7,
  secondsLeft: 125,
  resumable: true,
  retryAt: null,
};

describe('hermit-model-row', () => {
  it('shows how a download goes and pauses it', async () => {
    const text = await show(downloading);
    expect(text).toContain('500 MB of 2 GB');
    expect(text).toContain('12 MB/s · about 2 min left');
    expect(row.renderRoot.querySelector('progress')?.value).toBe(5e8);
    press('Pause');
    expect(test.calls).toEqual(['pause m']);
  });

  it('warns before a pause that would lose everything', async () => {
    await show({ ...downloading, resumable: false });
    press('Pause');
    expect(test.calls).toEqual([]);
    expect(asked[0]?.body).toContain('start from the beginning');
    asked[0]?.answer(true);
    await Promise.resolve();
    await Promise.resolve();
    expect(test.calls).toEqual(['pause m']);
  });

  it('counts down to the next attempt', async () => {
    expect(await show({ ...downloading, retryAt: Date.now() + 30_400 })).toContain(
      'Trying again in 30 sec',
    );
  });

  it('is indeterminate while the size is unknown', async () => {
    expect(await show(downloading, { bytesTotal: null })).toContain('500 MB');
    expect(row.renderRoot.querySelector('progress')?.hasAttribute('value')).toBe(false);
  });

  it('says why a download rests, and continues it', async () => {
    const error = {
      code: 'store/quota',
      message: '',
      details: { bytesStored: 1.3e9, bytesNeeded: 2e9 },
    } as const;
    const text = await show({ kind: 'paused', bytesDone: 1.3e9, reason: 'quota', error });
    expect(text).toContain('storage is full');
    expect(text).toContain('1.3 GB of 2 GB stored');
    press('Continue');
    expect(test.calls).toEqual(['resume m']);
  });

  it('names the bytes a cancelled download gives up, and asks first', async () => {
    await show(downloading);
    press('Cancel');
    expect(asked[0]?.body).toContain('500 MB');
    expect(test.calls).toEqual([]);
  });

  it('names the space a deletion frees, and asks first', async () => {
    await show({ kind: 'ready' });
    press('Delete');
    expect(asked[0]?.body).toContain('about 2 GB');
    expect(test.calls).toEqual([]);
  });

  it('finds all that is damaged, then fetches it', async () => {
    await show({ kind: 'damaged', error: { code: 'store/damaged', message: '', details: {} } });
    press('Verify and repair');
    await vi.waitFor(() => {
      expect(test.calls).toEqual(['verify m', 'resume m']);
    });
  });

  it('fetches a file anew that is not the published one', async () => {
    const error = { code: 'download/hash-mismatch', message: '', details: {} } as const;
    await show({ kind: 'damaged', error });
    press('Verify and repair');
    expect(test.calls).toEqual(['resume m']);
  });

  it('offers to try again only where that can help', async () => {
    await show({ kind: 'failed', error: { code: 'download/network', message: '', details: {} } });
    press('Try again');
    expect(test.calls).toEqual(['resume m']);
    const error = {
      code: 'model-file/unsupported-architecture',
      message: '',
      details: { architecture: 'x' },
    } as const;
    expect(await show({ kind: 'failed', error })).toContain('“x”');
    expect(() => {
      press('Try again');
    }).toThrow('no button');
  });

  it('is used by one press, and then says so', async () => {
    await show({ kind: 'ready' });
    press('Use');
    expect(test.calls).toEqual(['select m']);
    test.active.set({
      kind: 'ready',
      id: 'm',
      name: 'Small Model',
      architecture: 'llama',
      contextLength: 1,
      backend: '',
      backendReason: 'asked',
      memoryBytes: 1,
      thinkingSwitch: false,
      notices: [],
    });
    expect(await show({ kind: 'ready' })).toContain('In use');
  });

  it('offers no chat with a model that makes vectors', async () => {
    const text = await show({ kind: 'ready' }, { purpose: 'embedding' });
    expect(text).toContain('For search, not for chat');
    expect(() => {
      press('Use');
    }).toThrow('no button');
    expect(await show({ kind: 'ready' }, { purpose: null })).not.toContain('For search');
  });
});
