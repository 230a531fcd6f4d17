import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { battery, page, pressure, silent } from '../../../test/fixtures/policy-situations.ts';
import {
  ScriptedEngine,
  loadedModel,
  scriptedRuntime,
} from '../../../test/fixtures/scripted-engine.ts';
import { ObservableValue } from '../../common/observable.ts';
import { known, missing, type Signal } from '../../platform/signals/signal.ts';
import type { DeviceSignals } from '../../platform/signals/device-signals.ts';
import { StoredSettings } from '../settings.ts';
import { PolicyController, type PolicyClock } from './policy-controller.ts';

/** A clock that goes when told to. */
class TestClock implements PolicyClock {
  time = 0;
  readonly #timers = new Map<() => void, number>();
  now = (): number => this.time;
  after = (milliseconds: number, run: () => void): (() => void) => {
    this.#timers.set(run, this.time + milliseconds);
    return () => this.#timers.delete(run);
  };
  go(milliseconds: number): void {
    const end = this.time + milliseconds;
    for (;;) {
      const due = [...this.#timers].filter(([, at]) => at <= end).sort((a, b) => a[1] - b[1])[0];
      if (due === undefined) break;
      const [run, at] = due;
      this.#timers.delete(run);
      this.time = Math.max(this.time, at);
      run();
    }
    this.time = end;
  }
}

const settled = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 5));
const options = { precision: 'auto', contextLength: 2048 } as const;

let engine: ScriptedEngine;
let scripted: ReturnType<typeof scriptedRuntime>;
let device: ObservableValue<DeviceSignals>;
let settings: StoredSettings;
let clock: TestClock;
let controller: PolicyController;
let besideBytes = 0;
let workers: Signal<number>;

beforeEach(() => {
  engine = new ScriptedEngine();
  engine.model = loadedModel({ info: { ...loadedModel().info, fourBitLoss: 0.08 } });
  scripted = scriptedRuntime(engine, {
    observer: (event) => {
      controller.note(event);
    },
  });
  device = new ObservableValue<DeviceSignals>(silent);
  settings = new StoredSettings(null);
  clock = new TestClock();
  besideBytes = 0;
  workers = missing('workers', 'not-supported');
  controller = new PolicyController({
    device,
    runtime: scripted.runtime,
    settings: settings.settings,
    budgetBytes: () => 1000,
    besideBytes: () => besideBytes,
    measureWorkers: () => Promise.resolve(workers),
    fullThreads: 4,
    cores: 4,
    wattHours: 50,
    clock,
  });
});
afterEach(() => {
  scripted.close();
});

const tell = (change: Partial<DeviceSignals>): void => {
  device.set({ ...device.value, ...change });
};
const precisions = (): unknown[] => engine.plans.map(({ precision }) => precision);

describe('the controller of the policy', () => {
  it('tells the engine of every new plan and of nothing else', async () => {
    await scripted.runtime.load('a', options);
    expect(engine.plans).toEqual([]);
    tell({ battery: battery(30) });
    tell({ battery: battery(19) });
    tell({ battery: battery(18) });
    await settled();
    clock.go(10_000);
    tell({ battery: battery(18, true) });
    await settled();
    expect(precisions()).toEqual([4, 8]);
    expect(controller.changes.value.map(({ to, reasons }) => [to.precision, reasons])).toEqual([
      [8, []],
      [4, [{ code: 'battery-low', percent: 19, below: 20, above: 25, saving: false }]],
    ]);
  });

  it('has the plan ready for a model that is loaded later', async () => {
    tell({ battery: battery(19), page: page('hidden') });
    await scripted.runtime.load('a', options);
    expect(engine.plans.at(-1)).toMatchObject({ precision: 4, threads: 1 });
    // No model computed by another plan, so nothing changed that could be told of.
    expect(controller.changes.value).toEqual([]);
  });

  it('wakes up when the calm is over', async () => {
    await scripted.runtime.load('a', options);
    tell({ pressure: pressure('serious') });
    clock.go(100_000);
    tell({ pressure: pressure('nominal') });
    expect(controller.plan.threads).toBe(2);
    clock.go(29_999);
    expect(controller.plan.threads).toBe(2);
    clock.go(1);
    expect(controller.plan.threads).toBe('auto');
    await settled();
    expect(engine.plans.map(({ threads }) => threads)).toEqual([2, 'auto']);
  });

  it('changes plans in the middle of an answer and says so', async () => {
    await scripted.runtime.load('a', options);
    const script = engine.nextAnswer();
    script.write('One ');
    const events = scripted.runtime.generate({
      prompt: { kind: 'tokens', tokens: [1] },
      sampling: { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 1 },
      maxTokens: 10,
      stop: [],
    });
    await events.next();
    await events.next();
    tell({ battery: battery(10) });
    await expect.poll(() => controller.changes.value).toHaveLength(1);
    expect(controller.changes.value[0]).toMatchObject({ duringAnswer: true, outcome: 'applied' });
    expect(controller.reduction).toBe('saved-battery');
    script.write('two');
    script.end();
    for await (const _ of events);
    tell({ battery: battery(10, true) });
    clock.go(10_000);
    expect(controller.reduction).toBeNull();
  });

  it('takes what a script asked a model to be loaded with for its choice, until the settings change', async () => {
    tell({ battery: battery(10) });
    await scripted.runtime.load('a', { ...options, precision: 8, threads: 3 });
    expect(controller.plan).toMatchObject({ precision: 8, threads: 3 });
    expect(controller.reasons.map(({ code }) => code)).toEqual([
      'chosen-precision',
      'chosen-threads',
    ]);
    settings.update({ precision: 4 });
    expect(controller.plan).toMatchObject({ precision: 4, threads: 'auto' });
    expect(controller.reduction).toBeNull();
    settings.update({ precision: 'auto' });
    expect(controller.reasons.map(({ code }) => code)).toEqual(['battery-low']);
  });

  it('sees models that are loaded beside this one', async () => {
    await scripted.runtime.load('a', options);
    expect(controller.signals.memory).toMatchObject({
      value: { neededBytes: 1000, budgetBytes: 1000 },
    });
    expect(controller.plan.lowPlanes).toBe('keep');
    besideBytes = 1;
    controller.refresh();
    expect(controller.plan).toMatchObject({ precision: 4, lowPlanes: 'drop' });
    expect(controller.reasons).toContainEqual({
      code: 'memory',
      neededBytes: 1001,
      budgetBytes: 1000,
    });
  });

  it('follows what the browser counts of the workers, whenever an answer begins or ends', async () => {
    await scripted.runtime.load('a', options);
    const answer = async (): Promise<void> => {
      const script = engine.nextAnswer();
      script.write('One');
      script.end();
      for await (const _ of scripted.runtime.generate({
        prompt: { kind: 'tokens', tokens: [1] },
        sampling: { temperature: 0, topK: 0, topP: 1, minP: 0, seed: 1 },
        maxTokens: 10,
        stop: [],
      }));
      await settled();
    };
    workers = known(900, 'workers');
    await answer();
    // Less than what the model planned: it takes its memory as it needs it.
    expect(controller.signals.memory).toMatchObject({ value: { neededBytes: 1000 } });
    workers = known(1200, 'workers');
    await answer();
    expect(controller.signals.memory).toMatchObject({ value: { neededBytes: 1200 } });
    expect(controller.plan).toMatchObject({ precision: 4, lowPlanes: 'drop' });
    workers = known(700, 'workers');
    clock.go(10_000);
    await answer();
    expect(controller.plan).toMatchObject({ lowPlanes: 'drop' });
  });

  it('refuses with the numbers when memory is too short for a conversation', async () => {
    await scripted.runtime.load('a', options);
    controller.requireMemory();
    besideBytes = 5000;
    controller.refresh();
    expect(controller.plan).toMatchObject({ lowPlanes: 'drop', contextTokens: 512 });
    expect(() => {
      controller.requireMemory();
    }).toThrow(
      expect.objectContaining({
        code: 'engine/out-of-memory',
        details: { neededBytes: 6000, budgetBytes: 1000 },
      }),
    );
  });

  it('takes tokens that come much slower than usual for heat where no pressure is told', async () => {
    await scripted.runtime.load('a', options);
    const write = (count: number, milliseconds: number): void => {
      for (let i = 0; i < count; i++) {
        clock.time += milliseconds;
        controller.note({ type: 'token', token: 1, text: '' });
      }
    };
    controller.note({ type: 'prefill', done: 5, total: 5 });
    write(20, 10);
    expect(controller.plan.threads).toBe('auto');
    write(12, 25);
    expect(controller.plan.threads).toBe(2);
    expect(controller.reasons[0]).toMatchObject({ code: 'slowdown', level: 'serious' });
    await settled();
    // What two threads take is no slowdown of what four took.
    write(30, 25);
    expect(controller.signals.speed).toMatchObject({ value: 1, confidence: 'measured' });
  });

  it('does not take the speed of a page that nobody sees for heat', async () => {
    await scripted.runtime.load('a', options);
    tell({ page: page('hidden') });
    for (let i = 0; i < 50; i++) {
      clock.time += i < 20 ? 10 : 1000;
      controller.note({ type: 'token', token: 1, text: '' });
    }
    expect(controller.signals.speed).toMatchObject({ kind: 'missing', reason: 'waiting' });
  });
});
