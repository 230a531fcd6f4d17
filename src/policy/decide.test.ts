import { describe, expect, it } from 'vitest';
import type { ExecutionPlan } from '../engine/execution-plan.ts';
import { decide, initialState } from './decide.ts';
import {
  battery,
  choice,
  memory,
  model,
  page,
  pressure,
  saving,
  silent,
  speed,
} from '../../test/fixtures/policy-situations.ts';
import { noLoad, type OwnLoad } from './own-load.ts';
import type { Decision, ModelProfile, PolicySettings, PolicySignals } from './policy-types.ts';
import { defaultRules } from './rules.ts';

/** Decides again and again, with time and signals that change. */
class Device {
  now = 1_000_000;
  state = initialState;
  signals: PolicySignals = silent;
  load: OwnLoad = noLoad;
  settings: PolicySettings;
  readonly profile: ModelProfile | null;

  constructor(settings: PolicySettings = choice(), profile: ModelProfile | null = model) {
    this.settings = settings;
    this.profile = profile;
  }

  after(ms: number, change: Partial<PolicySignals> = {}): Decision {
    this.now += ms;
    this.signals = { ...this.signals, ...change };
    const { signals, profile, settings, load, now } = this;
    const decision = decide({ signals, profile, settings, load, now }, this.state);
    this.state = decision.state;
    return decision;
  }
}

const codes = ({ reasons }: Decision): string[] => reasons.map(({ code }) => code);

type Row = readonly [
  name: string,
  signals: Partial<PolicySignals>,
  settings: Partial<PolicySettings>,
  plan: Partial<ExecutionPlan>,
  reasons: readonly string[],
];

const full = {
  precision: 8,
  threads: 'auto',
  pauseMs: 0,
  lowPlanes: 'keep',
  kvType: 'unchanged',
  backend: { prefill: 'auto', decode: 'auto' },
} as const;

/** Where one thread is left. */
const strained = { threads: 1, batchTokens: 32, submitMs: 30, speculation: 'off' } as const;

describe('the plan for a moment', () => {
  const rows: readonly Row[] = [
    ['nothing is told', {}, {}, full, []],
    ['on mains', { battery: battery(5, true) }, {}, full, []],
    ['discharging at 20 %', { battery: battery(20) }, {}, full, []],
    [
      'discharging at 19 %',
      { battery: battery(19) },
      {},
      { ...full, precision: 4 },
      ['battery-low'],
    ],
    ['discharging at 49 %, asked to save', { battery: battery(49), saving: saving(true) }, {}, { ...full, precision: 4 }, ['battery-low']],
    ['discharging at 49 %, not asked to', { battery: battery(49), saving: saving(false) }, {}, full, []],
    ['asked to save on mains', { battery: battery(9, true), saving: saving(true) }, {}, full, []],
    ['pressure fair', { pressure: pressure('fair') }, {}, full, []],
    ['pressure serious', { pressure: pressure('serious') }, {}, { ...full, threads: 2 }, ['pressure']],
    ['pressure critical', { pressure: pressure('critical') }, {}, { ...full, ...strained, pauseMs: 100 }, ['pressure']],
    ['slow, and no pressure is told', { speed: speed(0.5) }, {}, { ...full, threads: 2 }, ['slowdown']],
    ['very slow', { speed: speed(0.3) }, {}, { ...full, threads: 1, pauseMs: 100 }, ['slowdown']],
    ['slow, but pressure is nominal', { speed: speed(0.1), pressure: pressure('nominal') }, {}, full, []],
    ['hidden', { page: page('hidden') }, {}, { ...full, ...strained }, ['hidden']],
    ['frozen', { page: page('frozen') }, {}, { ...full, ...strained }, ['hidden']],
    ['all at once', { battery: battery(10), pressure: pressure('critical'), page: page('hidden') }, {}, { precision: 4, threads: 1, pauseMs: 100 }, ['battery-low', 'pressure', 'hidden']],
    ['memory just enough', { memory: memory(1000, 1000) }, {}, full, []],
    ['memory a byte short', { memory: memory(1001, 1000) }, {}, { precision: 4, lowPlanes: 'drop', contextTokens: 'unchanged' }, ['memory']],
    ['memory short of more than low planes', { memory: memory(5000, 1600) }, {}, { precision: 4, lowPlanes: 'drop', kvType: 'q8', contextTokens: 2063 }, ['memory', 'memory-kv', 'memory-context']],
    ['memory that suffices once the conversation takes half', { memory: memory(5000, 2680) }, {}, { lowPlanes: 'drop', kvType: 'q8', contextTokens: 'unchanged' }, ['memory', 'memory-kv']],
    ['memory a byte short of that', { memory: memory(5000, 2679) }, {}, { lowPlanes: 'drop', kvType: 'q8', contextTokens: 4094 }, ['memory', 'memory-kv', 'memory-context']],
    ['memory short of more than a conversation', { memory: memory(9000, 1000) }, {}, { precision: 4, lowPlanes: 'drop', contextTokens: 512 }, ['memory', 'memory-kv', 'memory-refused']],
    ['saver', {}, { mode: 'saver' }, { ...full, precision: 'mixed', threads: 2 }, ['mode-saver']],
    ['saver with a low battery', { battery: battery(10) }, { mode: 'saver' }, { ...full, precision: 4, threads: 2 }, ['mode-saver', 'battery-low']],
    ['performance with everything against it', { battery: battery(3), pressure: pressure('serious'), page: page('hidden') }, { mode: 'performance' }, full, ['mode-performance', 'pressure']],
    ['performance under critical pressure', { pressure: pressure('critical') }, { mode: 'performance' }, { ...full, threads: 2 }, ['mode-performance', 'pressure']],
    ['performance short of memory', { memory: memory(1001, 1000) }, { mode: 'performance' }, { precision: 4, lowPlanes: 'drop' }, ['memory', 'mode-performance']],
    ['manual with everything against it', { battery: battery(3), pressure: pressure('critical'), page: page('hidden') }, { mode: 'manual' }, full, ['mode-manual']],
    ['manual with choices', {}, { mode: 'manual', precision: 4, threads: 3 }, { ...full, precision: 4, threads: 3 }, ['mode-manual', 'chosen-precision', 'chosen-threads']],
    ['8 bits chosen, battery low', { battery: battery(10) }, { precision: 8 }, full, ['chosen-precision']],
    ['4 bits chosen', {}, { precision: 4 }, { ...full, precision: 4 }, ['chosen-precision']],
    ['8 bits chosen, memory short', { memory: memory(1001, 1000) }, { precision: 8 }, { precision: 4, lowPlanes: 'drop' }, ['memory']],
    ['three threads chosen', {}, { threads: 3 }, { ...full, threads: 3 }, ['chosen-threads']],
    ['three threads chosen, pressure serious', { pressure: pressure('serious') }, { threads: 3 }, { ...full, threads: 1 }, ['chosen-threads', 'pressure']],
    ['more threads chosen than there are, hidden', { page: page('hidden') }, { threads: 64 }, { ...full, ...strained }, ['chosen-threads', 'hidden']],
  ]; // prettier-ignore

  it.each(rows)('%s', (_name, signals, settings, plan, reasons) => {
    const decision = new Device(choice(settings)).after(0, signals);
    expect(decision.plan).toMatchObject(plan);
    expect(codes(decision)).toEqual(reasons);
  });

  it.each([
    [8, 4],
    [5, 2],
    [4, 2],
    [3, 1],
    [2, 1],
  ])('halves %d threads to %d', (fullThreads, half) => {
    const device = new Device(choice(), { ...model, fullThreads });
    expect(device.after(0, { pressure: pressure('serious') }).plan.threads).toBe(half);
  });

  it('has nothing to take from a single thread', () => {
    const device = new Device(choice(), { ...model, fullThreads: 1 });
    expect(device.after(0, { pressure: pressure('serious') }).plan.threads).toBe('auto');
  });

  it('leaves a file of one precision as it is and says so', () => {
    const device = new Device(choice(), {
      ...model,
      tokenBytes: { 8: 450e6, 4: 450e6, mixed: 450e6 },
    });
    const decision = device.after(0, { battery: battery(5) });
    expect(decision.plan.precision).toBe(8);
    expect(codes(decision)).toEqual(['one-precision']);
  });

  it('reads all weights with 4 bits in saver mode where sensitive ones cost much', () => {
    const costly = { ...model, tokenBytes: { 8: 850, 4: 450, mixed: 551 } };
    const limit = { ...model, tokenBytes: { 8: 850, 4: 450, mixed: 550 } };
    expect(new Device(choice({ mode: 'saver' }), costly).after(0).plan.precision).toBe(4);
    expect(new Device(choice({ mode: 'saver' }), limit).after(0).plan.precision).toBe('mixed');
  });

  it.each([
    [5e6, 10],
    [50e6, 10],
    [100e6, 20],
    [500e6, 100],
    [5e9, 100],
  ])('rests about as long as a token of %d bytes takes: %d ms', (bytes, pauseMs) => {
    const profile = { ...model, tokenBytes: { 8: bytes, 4: bytes / 2, mixed: bytes / 2 } };
    const device = new Device(choice(), profile);
    expect(device.after(0, { pressure: pressure('critical') }).plan.pauseMs).toBe(pauseMs);
  });

  it('gives the numbers with the reasons', () => {
    const device = new Device();
    const { reasons } = device.after(0, { battery: battery(19), pressure: pressure('serious') });
    expect(reasons).toEqual([
      { code: 'battery-low', percent: 19, below: 20, above: 25, saving: false },
      { code: 'pressure', level: 'serious', calmSeconds: 30, over: false },
    ]);
  });

  it('decides for the next model while none is loaded', () => {
    const device = new Device(choice(), null);
    const decision = device.after(0, { battery: battery(10), page: page('hidden') });
    expect(decision.plan).toMatchObject({ precision: 4, threads: 1 });
  });
});

describe('the battery', () => {
  it('goes to 4 bits below 20 % and back above 25 %, or at once on mains', () => {
    const device = new Device();
    const precisions = [21, 20, 19, 20, 24, 25, 26, 25, 20, 19].map(
      (percent) => device.after(60_000, { battery: battery(percent) }).plan.precision,
    );
    expect(precisions).toEqual([8, 8, 4, 4, 4, 4, 8, 8, 8, 4]);
    expect(device.after(60_000, { battery: battery(19, true) }).plan.precision).toBe(8);
  });

  it('follows the numbers of the settings', () => {
    const rules = { ...defaultRules, batteryLow: 0.4, batteryRecovered: 0.6 };
    const device = new Device(choice({ rules }));
    const precisions = [41, 39, 59, 61].map(
      (percent) => device.after(60_000, { battery: battery(percent) }).plan.precision,
    );
    expect(precisions).toEqual([8, 4, 4, 8]);
  });
});

describe('pressure', () => {
  it('ends after 30 s of calm, not sooner, and not by time that nobody decided in', () => {
    const device = new Device();
    expect(device.after(0, { pressure: pressure('serious') }).plan.threads).toBe(2);
    // An hour of it: no calm has begun.
    expect(device.after(3_600_000, { pressure: pressure('nominal') }).plan.threads).toBe(2);
    const waiting = device.after(29_999);
    expect(waiting.plan.threads).toBe(2);
    expect(waiting.wakeInMs).toBe(1);
    expect(device.after(1).plan.threads).toBe('auto');
  });

  it('begins its calm anew when it comes back', () => {
    const device = new Device();
    device.after(0, { pressure: pressure('serious') });
    device.after(1000, { pressure: pressure('nominal') });
    device.after(29_000, { pressure: pressure('serious') });
    device.after(1000, { pressure: pressure('nominal') });
    expect(device.after(29_000).plan.threads).toBe(2);
    expect(device.after(1000).plan.threads).toBe('auto');
  });

  it('goes on while pressure is fair, and from critical to serious by itself', () => {
    const device = new Device();
    expect(device.after(0, { pressure: pressure('critical') }).plan).toMatchObject({
      threads: 1,
      pauseMs: 100,
    });
    device.after(1000, { pressure: pressure('fair') });
    expect(device.after(30_000).plan).toMatchObject({ threads: 2, pauseMs: 0 });
    expect(device.after(300_000).plan.threads).toBe(2);
    device.after(1000, { pressure: pressure('nominal') });
    expect(device.after(30_000).plan.threads).toBe('auto');
  });

  it('rises from serious to critical at once', () => {
    const device = new Device();
    device.after(0, { pressure: pressure('serious') });
    expect(device.after(1, { pressure: pressure('critical') }).plan.threads).toBe(1);
  });

  it('guessed from the speed is tried more and more seldom when it comes back', () => {
    const device = new Device();
    const calm: number[] = [];
    for (let round = 0; round < 7; round++) {
      device.after(6000, { speed: speed(0.4) });
      device.after(1000, { speed: silent.speed });
      const { wakeInMs } = device.after(0);
      calm.push(wakeInMs ?? NaN);
      expect(device.after(wakeInMs ?? NaN).plan.threads).toBe('auto');
    }
    expect(calm).toEqual([30, 60, 120, 240, 480, 480, 480].map((seconds) => seconds * 1000));
  });
});

describe('our own work', () => {
  /** A device that has computed nothing yet, at this pressure. */
  const idle = (level: 'nominal' | 'serious'): Device => {
    const device = new Device();
    device.after(60_000, { pressure: pressure(level) });
    return device;
  };
  const work = (device: Device, threads: number): void => {
    const now = device.now;
    device.load = { working: true, since: now, grewAt: now, threads, cores: 4 };
    device.after(0);
  };

  it('is not held back for the pressure it makes on a calm device', () => {
    const device = idle('nominal');
    work(device, 4);
    const decision = device.after(2000, { pressure: pressure('critical') });
    expect(decision.plan.threads).toBe('auto');
    expect(codes(decision)).toEqual([]);
    expect(decision.state.attribution.own).toBe(true);
    // It goes up and down for an hour: still ours.
    for (const level of ['serious', 'fair', 'critical'] as const) {
      expect(device.after(1_200_000, { pressure: pressure(level) }).plan.threads).toBe('auto');
    }
  });

  it('is held back for what comes later, or is worse than what it made', () => {
    const late = idle('nominal');
    work(late, 4);
    expect(late.after(5001, { pressure: pressure('serious') }).plan.threads).toBe(2);
    const worse = idle('nominal');
    work(worse, 4);
    worse.after(2000, { pressure: pressure('serious') });
    expect(worse.after(60_000, { pressure: pressure('critical') }).plan.threads).toBe(1);
  });

  it('is held back where the device was pressed before, and where it uses few of the cores', () => {
    const pressed = idle('serious');
    work(pressed, 4);
    expect(pressed.after(1000, { pressure: pressure('critical') }).plan.threads).toBe(1);
    const small = idle('nominal');
    work(small, 1);
    expect(small.after(1000, { pressure: pressure('critical') }).plan.threads).toBe(1);
  });

  it('is no excuse for pressure after it became less', () => {
    const device = idle('nominal');
    work(device, 4);
    device.after(60_000, { pressure: pressure('serious') });
    device.load = { ...device.load, threads: 2, since: device.now };
    expect(device.after(1000).state.attribution.own).toBe(false);
    device.after(1000, { pressure: pressure('nominal') });
    expect(device.after(30_000).plan.threads).toBe('auto');
  });

  it('takes its speed for heat instead', () => {
    const device = idle('nominal');
    work(device, 4);
    device.after(2000, { pressure: pressure('critical') });
    const decision = device.after(60_000, { speed: speed(0.5) });
    expect(decision.plan.threads).toBe(2);
    expect(codes(decision)).toEqual(['slowdown']);
  });

  it('leaves a pressure behind that fades, and is not ours if it does not', () => {
    const device = idle('nominal');
    work(device, 4);
    device.after(2000, { pressure: pressure('critical') });
    device.now += 60_000;
    device.load = { ...device.load, working: false, since: device.now };
    const decision = device.after(0);
    expect(decision.plan.threads).toBe('auto');
    expect(decision.wakeInMs).toBe(5001);
    expect(device.after(5001).plan.threads).toBe(1);
  });
});

describe('dwelling', () => {
  it('keeps a part of the plan that just changed from changing back', () => {
    const device = new Device();
    device.after(0);
    device.after(0, { battery: battery(19) });
    const early = device.after(1000, { battery: battery(19, true) });
    expect(early.plan.precision).toBe(4);
    expect(codes(early)).toEqual(['settling']);
    expect(early.wakeInMs).toBe(4000);
    expect(device.after(4000).plan.precision).toBe(8);
  });

  it('lets what the person chooses happen at once', () => {
    const device = new Device();
    device.after(0);
    device.after(0, { battery: battery(19) });
    device.settings = choice({ mode: 'performance' });
    expect(device.after(1).plan.precision).toBe(8);
    device.settings = choice();
    expect(device.after(1).plan.precision).toBe(4);
  });

  it('never holds the low planes in memory that is short, and never reads what was dropped', () => {
    const device = new Device();
    device.after(0);
    device.after(0, { battery: battery(19) });
    device.after(5000, { battery: battery(30) });
    // 8 bits came back a moment ago; memory that is short now waits for the dwell time as a whole.
    const early = device.after(1, { memory: memory(2000, 1700) });
    expect(early.plan).toMatchObject({ precision: 8, lowPlanes: 'keep' });
    expect(device.after(5000).plan).toMatchObject({ precision: 4, lowPlanes: 'drop' });
    // Enough again at 90 % of the budget, not at 91 %.
    device.after(60_000, { memory: memory(910, 1000) });
    expect(device.state.plan.lowPlanes).toBe('drop');
    device.after(60_000, { memory: memory(900, 1000) });
    expect(device.state.plan).toMatchObject({ precision: 8, lowPlanes: 'keep' });
  });
});

describe('a graphics card that was measured', () => {
  const withCard = (gpuSpeed: number): ModelProfile => ({ ...model, gpuSpeed });
  const onCard = { prefill: 'webgpu', decode: 'webgpu' };

  it('takes over from a processor under critical pressure, and gives back after the calm', () => {
    const device = new Device(choice(), withCard(0.5));
    expect(device.after(0, { pressure: pressure('serious') }).plan.backend).toEqual(full.backend);
    const decision = device.after(1, { pressure: pressure('critical') });
    expect(decision.plan.backend).toEqual(onCard);
    expect(codes(decision)).toEqual(['pressure', 'gpu-instead']);
    device.after(60_000, { pressure: pressure('nominal') });
    expect(device.after(29_999).plan.backend).toEqual(onCard);
    expect(device.after(1).plan.backend).toEqual(full.backend);
  });

  it.each<readonly [string, Partial<PolicySettings>, ModelProfile, Partial<PolicySignals>]>([
    ['is much slower', {}, withCard(0.49), {}],
    ['is not there', {}, model, {}],
    ['was not chosen', { backend: 'wasm' }, withCard(1), {}],
    ['is asked in manual mode', { mode: 'manual' }, withCard(1), {}],
    ['would need memory that is short', {}, withCard(1), { memory: memory(1001, 1000) }],
  ])('does not where it %s', (_name, settings, profile, change) => {
    const device = new Device(choice(settings), profile);
    const { plan } = device.after(0, { pressure: pressure('critical'), ...change });
    expect(plan.backend.decode).not.toBe('webgpu');
  });
});
