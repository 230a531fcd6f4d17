import { expect, it } from 'vitest';
import { PowerMeter } from './power-meter.ts';

const minute = 60_000;
const discharging = (percent: number) => ({ level: percent / 100, charging: false });

it('is the energy of a step of the battery over its time, from the first step on', () => {
  const meter = new PowerMeter(50);
  meter.working(true, 0);
  meter.battery(discharging(50), 0);
  meter.battery(discharging(49), minute);
  expect(meter.watts).toBeNull();
  // 1 % of 50 Wh are 1800 J; in two minutes that is 15 W.
  meter.battery(discharging(48), 3 * minute);
  expect(meter.watts).toBeCloseTo(15);
  meter.battery(discharging(47), 4 * minute);
  expect(meter.watts).toBeCloseTo((15 + 30) / 2);
});

it('leaves out what was not spent on computing', () => {
  const meter = new PowerMeter(50);
  meter.battery(discharging(50), 0);
  meter.battery(discharging(49), minute);
  meter.working(true, 2 * minute);
  meter.working(false, 3 * minute);
  meter.battery(discharging(48), 3 * minute);
  expect(meter.watts).toBeNull();
  meter.working(true, 3 * minute);
  meter.battery(discharging(47), 5 * minute);
  expect(meter.watts).toBeCloseTo(15);
});

it('begins anew after charging, and when the level rises', () => {
  const meter = new PowerMeter(50);
  meter.working(true, 0);
  meter.battery(discharging(50), 0);
  meter.battery(discharging(49), minute);
  meter.battery({ level: 0.48, charging: true }, 2 * minute);
  meter.battery(discharging(47), 3 * minute);
  meter.battery(discharging(60), 4 * minute);
  meter.battery(discharging(59), 5 * minute);
  expect(meter.watts).toBeNull();
  meter.battery(discharging(58), 7 * minute);
  expect(meter.watts).toBeCloseTo(15);
});
