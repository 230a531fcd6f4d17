/** The model in another tab, through a port, as if it was here. */
import { untilAborted } from '../../common/abort.ts';
import { AppError, toAppError } from '../../common/errors.ts';
import { ObservableValue, type Observable } from '../../common/observable.ts';
import type {
  EngineEvent,
  EnginePrompt,
  GenerationRequest,
  LoadedModel,
  TokenReport,
} from '../../engine/engine.ts';
import type { ExecutionPlan, ExecutionStatus } from '../../engine/execution-plan.ts';
import type { StepProfile } from '../../engine/step-profile.ts';
import type { LoadEvent } from '../../rpc/contracts.ts';
import { portAsWorker } from '../../rpc/port-broker.ts';
import { consumeStream } from '../../rpc/stream-channel.ts';
import { callback, transfer } from '../../rpc/transfer.ts';
import { WorkerOwner } from '../../rpc/worker-owner.ts';
import type {
  AnsweringModel,
  GenerateOptions,
  RuntimeLoadOptions,
  RuntimeState,
} from '../model-runtime.ts';
import type { Urgency } from '../turns.ts';
import type { LeaderApi, SharedView } from './leader-api.ts';

/** A tab that is silent for so long while something is asked of it hangs, or the browser froze it. */
const SILENCE_LIMIT_MS = 10_000;

export class RemoteModel implements AnsweringModel {
  readonly #link: WorkerOwner<LeaderApi>;
  readonly #observer: ((event: EngineEvent) => void) | undefined;
  readonly #state = new ObservableValue<RuntimeState>({ kind: 'none' });
  readonly #busy = new ObservableValue(false);
  #loadOptions: RuntimeLoadOptions | null = null;

  /** `onSilence`: the other tab does not answer any more, and the link was given up. */
  constructor(
    port: MessagePort,
    onSilence: () => void,
    observer: ((event: EngineEvent) => void) | undefined,
  ) {
    this.#observer = observer;
    this.#link = new WorkerOwner<LeaderApi>({
      name: 'engine in another tab',
      create: () => portAsWorker(port),
      silenceLimitMs: SILENCE_LIMIT_MS,
      onDeath: onSilence,
    });
  }

  /** Resolves when it is known what the other tab has loaded. @throws AppError */
  async watch(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      const show = ({ state, busy, loadOptions }: SharedView): void => {
        this.#loadOptions = loadOptions;
        this.#state.set(state);
        this.#busy.set(busy);
        resolve();
      };
      this.#link.use((leader) => leader.watch(callback(show))).catch(reject);
    });
  }

  /** The other tab is gone: everything that waits for it fails. */
  end(): void {
    this.#link.terminate();
  }

  get state(): Observable<RuntimeState> {
    return this.#state;
  }
  get busy(): Observable<boolean> {
    return this.#busy;
  }
  get loadOptions(): RuntimeLoadOptions | null {
    return this.#loadOptions;
  }

  /** Names are those of the tab that loads. */
  setNames(): void {
    // Every tab lists the same models.
  }

  async load(
    id: string,
    options: RuntimeLoadOptions,
    onProgress: (fraction: number) => void = () => undefined,
    signal?: AbortSignal,
  ): Promise<LoadedModel> {
    const events = consumeStream<LoadEvent>(signal);
    const ended = this.#link
      .use((leader) =>
        leader.load(id, options, transfer(events.producerPort, [events.producerPort])),
      )
      .catch((error: unknown) => {
        events.fail(toAppError(error));
      });
    let loaded: LoadedModel | null = null;
    for await (const event of events) {
      if (event.kind === 'loaded') loaded = event.model;
      else onProgress(event.bytesDone / event.bytesTotal);
    }
    await ended;
    if (loaded === null) throw new AppError('internal', 'The other tab loaded nothing.');
    return loaded;
  }

  async unload(): Promise<void> {
    await this.#link.use((leader) => leader.unload());
  }

  /** @throws AppError `store/in-use`: the tab that holds it uses it too */
  unloadIf(id: string): Promise<void> {
    const { value } = this.#state;
    if (value.kind === 'none' || value.id !== id) return Promise.resolve();
    return Promise.reject(usedElsewhere(id));
  }

  need(): Promise<LoadedModel> {
    return this.#link.use((leader) => leader.need());
  }

  async *generate(
    request: GenerationRequest,
    { signal, modelId, urgency }: GenerateOptions = {},
  ): AsyncGenerator<EngineEvent> {
    const stream = consumeStream<EngineEvent>(signal, this.#observer);
    const options = {
      ...(modelId === undefined ? {} : { modelId }),
      ...(urgency === undefined ? {} : { urgency }),
    };
    const ended = this.#link
      .use((leader) =>
        leader.generate(request, options, transfer(stream.producerPort, [stream.producerPort])),
      )
      .catch((error: unknown) => {
        stream.fail(toAppError(error));
      });
    yield* stream;
    await ended;
  }

  promptTokens(prompt: EnginePrompt, signal?: AbortSignal, urgency?: Urgency): Promise<number[]> {
    return untilAborted(
      this.#link.use((leader) => leader.promptTokens(prompt, urgency)),
      signal,
    );
  }

  score(
    tokens: readonly number[],
    topLogprobs: number,
    signal?: AbortSignal,
  ): Promise<readonly TokenReport[]> {
    return untilAborted(
      this.#link.use((leader) => leader.score(tokens, topLogprobs)),
      signal,
    );
  }

  async applyPlan(plan: ExecutionPlan): Promise<void> {
    await this.#link.use((leader) => leader.applyPlan(plan));
  }

  execution(): Promise<ExecutionStatus | null> {
    return this.#link.use((leader) => leader.execution());
  }

  profile(signal?: AbortSignal): Promise<StepProfile> {
    return untilAborted(
      this.#link.use((leader) => leader.profile()),
      signal,
    );
  }

  tokenize(text: string, options: { special: boolean; boundary: boolean }): Promise<number[]> {
    return this.#link.use((leader) => leader.tokenize(text, options));
  }

  detokenize(tokens: readonly number[], options: { special: boolean }): Promise<string> {
    return this.#link.use((leader) => leader.detokenize(tokens, options));
  }
}

export function usedElsewhere(id: string): AppError {
  return new AppError(
    'store/in-use',
    'Another tab is using this model. Close it there or wait, then try again.',
    { details: { modelId: id } },
  );
}
