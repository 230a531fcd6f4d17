import { afterEach, expect, it } from 'vitest';
import { AppError } from '../common/errors.ts';
import type { EngineEvent, GenerationRequest } from '../engine/engine.ts';
import type { EngineApi, LoadEvent } from '../rpc/contracts.ts';
import { produceStream } from '../rpc/stream-channel.ts';
import type { WorkerOwner } from '../rpc/worker-owner.ts';
import { loadedModel } from '../../test/fixtures/scripted-engine.ts';
import { ModelRuntime } from './model-runtime.ts';

const ports: MessagePort[] = [];
afterEach(() => {
  for (const port of ports.splice(0)) port.close();
});

function gate(): { readonly opened: Promise<void>; open: () => void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

/** A runtime over an engine on this thread: loads end at once, answers when `answering` opens. */
function runtimeOf() {
  const answering = gate();
  const loads: string[] = [];
  /** How many loads there had been each time the worker was ended. */
  const ended: number[] = [];
  const reading = { header: Promise.resolve() };
  const done: EngineEvent = { type: 'done', reason: 'stop', text: '', stats: {} as never };
  const api: Pick<EngineApi, 'load' | 'generate' | 'promptTokens'> = {
    load: (request, header, events) =>
      produceStream<LoadEvent>(events, async function* () {
        ports.push(header, events);
        await Promise.resolve();
        loads.push(request.model.kind === 'stored' ? request.model.id : 'port');
        if (loads.at(-1) === 'too-large') throw new AppError('engine/out-of-memory', 'Full.');
        yield { kind: 'loaded', model: loadedModel() };
      }),
    generate: (_request, events) =>
      produceStream<EngineEvent>(events, async function* (signal) {
        ports.push(events);
        yield { type: 'token', token: 1, text: 'a' };
        const stopped = new Promise<void>((resolve) => {
          signal.addEventListener('abort', () => {
            resolve();
          });
        });
        await Promise.race([answering.opened, stopped]);
        yield signal.aborted ? { ...done, reason: 'aborted' } : done;
      }),
    promptTokens: () => [1],
  };
  const engine = {
    use: (call: (remote: typeof api) => unknown) => Promise.resolve(call(api)),
    prepare: () => undefined,
    terminate: () => {
      ended.push(loads.length);
    },
  } as unknown as WorkerOwner<EngineApi>;
  const runtime = new ModelRuntime({
    engine,
    refer: (id: string) => Promise.resolve({ kind: 'stored', id }),
    readHeader: () => reading.header,
    budgetBytes: null,
  } as unknown as ConstructorParameters<typeof ModelRuntime>[0]);
  return { runtime, answering, loads, ended, reading };
}

const options = { precision: 'auto', contextLength: 512 } as const;
const request = { prompt: { kind: 'tokens', tokens: [1] } } as unknown as GenerationRequest;

async function readAll(events: AsyncIterable<EngineEvent>): Promise<string[]> {
  const kinds: string[] = [];
  for await (const event of events) {
    kinds.push(event.type === 'done' ? event.reason : event.type);
  }
  return kinds;
}

it('loads again when asked while a stopped load has not ended', async () => {
  const { runtime, reading, loads } = runtimeOf();
  const header = gate();
  reading.header = header.opened;
  const first = runtime.load('a', options);
  const unloaded = runtime.unload();
  reading.header = Promise.resolve();
  const second = runtime.load('a', options);
  await expect(first).rejects.toMatchObject({ code: 'aborted' });
  await unloaded;
  await second;
  expect(runtime.state.value).toMatchObject({ kind: 'ready', id: 'a' });
  expect(loads).toEqual(['a']);
});

it('keeps the model that answers when another was wanted and given up before its turn', async () => {
  const { runtime, answering } = runtimeOf();
  await runtime.load('a', options);
  const answer = readAll(runtime.generate(request, { modelId: 'a' }));
  const controller = new AbortController();
  const other = runtime.load('b', options, undefined, controller.signal);
  controller.abort();
  await expect(other).rejects.toMatchObject({ code: 'aborted' });
  answering.open();
  await answer;
  expect(runtime.state.value).toMatchObject({ kind: 'ready', id: 'a' });
});

it('does not let a reader who stops reading keep the others waiting', async () => {
  const { runtime, answering } = runtimeOf();
  await runtime.load('a', options);
  await runtime.generate(request).next();
  answering.open();
  expect(await runtime.promptTokens({ kind: 'tokens', tokens: [1] })).toEqual([1]);
});

it('stops the answers of a model that is unloaded, those that wait too', async () => {
  const { runtime } = runtimeOf();
  await runtime.load('a', options);
  const answers = [readAll(runtime.generate(request)), readAll(runtime.generate(request))];
  const ended = Promise.allSettled(answers);
  await runtime.unload();
  const [running, waiting] = await ended;
  expect(running).toMatchObject({ value: ['token', 'aborted'] });
  expect(waiting).toMatchObject({ reason: { code: 'aborted' } });
  expect(runtime.state.value.kind).toBe('none');
});

it('gives back at once what a load took that failed', async () => {
  const { runtime, ended } = runtimeOf();
  await expect(runtime.load('too-large', options)).rejects.toMatchObject({
    code: 'engine/out-of-memory',
  });
  expect(runtime.state.value).toMatchObject({ kind: 'failed', id: 'too-large' });
  expect(ended).toEqual([0, 1]);
});

it('goes on loading for others when one who waits gives up', async () => {
  const { runtime, reading } = runtimeOf();
  const header = gate();
  reading.header = header.opened;
  const controller = new AbortController();
  const first = runtime.load('a', options, undefined, controller.signal);
  const second = runtime.load('a', options);
  controller.abort();
  await expect(first).rejects.toMatchObject({ code: 'aborted' });
  header.open();
  await second;
  expect(runtime.state.value).toMatchObject({ kind: 'ready', id: 'a' });
});
