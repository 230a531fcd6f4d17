import { beforeEach, describe, expect, it } from 'vitest';
import { Speculation } from './speculation.ts';

let speculation: Speculation;
beforeEach(() => {
  speculation = new Speculation();
  speculation.measured(1, 10);
});

const observe = (count: number, right: boolean): void => {
  for (let i = 0; i < count; i++) speculation.observed(right);
};

describe('computing ahead', () => {
  it('waits until it is known what one token costs, and for something to compute', () => {
    const fresh = new Speculation();
    for (let i = 0; i < 20; i++) fresh.observed(true);
    expect(fresh.choose(15)).toBe(0);
    observe(20, true);
    expect(speculation.choose(0)).toBe(0);
    expect(speculation.choose(2)).toBe(0);
    expect(speculation.choose(3)).toBe(3);
  });

  it('goes the further the more often guesses come true', () => {
    observe(6, true);
    const some = speculation.choose(15);
    observe(30, true);
    expect(some).toBeGreaterThan(0);
    expect(speculation.choose(15)).toBe(15);
  });

  it('stops when guesses are wrong, and begins again when they are right', () => {
    observe(30, true);
    observe(12, false);
    expect(speculation.choose(15)).toBe(0);
    observe(30, true);
    expect(speculation.choose(15)).toBe(15);
  });

  it('does not begin where several tokens cost as much as one after the other', () => {
    for (const tokens of [4, 8, 16]) speculation.measured(tokens, 10 * tokens);
    observe(50, true);
    expect(speculation.choose(15)).toBe(0);
  });

  it('takes the size that pays, though another does not', () => {
    speculation.measured(4, 60);
    speculation.measured(8, 20);
    speculation.measured(16, 200);
    observe(50, true);
    expect(speculation.choose(15)).toBe(7);
  });

  it('tries again, late, what cost too much once', () => {
    for (const tokens of [4, 8, 16]) speculation.measured(tokens, 1000);
    observe(50, true);
    expect(speculation.choose(15)).toBe(0);
    let steps = 0;
    while (speculation.choose(15) === 0 && steps < 10_000) steps++;
    expect(steps).toBeGreaterThan(50);
    expect(steps).toBeLessThan(1000);
  });

  it('knows nothing of a text that begins', () => {
    observe(50, true);
    speculation.begin();
    expect(speculation.choose(15)).toBe(0);
  });
});
