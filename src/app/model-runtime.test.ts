import { afterEach, describe, expect, it, vi } from 'vitest';
import { ScriptedEngine, scriptedRuntime } from '../../test/fixtures/scripted-engine.ts';
import { AppError } from '../common/errors.ts';
import type { EngineEvent, GenerationRequest } from '../engine/engine.ts';
import { fullPlan } from '../engine/execution-plan.ts';
import { greedySampling } from '../engine/generation/sampler.ts';
import type { RuntimeState } from './model-runtime.ts';

const options = { precision: 'auto', contextLength: 2048 } as const;
const request: GenerationRequest = {
  prompt: { kind: 'tokens', tokens: [65] },
  sampling: greedySampling,
  maxTokens: 10,
  stop: [],
};

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

function setUp(
  ...given: Parameters<typeof scriptedRuntime> extends [unknown, ...infer R] ? R : []
) {
  const engine = new ScriptedEngine();
  const { runtime, close } = scriptedRuntime(engine, ...given);
  closers.push(close);
  return { engine, runtime };
}

async function textOf(events: AsyncIterable<EngineEvent>): Promise<string> {
  let text = '';
  for await (const event of events) {
    if (event.type === 'token' || event.type === 'done') text += event.text;
    if (event.type === 'done') text += `<${event.reason}>`;
  }
  return text;
}

describe('loading', () => {
  it('tells its progress, name and end', async () => {
    const { runtime } = setUp();
    runtime.setNames([{ id: 'a', name: 'Model A' }]);
    const states: RuntimeState[] = [];
    runtime.state.subscribe((state) => states.push(state));
    const fractions: number[] = [];
    const model = await runtime.load('a', options, (fraction) => fractions.push(fraction));
    expect(states.map(({ kind }) => kind)).toEqual(['loading', 'loading', 'loading', 'ready']);
    expect(states.at(-1)).toEqual({ kind: 'ready', id: 'a', name: 'Model A', model });
    expect(fractions).toEqual([0.5, 1]);
  });

  it('happens once for the same wish and again for another precision or context', async () => {
    const { engine, runtime } = setUp();
    await Promise.all([runtime.load('a', options), runtime.load('a', options)]);
    await runtime.load('a', options);
    expect(engine.loads).toHaveLength(1);
    await runtime.load('a', { ...options, precision: 4 });
    await runtime.load('a', { ...options, precision: 4, contextLength: 512 });
    expect(engine.loads.map((load) => load.options)).toMatchObject([
      options,
      { precision: 4, contextLength: 2048 },
      { precision: 4, contextLength: 512 },
    ]);
  });

  it('takes a fresh worker, because WASM memory never shrinks', async () => {
    const { engine, runtime } = setUp();
    await runtime.load('a', options);
    await runtime.load('b', options);
    expect(engine.workers.map(({ terminated }) => terminated)).toEqual([true, false]);
    await runtime.unload();
    expect(engine.workers.map(({ terminated }) => terminated)).toEqual([true, true]);
    expect(runtime.state.value).toEqual({ kind: 'none' });
  });

  it('is stopped by a wish for another model', async () => {
    const { engine, runtime } = setUp();
    engine.onLoad = (load, signal) =>
      load.model.kind === 'stored' && load.model.id === 'b'
        ? Promise.resolve()
        : new Promise((resolve) => {
            signal.addEventListener('abort', () => {
              resolve();
            });
          });
    const first = runtime.load('a', options);
    await vi.waitFor(() => {
      expect(engine.loads).toHaveLength(1);
    });
    const second = runtime.load('b', options);
    await expect(first).rejects.toMatchObject({ code: 'aborted' });
    await second;
    expect(runtime.state.value).toMatchObject({ kind: 'ready', id: 'b' });
  });

  it('that fails says why, with code and details, and can be tried again', async () => {
    const { engine, runtime } = setUp();
    const details = { neededBytes: 9 };
    engine.onLoad = () =>
      Promise.reject(new AppError('engine/out-of-memory', 'Too large.', { details }));
    const failure = { code: 'engine/out-of-memory', message: 'Too large.', details };
    await expect(runtime.load('a', options)).rejects.toMatchObject(failure);
    expect(runtime.state.value).toMatchObject({ kind: 'failed', id: 'a', error: failure });
    engine.onLoad = () => Promise.resolve();
    await runtime.load('a', options);
    expect(runtime.state.value.kind).toBe('ready');
  });

  it('fails with the error of a header that the sandbox refuses', async () => {
    const refused = new AppError('model-file/not-gguf', 'No model.');
    const { engine, runtime } = setUp({ readHeader: () => Promise.reject(refused) });
    await expect(runtime.load('a', options)).rejects.toBe(refused);
    expect(engine.loads).toEqual([]);
    expect(runtime.busy.value).toBe(false);
  });
});

describe('a plan of execution', () => {
  it('reaches the model at once, and those that are loaded later before they answer', async () => {
    const { engine, runtime } = setUp();
    const saving = { ...fullPlan, precision: 4, threads: 1 } as const;
    await runtime.applyPlan(saving);
    expect(engine.plans).toEqual([]);
    expect(await runtime.execution()).toBeNull();
    await runtime.load('a', options);
    expect(engine.plans).toEqual([saving]);
    await runtime.applyPlan(fullPlan);
    expect(engine.plans).toEqual([saving, fullPlan]);
    expect(await runtime.execution()).toMatchObject({ precision: 8, threads: 'auto' });
    await expect(runtime.applyPlan({ ...fullPlan, threads: 0 })).rejects.toMatchObject({
      code: 'invalid-argument',
    });
    await runtime.load('b', options);
    expect(engine.plans.at(-1)).toEqual(fullPlan);
  });
});

describe('the model that is needed', () => {
  it('is waited for while it loads', async () => {
    const { runtime } = setUp();
    const loading = runtime.load('a', options);
    expect(await runtime.need()).toBe(await loading);
  });

  it('is loaded again, as it was, when its worker was lost', async () => {
    const { engine, runtime } = setUp();
    await runtime.load('a', { ...options, precision: 4 });
    const answer = engine.nextAnswer();
    const reading = textOf(runtime.generate(request));
    await vi.waitFor(() => {
      expect(engine.requests).toHaveLength(1);
    });
    answer.write('Half');
    engine.workers.at(-1)?.crash('unreachable executed');
    await expect(reading).rejects.toMatchObject({ code: 'engine/worker-died' });
    expect(runtime.state.value).toMatchObject({ kind: 'failed', id: 'a' });
    await runtime.need();
    expect(engine.loads.at(-1)?.options.precision).toBe(4);
    expect(await textOf(runtime.generate(request))).toBe('Fine.<stop>');
  });

  it('is missed with a code', async () => {
    const { runtime } = setUp();
    await expect(runtime.need()).rejects.toMatchObject({ code: 'engine/not-loaded' });
  });
});

describe('requests', () => {
  it('run one after the other, in the order of asking', async () => {
    const { engine, runtime } = setUp();
    await runtime.load('a', options);
    const first = engine.nextAnswer();
    const answers = [runtime.generate(request), runtime.generate(request)].map(textOf);
    await vi.waitFor(() => {
      expect(engine.requests).toHaveLength(1);
    });
    expect(runtime.busy.value).toBe(true);
    first.write('One');
    first.end();
    expect(await Promise.all(answers)).toEqual(['One<stop>', 'Fine.<stop>']);
    expect(runtime.busy.value).toBe(false);
  });

  it('for a model that was replaced meanwhile are not answered by the other one', async () => {
    const { engine, runtime } = setUp();
    await runtime.load('a', options);
    const first = engine.nextAnswer();
    const running = textOf(runtime.generate(request, { modelId: 'a' }));
    const loading = runtime.load('b', options);
    const late = textOf(runtime.generate(request, { modelId: 'a' }));
    first.end();
    expect(await running).toBe('<stop>');
    await loading;
    await expect(late).rejects.toMatchObject({ code: 'engine/not-loaded' });
    expect(engine.requests).toHaveLength(1);
  });

  it('that are stopped end with what was written; those that wait end at once', async () => {
    const { engine, runtime } = setUp();
    await runtime.load('a', options);
    const first = engine.nextAnswer();
    first.write('Half');
    const [one, two] = [new AbortController(), new AbortController()];
    const running = textOf(runtime.generate(request, { signal: one.signal }));
    const waiting = textOf(runtime.generate(request, { signal: two.signal }));
    await vi.waitFor(() => {
      expect(engine.requests).toHaveLength(1);
    });
    two.abort();
    await expect(waiting).rejects.toMatchObject({ code: 'aborted' });
    expect(first.stopped).toBe(false);
    one.abort();
    expect(await running).toBe('Half<aborted>');
    expect(first.stopped).toBe(true);
    expect(await textOf(runtime.generate(request))).toBe('Fine.<stop>');
  });

  it('fail with the engine code and leave the next ones alone', async () => {
    const { engine, runtime } = setUp();
    await runtime.load('a', options);
    engine.nextAnswer().fail(new AppError('engine/context-overflow', 'Too long.'));
    await expect(textOf(runtime.generate(request))).rejects.toMatchObject({
      code: 'engine/context-overflow',
    });
    expect(await runtime.promptTokens({ kind: 'text', text: 'AB', special: false })).toEqual([
      65, 66,
    ]);
  });
});
