// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { homeWith } from '../home.test-data.ts';
import { fullPower, makeServices, type TestServices } from '../services.test-data.ts';
import './power-chip.ts';
import type { PowerChip } from './power-chip.ts';

let home: HTMLElement;
let chip: PowerChip;
let made: TestServices;

beforeEach(async () => {
  made = makeServices();
  home = homeWith(made.services);
  chip = document.createElement('hermit-power-chip');
  home.append(chip);
  await chip.updateComplete;
});
afterEach(() => {
  home.remove();
});

const load = async (): Promise<void> => {
  made.active.set({
    kind: 'ready',
    id: 'm',
    name: 'Small Model',
    architecture: 'llama',
    contextLength: 4096,
    backend: 'WASM relaxed SIMD, 4 threads',
    backendReason: 'no-gpu',
    memoryBytes: 1e9,
    thinkingSwitch: false,
    notices: [],
  });
  await chip.updateComplete;
};
const text = (): string => (chip.shadowRoot?.textContent ?? '').replaceAll(/\s+/g, ' ').trim();
const label = (): string =>
  (chip.shadowRoot?.querySelector('hermit-popover-menu') as { label?: string } | null)?.label ?? '';

describe('the power chip', () => {
  it('is not there while no model is loaded', () => {
    expect(text()).toBe('');
  });

  it('says that everything is used, and on what', async () => {
    await load();
    expect(label()).toBe('Energy: 8 bits. Everything the model has');
    expect(text()).toContain('as many as help, up to 4');
    expect(text()).toContain('WASM relaxed SIMD, 4 threads');
    expect(text()).toContain('Nothing speaks against it');
    expect(text()).not.toContain('Pause');
  });

  it('says what was taken and why, in numbers', async () => {
    await load();
    made.power.set({
      ...fullPower,
      plan: { ...fullPower.plan, precision: 4, threads: 1, pauseMs: 100 },
      reasons: [
        { code: 'battery-low', percent: 19, below: 20, above: 25, saving: false },
        { code: 'pressure', level: 'critical', calmSeconds: 30, over: false },
      ],
    });
    await chip.updateComplete;
    expect(label()).toBe('Energy: 4 bits, 1 thread. Saving energy');
    expect(text()).toContain('Battery at 19%: 4 bits below 20%, 8 again above 25%');
    expect(text()).toContain('critical pressure');
    expect(text()).toContain('Pause after each token 100 ms');
    expect(text()).toContain('1 of 4');
  });

  it('claims no precision that a file of one precision does not have', async () => {
    await load();
    made.power.set({ ...fullPower, onePrecision: true, reasons: [{ code: 'one-precision' }] });
    await chip.updateComplete;
    expect(label()).toBe('Energy: as in the file. Everything the model has');
    expect(text()).not.toContain('8 bits');
  });
});
