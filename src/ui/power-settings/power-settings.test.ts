// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { homeWith } from '../home.test-data.ts';
import { fullPower, makeServices, type TestServices } from '../services.test-data.ts';
import './power-settings.ts';
import type { PowerSettings } from './power-settings.ts';

let home: HTMLElement;
let view: PowerSettings;
let made: TestServices;

beforeEach(async () => {
  made = makeServices();
  home = homeWith(made.services);
  view = document.createElement('hermit-power-settings');
  home.append(view);
  await view.updateComplete;
});
afterEach(() => {
  home.remove();
});

const find = <E extends Element>(selector: string): E => {
  const element = view.shadowRoot?.querySelector<E>(selector);
  if (element === null || element === undefined) throw new Error(`no ${selector}`);
  return element;
};
const texts = (selector: string): string[] =>
  [...(view.shadowRoot?.querySelectorAll(selector) ?? [])].map((element) =>
    element.textContent.replaceAll(/\s+/g, ' ').trim(),
  );
const enter = (selector: string, value: string): void => {
  const field = find<HTMLInputElement>(selector);
  field.value = value;
  field.dispatchEvent(new Event('change'));
};

describe('the settings of energy', () => {
  it('changes who decides, and hides numbers that do not count then', async () => {
    expect(find<HTMLInputElement>('#batteryLow').value).toBe('20');
    const [, , performance] =
      view.shadowRoot?.querySelectorAll<HTMLInputElement>('input[type="radio"]') ?? [];
    performance?.dispatchEvent(new Event('change'));
    await view.updateComplete;
    expect(made.settings.value.powerMode).toBe('performance');
    expect(view.shadowRoot?.querySelector('#batteryLow')).toBeNull();
  });

  it('keeps numbers within their limits, and takes an empty field for the default', () => {
    enter('#batteryLow', '99');
    expect(made.settings.value.batteryLow).toBe(95);
    enter('#calmSeconds', '1');
    expect(made.settings.value.calmSeconds).toBe(5);
    enter('#calmSeconds', '');
    expect(made.settings.value.calmSeconds).toBe(30);
  });

  it('offers as many threads as there are', () => {
    expect(texts('#threads option')).toEqual(['Automatic', '1', '2', '3', '4']);
    enter('#threads', '3');
    expect(made.settings.value.threads).toBe(3);
  });

  it('says the rules with the numbers that were chosen', async () => {
    made.settings.set({ ...made.settings.value, batteryLow: 33, calmSeconds: 77 });
    await view.updateComplete;
    expect(texts('.rules li').join(' ')).toMatch(/below 33%.*77 s without pressure/);
  });

  it('shows each signal with its source, or that it is missing and why', async () => {
    const at = Date.now() - 12_000;
    made.power.set({
      ...fullPower,
      ownPressure: true,
      signals: {
        ...fullPower.signals,
        battery: {
          kind: 'known',
          value: { level: 0.42, charging: false },
          source: 'Battery Status API',
          at,
          confidence: 'reported',
        },
        pressure: {
          kind: 'known',
          value: 'critical',
          source: 'Compute Pressure API',
          at,
          confidence: 'reported',
        },
      },
    });
    await view.updateComplete;
    const [battery, pressure, speed] = texts('.signals dd');
    expect(battery).toMatch(/^42%, discharging Battery Status API · told by the browser · 1\d sec/);
    expect(pressure).toMatch(/^critical, from Hermit itself/);
    expect(speed).toMatch(/^missing not told by this browser/);
  });

  it('tells what has changed, when and why', async () => {
    expect(texts('.changes p')).toEqual(['Nothing since this page was opened.']);
    made.changes.set([
      {
        at: Date.now(),
        from: fullPower.plan,
        to: { ...fullPower.plan, precision: 4, threads: 2 },
        reasons: [{ code: 'hidden' }],
        duringAnswer: true,
        outcome: 'applied',
        milliseconds: 3.2,
      },
    ]);
    await view.updateComplete;
    expect(texts('.changes strong')).toEqual(['8 bits → 4 bits · Threads 4 → 2']);
    expect(texts('.changes p')).toEqual([
      'in the middle of an answer, taken over in 3 ms',
      'The page is in the background: one thread finishes the answer.',
    ]);
  });
});
