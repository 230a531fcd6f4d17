import { describe, expect, it } from 'vitest';
import { Turns } from './turns.ts';

describe('turns', () => {
  it('are taken one at a time in the order of asking, whatever fails', async () => {
    const turns = new Turns();
    const order: string[] = [];
    const work = (name: string, fails = false) =>
      turns.run(async () => {
        order.push(`${name} begins`);
        await Promise.resolve();
        order.push(`${name} ends`);
        if (fails) throw new Error(name);
      });
    const all = [work('a'), work('b', true), work('c')];
    await Promise.allSettled(all);
    expect(order).toEqual(['a begins', 'a ends', 'b begins', 'b ends', 'c begins', 'c ends']);
    await expect(all[1]).rejects.toThrow('b');
  });

  it('are given up by a signal at once, and those behind still wait for those before', async () => {
    const turns = new Turns();
    const finishFirst = await turns.take();
    const controller = new AbortController();
    const second = turns.take(controller.signal);
    let thirdHasIt = false;
    const third = turns.take().then((finish) => {
      thirdHasIt = true;
      return finish;
    });
    controller.abort();
    await expect(second).rejects.toMatchObject({ code: 'aborted' });
    expect(thirdHasIt).toBe(false);
    finishFirst();
    (await third)();
    expect(turns.busy.value).toBe(false);
  });

  it('go to the more urgent first', async () => {
    const turns = new Turns();
    const finish = await turns.take();
    const order: string[] = [];
    const asked = (['low', 'normal', 'high', 'normal', 'high', 'low'] as const).map(
      (urgency, index) =>
        turns.run(() => Promise.resolve(order.push(`${urgency} ${index}`)), undefined, urgency),
    );
    finish();
    await Promise.all(asked);
    expect(order).toEqual(['high 2', 'high 4', 'normal 1', 'normal 3', 'low 0', 'low 5']);
  });

  it('are refused when as many wait as may, and given again when fewer do', async () => {
    const turns = new Turns({ mostWaiting: 2 });
    const finish = await turns.take();
    const controller = new AbortController();
    const first = turns.take();
    const second = turns.take(controller.signal);
    await expect(turns.take()).rejects.toMatchObject({ code: 'engine/busy' });
    controller.abort();
    await expect(second).rejects.toMatchObject({ code: 'aborted' });
    const third = turns.take();
    finish();
    (await first)();
    (await third)();
    expect(turns.busy.value).toBe(false);
  });

  it('tell when they are taken, and finishing twice changes nothing', async () => {
    const turns = new Turns();
    const seen: boolean[] = [];
    turns.busy.subscribe((busy) => seen.push(busy));
    const finish = await turns.take();
    finish();
    finish();
    const again = await turns.take();
    expect(turns.busy.value).toBe(true);
    again();
    expect(seen).toEqual([true, false, true, false]);
  });
});
