import { expose, wrap } from 'comlink';
import { afterEach, describe, expect, it } from 'vitest';
import { AppError, ModelFileError } from '../common/errors.ts';
import { consumeStream, produceStream } from './stream-channel.ts';
import { WorkerOwner, useOnce } from './worker-owner.ts';
import { errorToWire } from './errors-over-wire.ts';

const ports: MessagePort[] = [];
function channel(): MessageChannel {
  const made = new MessageChannel();
  ports.push(made.port1, made.port2);
  return made;
}
afterEach(() => {
  for (const port of ports.splice(0)) port.close();
});

/** The other side of a `Worker`, on a port of this thread: same events, same Comlink endpoint. */
class PortWorker extends EventTarget {
  readonly inside: MessagePort;
  readonly #outside: MessagePort;
  terminated = false;

  constructor() {
    super();
    const { port1, port2 } = channel();
    this.#outside = port1;
    this.inside = port2;
    port1.addEventListener('message', (event: MessageEvent<unknown>) => {
      if (!this.terminated) this.dispatchEvent(new MessageEvent('message', { data: event.data }));
    });
    port1.start();
  }
  postMessage(message: unknown, transfer: Transferable[] = []): void {
    if (!this.terminated) this.#outside.postMessage(message, transfer);
  }
  terminate(): void {
    this.terminated = true;
  }
  crash(message: string): void {
    this.dispatchEvent(Object.assign(new Event('error'), { message }));
  }
}

interface Calculator {
  double(value: number): number;
  never(): Promise<never>;
  fail(): string;
}

const calculator: Calculator & { ping(): void } = {
  double: (value) => value * 2,
  never: () => new Promise<never>(() => undefined),
  fail: () => {
    throw new ModelFileError(
      'model-file/malformed',
      'The file is wrong.',
      { field: 'general.alignment', offsetBytes: 48 },
      { details: { alignment: 3 }, cause: new RangeError('3') },
    );
  },
  ping: () => undefined,
};

function makeOwner(silenceLimitMs = 15_000) {
  const workers: PortWorker[] = [];
  const deaths: AppError[] = [];
  const owner = new WorkerOwner<Calculator>({
    name: 'calculator',
    silenceLimitMs,
    create: () => {
      const worker = new PortWorker();
      expose(calculator, worker.inside);
      workers.push(worker);
      return worker as unknown as Worker;
    },
    onDeath: (error) => deaths.push(error),
  });
  return { owner, workers, deaths };
}

describe('errors over the wire', () => {
  it('keep class, code, details, field, offset and cause', async () => {
    const { port1, port2 } = channel();
    expose(calculator, port1);
    const remote = wrap<Calculator>(port2);
    const error: unknown = await remote.fail().then(null, (thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(ModelFileError);
    const fileError = error as ModelFileError;
    expect(fileError.code).toBe('model-file/malformed');
    expect(fileError.message).toBe('The file is wrong.');
    expect(fileError.details).toMatchObject({ alignment: 3, field: 'general.alignment' });
    expect(fileError.offsetBytes).toBe(48);
    expect(String(fileError.cause)).toContain('RangeError: 3');
  });

  it('keep their code where the cause cannot be put into words', () => {
    const circular: Record<string, unknown> = {};
    circular['self'] = circular;
    for (const cause of [circular, 1n, () => 1]) {
      const wire = errorToWire(new AppError('store/quota', 'Full.', { cause }));
      expect(wire.code).toBe('store/quota');
      expect(typeof wire.causeText).toBe('string');
    }
  });

  it('make anything unforeseen an internal error', async () => {
    const { port1, port2 } = channel();
    expose({ broken: () => JSON.parse('{') as never }, port1);
    const remote = wrap<{ broken(): never }>(port2);
    await expect(remote.broken()).rejects.toMatchObject({ name: 'AppError', code: 'internal' });
  });
});

describe('streams', () => {
  it('deliver every value in order and end', async () => {
    const stream = consumeStream<number>();
    void produceStream(stream.producerPort, async function* () {
      for (let i = 0; i < 100; i++) {
        if (i % 10 === 0) await Promise.resolve();
        yield i;
      }
    });
    const got: number[] = [];
    for await (const value of stream) got.push(value);
    expect(got).toEqual([...Array(100).keys()]);
  });

  it('deliver values sent before an error, then the error with its code', async () => {
    const stream = consumeStream<number>();
    void produceStream(stream.producerPort, async function* () {
      yield await Promise.resolve(1);
      throw new AppError('engine/context-overflow', 'Too long.');
    });
    const got: number[] = [];
    const reading = (async () => {
      for await (const value of stream) got.push(value);
    })();
    await expect(reading).rejects.toMatchObject({ code: 'engine/context-overflow' });
    expect(got).toEqual([1]);
  });

  it('tell the producer when the consumer aborts or leaves', async () => {
    for (const way of ['abort', 'leave'] as const) {
      const controller = new AbortController();
      const stream = consumeStream<number>(controller.signal);
      const producer = produceStream(stream.producerPort, async function* (signal) {
        for (let i = 0; !signal.aborted; i++) {
          await new Promise((resolve) => setTimeout(resolve, 1));
          yield i;
        }
      });
      for await (const value of stream) {
        if (value < 3) continue;
        if (way === 'leave') break;
        controller.abort();
      }
      await expect(producer).resolves.toBeUndefined();
    }
  });

  it('end with the error when the worker behind them died', async () => {
    const stream = consumeStream<number>();
    stream.fail(new AppError('engine/worker-died', 'Gone.'));
    await expect(stream[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'engine/worker-died',
    });
  });
});

describe('the owner of a worker', () => {
  it('starts it on first use and not before', async () => {
    const { owner, workers } = makeOwner();
    expect(workers).toHaveLength(0);
    expect(await owner.use((remote) => remote.double(21))).toBe(42);
    expect(await owner.use((remote) => remote.double(1))).toBe(2);
    expect(workers).toHaveLength(1);
    owner.terminate();
  });

  it('rejects every call under way when it dies, and starts a new one on the next use', async () => {
    const { owner, workers, deaths } = makeOwner();
    const calls = [1, 2, 3].map(() => owner.use((remote) => remote.never()));
    workers[0]?.crash('unreachable executed');
    for (const call of calls) {
      await expect(call).rejects.toMatchObject({ code: 'engine/worker-died' });
    }
    expect(deaths).toHaveLength(1);
    expect(workers[0]?.terminated).toBe(true);
    expect(await owner.use((remote) => remote.double(2))).toBe(4);
    expect(workers).toHaveLength(2);
    owner.terminate();
  });

  it('ends a worker that stops answering', async () => {
    const deaths: AppError[] = [];
    const owner = new WorkerOwner<Calculator>({
      name: 'calculator',
      silenceLimitMs: 1000,
      create: () => new PortWorker() as unknown as Worker,
      onDeath: (error) => deaths.push(error),
    });
    await expect(owner.use((remote) => remote.never())).rejects.toMatchObject({
      code: 'engine/worker-silent',
    });
    expect(deaths).toHaveLength(1);
  });

  it('rejects, and does not beat for ever, when a call or a start throws at once', async () => {
    const { owner } = makeOwner();
    const thrown = new TypeError('refused');
    await expect(
      owner.use(() => {
        throw thrown;
      }),
    ).rejects.toBe(thrown);
    const unstartable = new WorkerOwner<Calculator>({
      name: 'calculator',
      silenceLimitMs: 1000,
      create: () => {
        throw thrown;
      },
    });
    await expect(unstartable.use((remote) => remote.double(1))).rejects.toMatchObject({
      code: 'engine/worker-died',
      cause: thrown,
    });
    owner.terminate();
  });

  it('says that a worker whose script cannot be fetched could not be started', async () => {
    const { owner, workers } = makeOwner();
    const call = owner.use((remote) => remote.never());
    // Browsers send a plain event without a message then.
    workers[0]?.dispatchEvent(new Event('error'));
    await expect(call).rejects.toMatchObject({
      code: 'engine/worker-died',
      details: { reason: 'could not be started' },
    });
  });

  it('does not count the start of a disposable worker against its deadline', async () => {
    const worker = new PortWorker();
    const result = useOnce<Calculator, number>(
      { name: 'sandbox', create: () => worker as unknown as Worker, deadlineMs: 100 },
      () => new AppError('template/deadline', 'Too slow.'),
      (remote) => remote.double(4),
    );
    // Whatever it takes to fetch and compile a script on this device.
    await new Promise((resolve) => setTimeout(resolve, 150));
    expose(calculator, worker.inside);
    await expect(result).resolves.toBe(8);
  });

  it('gives a disposable worker its deadline', async () => {
    const worker = new PortWorker();
    expose(calculator, worker.inside);
    const late = new AppError('template/deadline', 'Too slow.');
    const result = useOnce<Calculator, never>(
      { name: 'sandbox', create: () => worker as unknown as Worker, deadlineMs: 20 },
      () => late,
      (remote) => remote.never(),
    );
    await expect(result).rejects.toBe(late);
    expect(worker.terminated).toBe(true);
  });
});
