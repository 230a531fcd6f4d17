/** What the tab that holds the model offers the others, and how it serves one of them. */
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
import { exposeApi } from '../../rpc/expose.ts';
import { produceCallbackStream, produceStream } from '../../rpc/stream-channel.ts';
import type { CrashJournal } from '../crash-journal.ts';
import type {
  GenerateOptions,
  ModelRuntime,
  RuntimeLoadOptions,
  RuntimeState,
} from '../model-runtime.ts';
import type { Urgency } from '../turns.ts';

/** All that another tab shows of the model. */
export interface SharedView {
  readonly state: RuntimeState;
  readonly busy: boolean;
  readonly loadOptions: RuntimeLoadOptions | null;
}

/** As `AnsweringModel`, in the form that crosses a port: see `rpc/contracts.ts`. */
export interface LeaderApi {
  /** Calls back at once and on every change. */
  watch(listener: (view: SharedView) => void): void;
  /** `events` carries a stream of `LoadEvent`; `bytesDone` of it counts thousandths. */
  load(id: string, options: RuntimeLoadOptions, events: MessagePort): Promise<void>;
  unload(): Promise<void>;
  need(): Promise<LoadedModel>;
  /** `events` carries a stream of `EngineEvent`. */
  generate(
    request: GenerationRequest,
    options: Pick<GenerateOptions, 'modelId' | 'urgency'>,
    events: MessagePort,
  ): Promise<void>;
  promptTokens(prompt: EnginePrompt, urgency: Urgency | undefined): Promise<number[]>;
  score(tokens: readonly number[], topLogprobs: number): Promise<readonly TokenReport[]>;
  applyPlan(plan: ExecutionPlan): Promise<void>;
  execution(): Promise<ExecutionStatus | null>;
  profile(): Promise<StepProfile>;
  tokenize(text: string, options: { special: boolean; boundary: boolean }): Promise<number[]>;
  detokenize(tokens: readonly number[], options: { special: boolean }): Promise<string>;
}

export interface ServeOptions {
  readonly model: ModelRuntime;
  /** This tab's: what the model does here for another tab may take this one down. */
  readonly journal: Pick<CrashJournal, 'during'>;
  /** The other tab is gone: nobody waits for what it asked. */
  readonly gone: AbortSignal;
}

const loadSteps = 1000;

/** Lets another tab use the model through a port. */
export function serveTab(port: MessagePort, { model, journal, gone }: ServeOptions): void {
  const asker = {};
  const during = <T>(work: () => Promise<T>): Promise<T> => {
    const { value } = model.state;
    return value.kind === 'none' ? work() : journal.during(value.id, 'answering', work);
  };
  const api: LeaderApi = {
    watch: (listener) => {
      const tell = (): void => {
        listener({
          state: model.state.value,
          busy: model.busy.value,
          loadOptions: model.loadOptions,
        });
      };
      const stops = [model.state.subscribe(tell), model.busy.subscribe(tell)];
      gone.addEventListener('abort', () => {
        for (const stop of stops) stop();
      });
      tell();
    },
    load: (id, options, events) =>
      produceCallbackStream<LoadEvent>(events, async (emit, stopped) => {
        const onProgress = (fraction: number): void => {
          const bytesDone = Math.round(fraction * loadSteps);
          emit({ kind: 'progress', bytesDone, bytesTotal: loadSteps });
        };
        const signal = AbortSignal.any([stopped, gone]);
        const loaded = await journal.during(id, 'loading', () =>
          model.load(id, options, onProgress, signal),
        );
        emit({ kind: 'loaded', model: loaded });
      }),
    unload: () => model.unload(),
    need: () => model.need(),
    generate: (request, { modelId, urgency }, events) =>
      during(() =>
        produceStream<EngineEvent>(events, (stopped) =>
          model.generate(request, {
            signal: AbortSignal.any([stopped, gone]),
            asker,
            ...(modelId === undefined ? {} : { modelId }),
            ...(urgency === undefined ? {} : { urgency }),
          }),
        ),
      ),
    promptTokens: (prompt, urgency) => model.promptTokens(prompt, gone, urgency),
    score: (tokens, topLogprobs) => model.score(tokens, topLogprobs, gone),
    applyPlan: (plan) => model.applyPlan(plan, asker),
    execution: () => model.execution(),
    profile: () => model.profile(gone),
    tokenize: (text, options) => model.tokenize(text, options),
    detokenize: (tokens, options) => model.detokenize(tokens, options),
  };
  exposeApi(api, port);
  gone.addEventListener('abort', () => {
    port.close();
  });
}
