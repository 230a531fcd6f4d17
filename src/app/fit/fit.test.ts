import { expect, it, describe } from 'vitest';
import { readFileSync } from 'node:fs';
import { stats } from '../../../test/fixtures/scripted-engine.ts';
import { DeviceList } from './device-list.ts';
import { ModelFit } from './model-fit.ts';
import { OwnSpeeds } from './own-speeds.ts';
import { speedAt } from './speed-points.ts';

const points = [
  { tokenBytes: 100e6, tokensPerSecond: 40 },
  { tokenBytes: 400e6, tokensPerSecond: 10 },
];

describe('the speed at a size', () => {
  it.each([
    [1e6, 40],
    [100e6, 40],
    [200e6, 20],
    [400e6, 10],
    [800e6, 5],
  ])('of %d bytes is %d', (tokenBytes, expected) => {
    expect(speedAt(points, tokenBytes)).toBeCloseTo(expected);
    expect(speedAt([...points].reverse(), tokenBytes)).toBeCloseTo(expected);
  });

  it('is not known without points', () => {
    expect(speedAt([], 1)).toBeNull();
  });
});

describe('the list of devices', () => {
  const entry = (name: string) => ({ class: name, origin: 'measured', speeds: points });

  it('gives the entry that says most of a class', () => {
    const list = new DeviceList({
      version: 1,
      devices: [entry('desktop/*/*'), entry('desktop/cores-4/*'), entry('mobile/*/*')],
    });
    expect(list.find('desktop/cores-4/gpu')?.class).toBe('desktop/cores-4/*');
    expect(list.find('desktop/cores-8/gpu')?.class).toBe('desktop/*/*');
    expect(list.find('desktop/cores-8/gpu/more')).toBeNull();
    expect(list.find('watch/cores-1/none')).toBeNull();
  });

  it.each([null, 5, {}, { version: 2, devices: [entry('*')] }, { version: 1, devices: [{}, 3] }])(
    'does without what is wrong: %j',
    (value) => {
      expect(new DeviceList(value).find('*')).toBeNull();
    },
  );

  it('of Hermit is sound, and says something of every class', () => {
    const file = new URL('../../../public/devices.json', import.meta.url);
    const content = JSON.parse(readFileSync(file, 'utf8')) as { devices: unknown[] };
    for (const device of content.devices) {
      const { class: name } = device as { readonly class: string };
      const alone = new DeviceList({ version: 1, devices: [device] });
      expect(alone.find(name)?.class).toBe(name);
    }
    const list = new DeviceList(content);
    expect(list.find('desktop/blink/cores-16/memory-8/relaxed/no-gpu')).not.toBeNull();
    expect(list.find('mobile/webkit/cores-4/memory-unknown/plain/apple-gpu')).not.toBeNull();
  });
});

/** An answer that was computed in these stretches of tokens, milliseconds and bytes. */
const answer = (...stretches: readonly (readonly [number, number, number])[]) => ({
  execution: {
    ...stats.execution,
    stretches: stretches.map(([tokens, milliseconds, weightBytesPerToken]) => ({
      backend: 'wasm' as const,
      threads: 2,
      precision: 8 as const,
      kvType: 'f16' as const,
      firstToken: 1,
      tokens,
      milliseconds,
      weightBytesPerToken,
    })),
  },
});

describe('what was measured here', () => {
  function memory() {
    const values = new Map<string, string>();
    return {
      getItem: (key: string) => values.get(key) ?? null,
      setItem: (key: string, value: string) => void values.set(key, value),
      removeItem: (key: string) => void values.delete(key),
    };
  }

  it('says something of models of about the same size', () => {
    const own = new OwnSpeeds(memory(), '1');
    own.note(answer([50, 1000, 100e6]));
    expect(own.profile()).toBeNull();
    own.useClass('desktop');
    expect(own.speedAt(100e6)).toBeNull();
    own.note(answer([50, 1000, 100e6]));
    expect(own.speedAt(100e6)).toBeCloseTo(50);
    expect(own.speedAt(300e6)).toBeCloseTo(50 / 3);
    expect(own.speedAt(500e6)).toBeNull();
  });

  it('follows the newest answers slowly, and leaves out what is no measurement', () => {
    const own = new OwnSpeeds(memory(), '1');
    own.useClass('desktop');
    own.note(answer([100, 1000, 100e6]));
    own.note(answer([50, 1000, 101e6]));
    expect(own.profile()?.speeds).toHaveLength(1);
    expect(own.speedAt(101e6)).toBeCloseTo(85);
    own.note(answer([5, 1000, 100e6]));
    own.note(answer([50, 9000, 100e6], [50, 9000, 60e6]));
    own.note(answer());
    expect(own.speedAt(101e6)).toBeCloseTo(85);
  });

  it('holds for this class of device and this build alone', () => {
    const storage = memory();
    const own = new OwnSpeeds(storage, '1');
    own.useClass('desktop');
    own.note(answer([50, 1000, 100e6]));
    const speedOf = (build: string, name: string): number | null => {
      const later = new OwnSpeeds(storage, build);
      later.useClass(name);
      return later.speedAt(100e6);
    };
    expect(speedOf('1', 'desktop')).toBeCloseTo(50);
    expect(speedOf('2', 'desktop')).toBeNull();
    expect(speedOf('1', 'desktop with a graphics card')).toBeNull();
    storage.setItem('hermit.speeds', '{');
    expect(speedOf('1', 'desktop')).toBeNull();
  });
});

describe('whether a model fits', () => {
  const fitting = (own: number | null = null) =>
    new ModelFit({
      budgetBytes: () => 1000,
      own: { speedAt: () => own },
      expected: () => ({ class: '*', origin: 'measured', speeds: points }),
      contextLength: () => 512,
    });
  const needs = (weightBytes: number) => ({
    eight: { precision: 8, weightBytes, workBytes: 10, bytesPerPosition: 0.1 } as const,
    four: {
      precision: 4,
      weightBytes: weightBytes / 2,
      workBytes: 10,
      bytesPerPosition: 0.1,
    } as const,
    trainedContext: 100,
  });

  it.each([
    [100, 'fits'],
    [830, 'fits'],
    [831, 'tight'],
    [1967, 'tight'],
    [1980, 'exceeds'],
  ] as const)('with weights of %d bytes: %s', (weightBytes, kind) => {
    expect(fitting().ofHeader(needs(weightBytes))).toMatchObject({
      kind,
      neededBytes: weightBytes + 20,
      budgetBytes: 1000,
      exact: true,
    });
  });

  it.each([
    [700, 'Q8_0', 'fits'],
    [1800, 'Q8_0', 'tight'],
    [1900, 'Q8_0', 'exceeds'],
    [900, 'Q4_K_M', 'tight'],
    [1001, 'Q4_K_M', 'exceeds'],
    [1300, 'F16', 'fits'],
  ])('with a file of %d bytes in %s: %s', (bytes, quantization, kind) => {
    expect(fitting().ofSize(bytes, quantization)).toMatchObject({ kind, exact: false });
  });

  it('tells the speed that was measured here, else the one expected, and none of what is too big', () => {
    expect(fitting(7).ofHeader(needs(100)).speed).toEqual({ tokensPerSecond: 7, from: 'measured' });
    expect(fitting().ofHeader(needs(100)).speed).toEqual({ tokensPerSecond: 40, from: 'devices' });
    expect(fitting(7).ofHeader(needs(9000)).speed).toBeNull();
  });
});
