/** Several tabs over one model: real runtimes and channels, scripted engines, a browser's locks by hand. */
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ScriptedEngine, scriptedRuntime } from '../../../test/fixtures/scripted-engine.ts';
import { AppError } from '../../common/errors.ts';
import type { EngineEvent, GenerationRequest } from '../../engine/engine.ts';
import { fullPlan } from '../../engine/execution-plan.ts';
import { greedySampling } from '../../engine/generation/sampler.ts';
import { PortBroker } from '../../rpc/port-broker.ts';
import type { LineChannel, LineLocks } from './tab-line.ts';
import { TabModel } from './tab-model.ts';

interface Claim {
  readonly tab: object;
  readonly grant: () => void;
  readonly fail: () => void;
}

/** Web Locks of one browser: `of` a tab, which `end` takes away from it as the end of a tab does. */
class BrowserLocks {
  readonly #held = new Map<string, Claim>();
  readonly #waiting = new Map<string, Claim[]>();

  of(tab: object): LineLocks {
    return {
      request: (name, { ifAvailable, steal }, callback) =>
        new Promise((resolve, reject) => {
          const claim: Claim = {
            tab,
            grant: () => {
              this.#held.set(name, claim);
              callback({})
                .then(resolve, reject)
                .finally(() => {
                  if (this.#held.get(name) === claim) this.#next(name);
                });
            },
            fail: () => {
              reject(new DOMException('stolen', 'AbortError'));
            },
          };
          const holder = this.#held.get(name);
          queueMicrotask(() => {
            if (holder === undefined && !this.#held.has(name)) claim.grant();
            else if (steal === true) {
              holder?.fail();
              claim.grant();
            } else if (ifAvailable === true) callback(null).then(resolve, reject);
            else this.#waiting.set(name, [...(this.#waiting.get(name) ?? []), claim]);
          });
        }),
    };
  }

  end(tab: object): void {
    for (const [name, queue] of this.#waiting) {
      this.#waiting.set(
        name,
        queue.filter((claim) => claim.tab !== tab),
      );
    }
    for (const [name, claim] of this.#held) if (claim.tab === tab) this.#next(name);
  }

  #next(name: string): void {
    this.#held.delete(name);
    this.#waiting.get(name)?.shift()?.grant();
  }
}

const request: GenerationRequest = {
  prompt: { kind: 'tokens', tokens: [65] },
  sampling: greedySampling,
  maxTokens: 10,
  stop: [],
};
const options = { precision: 'auto', contextLength: 2048 } as const;
const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** A browser whose tabs share a shared worker and a channel. */
class Tabs {
  readonly #locks = new BrowserLocks();
  readonly #broker = new PortBroker();
  readonly #channels = new Set<LineChannel>();
  /** Models that are said to have taken tabs down. */
  readonly feared = new Set<string>();

  open() {
    const tab = {};
    const engine = new ScriptedEngine();
    const { runtime, close } = scriptedRuntime(engine);
    const met: MessagePort[] = [];
    /** What other tabs say is not heard any more, as in a tab whose thread is busy. */
    const freeze = (): void => {
      for (const port of met) port.close();
    };
    const channel: LineChannel = {
      onmessage: null,
      postMessage: (data) => {
        for (const other of this.#channels) {
          if (other === channel) continue;
          queueMicrotask(() => other.onmessage?.(new MessageEvent('message', { data })));
        }
      },
    };
    this.#channels.add(channel);
    const model = new TabModel({
      local: runtime,
      endLocal: () => {
        close();
        runtime.lost(new AppError('engine/worker-died', 'Another tab holds the model.'));
      },
      line: {
        name: 'line',
        locks: this.#locks.of(tab),
        channel,
        connectBroker: () => {
          const { port1, port2 } = new MessageChannel();
          this.#broker.connect(port1);
          port2.addEventListener('message', (event: MessageEvent<unknown>) => {
            met.push(...event.ports);
          });
          closers.push(() => {
            port1.close();
          });
          return port2;
        },
      },
      journal: {
        during: (_id, _work, run) => run(),
        readCrash: () => Promise.resolve(null),
        isFeared: (id) => this.feared.has(id),
      },
    });
    const end = (): void => {
      this.#channels.delete(channel);
      for (const worker of engine.workers) worker.inside.close();
      close();
      this.#locks.end(tab);
    };
    closers.push(end);
    return { engine, model, end, freeze };
  }
}

/** Two tabs, the first with a model. */
async function twoTabs() {
  const tabs = new Tabs();
  const first = tabs.open();
  await first.model.load('a', options);
  const second = tabs.open();
  await second.model.settled();
  return { tabs, first, second };
}

async function collect(events: AsyncIterable<EngineEvent>): Promise<string> {
  let text = '';
  for await (const event of events) {
    if (event.type === 'token' || event.type === 'done') text += event.text;
    if (event.type === 'done') text += `<${event.reason}>`;
  }
  return text;
}

describe('one model for all tabs', () => {
  it('is loaded once and answers both', async () => {
    const { first, second } = await twoTabs();
    expect(second.model.state.value).toEqual(first.model.state.value);
    expect(second.model.state.value.kind).toBe('ready');
    await second.model.load('a', options);
    expect(await collect(second.model.generate(request))).toBe('Fine.<stop>');
    expect(await collect(first.model.generate(request))).toBe('Fine.<stop>');
    expect(await second.model.tokenize('A', { special: false, boundary: false })).toEqual([65]);
    expect(first.engine.loads).toHaveLength(1);
    expect(second.engine.workers).toHaveLength(0);
  });

  it('serves one request at a time, in the order of the requests', async () => {
    const { first, second } = await twoTabs();
    const long = first.engine.nextAnswer();
    const mine = collect(first.model.generate(request));
    await vi.waitFor(() => expect(first.engine.requests).toHaveLength(1));
    const theirs = collect(second.model.generate(request));
    expect(second.model.busy.value).toBe(true);
    long.write('Mine.');
    long.end();
    expect(await mine).toBe('Mine.<stop>');
    expect(await theirs).toBe('Fine.<stop>');
  });

  it('is loaded for a tab that asks, with its progress, and given up for all', async () => {
    const { first, second } = await twoTabs();
    const fractions: number[] = [];
    await second.model.load('b', options, (fraction) => fractions.push(fraction));
    expect(fractions.at(-1)).toBe(1);
    expect(first.model.state.value).toMatchObject({ kind: 'ready', id: 'b' });
    await second.model.unload();
    expect(first.model.state.value.kind).toBe('none');
    await vi.waitFor(() => expect(second.model.state.value.kind).toBe('none'));
  });

  it('stops an answer for the tab that asked', async () => {
    const { first, second } = await twoTabs();
    const answer = first.engine.nextAnswer();
    const controller = new AbortController();
    const text = collect(second.model.generate(request, { signal: controller.signal }));
    answer.write('Half');
    await vi.waitFor(() => expect(first.engine.requests).toHaveLength(1));
    controller.abort();
    expect(await text).toBe('Half<aborted>');
    expect(answer.stopped).toBe(true);
  });

  it('is not taken away from another tab', async () => {
    const { first, second } = await twoTabs();
    await expect(second.model.unloadIf('a')).rejects.toMatchObject({ code: 'store/in-use' });
    await expect(first.model.unloadIf('a')).rejects.toMatchObject({ code: 'store/in-use' });
    await second.model.unloadIf('another');
    second.end();
    await vi.waitFor(() => first.model.unloadIf('a'));
    expect(first.model.state.value.kind).toBe('none');
  });

  it('computes as the tab wants that asks', async () => {
    const { first, second } = await twoTabs();
    const hidden = { ...fullPlan, threads: 1 as const };
    await first.model.applyPlan(hidden);
    await second.model.applyPlan(fullPlan);
    expect(first.engine.plans.at(-1)).toEqual(hidden);
    await collect(second.model.generate(request));
    expect(first.engine.plans.at(-1)).toEqual(fullPlan);
    await collect(first.model.generate(request));
    expect(first.engine.plans.at(-1)).toEqual(hidden);
  });

  it('tells a failure with its code', async () => {
    const { first, second } = await twoTabs();
    first.engine.nextAnswer().fail(new AppError('engine/out-of-memory', 'Full.'));
    await expect(collect(second.model.generate(request))).rejects.toMatchObject({
      code: 'engine/out-of-memory',
    });
  });
});

describe('a tab that is gone', () => {
  it('leaves the model to the next one', async () => {
    const { first, second } = await twoTabs();
    first.end();
    await vi.waitFor(() => expect(second.engine.loads).toHaveLength(1));
    expect(await collect(second.model.generate(request))).toBe('Fine.<stop>');
    expect(second.model.state.value).toMatchObject({ kind: 'ready', id: 'a' });
  });

  it('leaves an answer that goes on behind what was told', async () => {
    const { first, second } = await twoTabs();
    const begun = first.engine.nextAnswer();
    begun.write('One ');
    begun.write('two ');
    const rest = second.engine.nextAnswer();
    const events = second.model.generate(request);
    let text = '';
    for await (const event of events) {
      if (event.type === 'token' || event.type === 'done') text += event.text;
      if (text === 'One two ' && second.engine.loads.length === 0) {
        first.end();
        // What was told is told again by an engine that goes on; then comes the rest.
        rest.write('One ');
        rest.write('two ');
        rest.write('three');
        rest.end();
        await vi.waitFor(() => expect(second.engine.loads).toHaveLength(1));
      }
    }
    expect(text).toBe('One two three');
    expect(second.engine.requests[0]?.written).toEqual([1, 1]);
  });

  it('is followed by the new one in all others', async () => {
    const { tabs, first, second } = await twoTabs();
    const third = tabs.open();
    await third.model.settled();
    first.end();
    await vi.waitFor(() => expect(second.engine.loads).toHaveLength(1));
    expect(await collect(third.model.generate(request))).toBe('Fine.<stop>');
    expect(second.engine.requests).toHaveLength(1);
    expect(third.engine.loads).toHaveLength(0);
  });

  it('leaves the answers of all others to the new one', async () => {
    const { tabs, first, second } = await twoTabs();
    const third = tabs.open();
    await third.model.settled();
    first.engine.nextAnswer().write('One ');
    const rest = second.engine.nextAnswer();
    rest.write('One ');
    rest.write('two');
    rest.end();
    let text = '';
    for await (const event of third.model.generate(request)) {
      if (event.type === 'token') text += event.text;
      if (text === 'One ' && second.engine.loads.length === 0) {
        first.end();
        await vi.waitFor(() => expect(second.engine.loads).toHaveLength(1));
      }
    }
    expect(text).toBe('One two');
    expect(second.engine.requests[0]?.written).toEqual([1]);
  });

  it('that hangs loses its place', async () => {
    const { first, second } = await twoTabs();
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    try {
      // Its thread is busy: it hears nothing.
      first.freeze();
      const text = collect(second.model.generate(request));
      while (second.engine.loads.length === 0) {
        vi.advanceTimersByTime(1000);
        await new Promise((resolve) => setTimeout(resolve));
      }
      expect(await text).toBe('Fine.<stop>');
      await vi.waitFor(() => expect(first.model.state.value).toMatchObject({ id: 'a' }));
      expect(await collect(first.model.generate(request))).toBe('Fine.<stop>');
      expect(second.engine.requests).toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });

  it('is not followed by others one after the other when the model took it down', async () => {
    const { tabs, first, second } = await twoTabs();
    tabs.feared.add('a');
    first.end();
    await vi.waitFor(() => expect(second.model.state.value.kind).toBe('failed'));
    expect(second.engine.loads).toHaveLength(0);
  });

  it('has its answer ended when it only asked', async () => {
    const { first, second } = await twoTabs();
    const answer = first.engine.nextAnswer();
    void collect(second.model.generate(request)).catch(() => undefined);
    await vi.waitFor(() => expect(first.engine.requests).toHaveLength(1));
    second.end();
    await vi.waitFor(() => expect(answer.stopped).toBe(true));
    expect(await collect(first.model.generate(request))).toBe('Fine.<stop>');
  });
});

it('has a model of its own where tabs cannot reach each other', async () => {
  const engine = new ScriptedEngine();
  const { runtime, close } = scriptedRuntime(engine);
  closers.push(close);
  const model = new TabModel({
    local: runtime,
    endLocal: close,
    line: null,
    journal: {
      during: (_id, _work, run) => run(),
      readCrash: () => Promise.resolve(null),
      isFeared: () => false,
    },
  });
  await model.load('a', options);
  expect(await collect(model.generate(request))).toBe('Fine.<stop>');
});
