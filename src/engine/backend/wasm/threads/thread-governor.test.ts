import { describe, expect, it } from 'vitest';
import { ThreadGovernor } from './thread-governor.ts';

/** Runs steps whose speed is a function of the number of threads. */
function run(governor: ThreadGovernor, steps: number, speed: (threads: number) => number): void {
  for (let i = 0; i < steps; i++) governor.record('decode', speed(governor.next('decode')));
}

describe('ThreadGovernor', () => {
  it('begins with all threads, and with fewer where it is told so', () => {
    expect(new ThreadGovernor(4).next('decode')).toBe(4);
    expect(new ThreadGovernor(4, 2).next('prefill')).toBe(2);
    expect(new ThreadGovernor(4, 9).next('prefill')).toBe(4);
    expect(new ThreadGovernor(4, 2).next('few')).toBe(2);
  });

  it('finds the number beyond which more threads only wait for memory', () => {
    const governor = new ThreadGovernor(8);
    run(governor, 400, (threads) => Math.min(threads, 3) - 0.1 * threads);
    expect(governor.settled('decode')).toBe(3);
  });

  it('goes down to one when another program takes the other core, and up again after it', () => {
    const governor = new ThreadGovernor(2);
    run(governor, 100, (threads) => threads);
    expect(governor.settled('decode')).toBe(2);
    run(governor, 300, (threads) => 1 / threads);
    expect(governor.settled('decode')).toBe(1);
    run(governor, 300, (threads) => threads);
    expect(governor.settled('decode')).toBe(2);
  });

  it('leaves a core to a program that takes it only now and then, and long', () => {
    const governor = new ThreadGovernor(2);
    let step = 0;
    run(governor, 200, (threads) => (threads === 2 && step++ % 4 === 0 ? 0.05 : threads));
    expect(governor.settled('decode')).toBe(1);
  });

  it('does not move for one step that was disturbed', () => {
    const governor = new ThreadGovernor(2);
    let step = 0;
    run(governor, 400, (threads) => (step++ % 150 === 5 ? 0.01 : threads));
    expect(governor.settled('decode')).toBe(2);
  });

  it('does not move for differences that are chance', () => {
    const governor = new ThreadGovernor(3, 2);
    run(governor, 1000, (threads) => 1 + 0.02 * threads - 0.02 * threads * (threads - 2));
    expect(governor.settled('decode')).toBe(2);
  });

  it('tries other numbers rarely when that never pays off', () => {
    const governor = new ThreadGovernor(2);
    let trials = 0;
    run(governor, 2000, (threads) => {
      if (threads !== 2) trials++;
      return threads;
    });
    expect(trials).toBeLessThan(100);
    expect(trials).toBeGreaterThan(0);
  });

  it('never leaves what there is', () => {
    const governor = new ThreadGovernor(1);
    run(governor, 500, (threads) => {
      expect(threads).toBe(1);
      return 1;
    });
  });
});
