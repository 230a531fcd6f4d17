/**
 * The model that answers, wherever it is: in this tab, or in another one of this site that had it
 * before. Everybody in this tab sees one `AnsweringModel`.
 *
 * One tab holds the model and computes for all. When it is gone, the next in line loads the same model
 * and what was asked goes on: a call is made again, an answer under way continues behind the tokens
 * that were told already, so that whoever reads it notices a pause and nothing else.
 */
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
import type { CrashJournal } from '../crash-journal.ts';
import type {
  AnsweringModel,
  GenerateOptions,
  ModelRuntime,
  RuntimeLoadOptions,
  RuntimeState,
} from '../model-runtime.ts';
import type { Urgency } from '../turns.ts';
import { serveTab } from './leader-api.ts';
import { RemoteModel, usedElsewhere } from './remote-model.ts';
import { TabLine, type TabInLine, type TabLineOptions } from './tab-line.ts';

export interface TabModelOptions {
  /** This tab's own engine, at work only while this tab holds the model. */
  readonly local: ModelRuntime;
  /** Ends the worker of `local` at once. */
  readonly endLocal: () => void;
  /** Null in browsers where tabs cannot reach each other: each has a model of its own. */
  readonly line: TabLineOptions | null;
  readonly journal: Pick<CrashJournal, 'during' | 'readCrash' | 'isFeared'>;
  readonly observer?: (event: EngineEvent) => void;
}

/** Where the model is now. */
interface Place {
  readonly model: AnsweringModel;
  /** What was asked there will not be answered. */
  lost: boolean;
  /** Stops mirroring, and ends a link. */
  readonly leave: () => void;
}

/** A promise that somebody else settles. */
class Arrival {
  resolve: (place: Place) => void = () => undefined;
  readonly promise = new Promise<Place>((resolve) => {
    this.resolve = resolve;
  });
}

type Held = Extract<RuntimeState, { kind: 'loading' | 'ready' }>;

export class TabModel implements AnsweringModel {
  readonly #options: TabModelOptions;
  readonly #line: TabLine | null;
  readonly #state = new ObservableValue<RuntimeState>({ kind: 'none' });
  readonly #busy = new ObservableValue(false);
  #loadOptions: RuntimeLoadOptions | null = null;
  #plan: ExecutionPlan | null = null;
  #place: Place | null = null;
  /** Settles when there is a place; replaced when it is lost. */
  #arrival = new Arrival();
  /** Tabs that use the model of this one, each until its signal fires. */
  readonly #guests = new Set<AbortSignal>();

  constructor(options: TabModelOptions) {
    this.#options = options;
    if (options.line === null) {
      this.#line = null;
      this.#settle(this.#mirror(options.local));
    } else {
      this.#line = new TabLine(options.line, this.#inLine());
    }
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

  /** Resolves when it is known which model is loaded, here or in another tab. */
  async settled(): Promise<void> {
    await this.#arrival.promise;
  }

  setNames(entries: readonly { readonly id: string; readonly name: string }[]): void {
    this.#options.local.setNames(entries);
  }

  load(
    id: string,
    options: RuntimeLoadOptions,
    onProgress?: (fraction: number) => void,
    signal?: AbortSignal,
  ): Promise<LoadedModel> {
    return this.#use((model) => model.load(id, options, onProgress, signal), signal);
  }

  /** Frees the memory of the model, for all tabs. */
  unload(): Promise<void> {
    return this.#use((model) => model.unload());
  }

  /** @throws AppError `store/in-use` while other tabs use it */
  unloadIf(id: string): Promise<void> {
    return this.#use((model) => {
      const { value } = this.#state;
      const used = value.kind !== 'none' && value.id === id;
      if (used && this.#guests.size > 0) return Promise.reject(usedElsewhere(id));
      return model.unloadIf(id);
    });
  }

  need(): Promise<LoadedModel> {
    return this.#use((model) => model.need());
  }

  async *generate(
    request: GenerationRequest,
    options: GenerateOptions = {},
  ): AsyncGenerator<EngineEvent> {
    const before = request.written ?? [];
    const told: number[] = [];
    for (let again = false; ; again = true) {
      const place = await untilAborted(this.#arrival.promise, options.signal);
      // The last of the tokens told before are not told a second time.
      let known = told.length;
      const written = known > before.length ? [...told] : before;
      try {
        if (again) await untilAborted(place.model.need(), options.signal);
        const asked = written.length === 0 ? request : { ...request, written };
        for await (const event of place.model.generate(asked, options)) {
          if (event.type === 'token') {
            if (known-- > 0) continue;
            told.push(event.token);
          }
          yield event;
        }
        return;
      } catch (error) {
        if (!place.lost || options.signal?.aborted === true) throw error;
      }
    }
  }

  promptTokens(prompt: EnginePrompt, signal?: AbortSignal, urgency?: Urgency): Promise<number[]> {
    return this.#use((model) => model.promptTokens(prompt, signal, urgency), signal, true);
  }

  score(
    tokens: readonly number[],
    topLogprobs: number,
    signal?: AbortSignal,
  ): Promise<readonly TokenReport[]> {
    return this.#use((model) => model.score(tokens, topLogprobs, signal), signal, true);
  }

  async applyPlan(plan: ExecutionPlan): Promise<void> {
    this.#plan = plan;
    // Where the model is not known yet, the plan is handed over on arrival.
    if (this.#place !== null) await this.#place.model.applyPlan(plan);
  }

  async execution(): Promise<ExecutionStatus | null> {
    return this.#place === null ? null : this.#place.model.execution();
  }

  profile(signal?: AbortSignal): Promise<StepProfile> {
    return this.#use((model) => model.profile(signal), signal, true);
  }

  tokenize(text: string, options: { special: boolean; boundary: boolean }): Promise<number[]> {
    return this.#use((model) => model.tokenize(text, options), undefined, true);
  }

  detokenize(tokens: readonly number[], options: { special: boolean }): Promise<string> {
    return this.#use((model) => model.detokenize(tokens, options), undefined, true);
  }

  /** Asks where the model is, and again where it went when that tab is gone. */
  async #use<T>(
    call: (model: AnsweringModel) => Promise<T>,
    signal?: AbortSignal,
    needsModel = false,
  ): Promise<T> {
    for (let again = false; ; again = true) {
      const place = await untilAborted(this.#arrival.promise, signal);
      try {
        if (again && needsModel) await untilAborted(place.model.need(), signal);
        return await call(place.model);
      } catch (error) {
        if (!place.lost || signal?.aborted === true) throw error;
      }
    }
  }

  #inLine(): TabInLine {
    return {
      lead: () => {
        void this.#lead();
      },
      deposed: () => {
        this.#lose();
        this.#options.endLocal();
        void this.#follow();
      },
      follow: () => {
        this.#lose();
        void this.#follow();
      },
      serve: (port, gone) => {
        const { local, journal } = this.#options;
        this.#guests.add(gone);
        gone.addEventListener('abort', () => {
          this.#guests.delete(gone);
        });
        // Not before the model of the tab before is being loaded: a guest would find none.
        void this.#arrival.promise.then(() => {
          serveTab(port, { model: local, journal, gone });
        });
      },
    };
  }

  /** Holds the model from now on: what the tab before had loaded is loaded here. */
  async #lead(): Promise<void> {
    const { value } = this.#state;
    const held = value.kind === 'ready' || value.kind === 'loading' ? value : null;
    const options = this.#loadOptions;
    this.#guests.clear();
    this.#lose();
    const { local } = this.#options;
    if (held === null || options === null) {
      this.#settle(this.#mirror(local));
      return;
    }
    try {
      await this.#loadAgain(held, options);
    } catch (thrown) {
      this.#settle(this.#mirror(local));
      this.#state.set({ kind: 'failed', id: held.id, name: held.name, error: toAppError(thrown) });
    }
  }

  /** @throws AppError for a model that has taken tabs down before */
  async #loadAgain({ id }: Held, options: RuntimeLoadOptions): Promise<void> {
    const { local, journal } = this.#options;
    // What took the tab before down must not take down one tab after the other.
    await journal.readCrash();
    if (journal.isFeared(id)) {
      throw new AppError(
        'engine/worker-died',
        'The model stopped unexpectedly, several times, probably for lack of memory. Your chats are safe. Choose a smaller model.',
        { details: { modelId: id } },
      );
    }
    const loaded = journal.during(id, 'loading', () => local.load(id, options));
    // The state tells of a load that fails.
    loaded.catch(() => undefined);
    this.#settle(this.#mirror(local));
  }

  /** Reaches the tab that holds the model; one that does not answer loses its place. */
  async #follow(): Promise<void> {
    const line = this.#line;
    const arrival = this.#arrival;
    if (line === null) return;
    const port = await line.join();
    // Meanwhile this tab leads, or another one does.
    if (arrival !== this.#arrival || this.#place !== null) {
      port?.close();
      return;
    }
    if (port === null) {
      line.takeOver();
      return;
    }
    const takeOver = (): void => {
      this.#lose();
      line.takeOver();
    };
    const remote = new RemoteModel(port, takeOver, this.#options.observer);
    await remote.watch().catch(takeOver);
    if (arrival !== this.#arrival || this.#place !== null) remote.end();
    else this.#settle(this.#mirror(remote, () => remote.end()));
  }

  /** Shows what a place has from now on. */
  #mirror(model: AnsweringModel, end: () => void = () => undefined): Place {
    const show = (): void => {
      this.#loadOptions = model.loadOptions ?? this.#loadOptions;
      this.#state.set(model.state.value);
      this.#busy.set(model.busy.value);
    };
    const stops = [model.state.subscribe(show), model.busy.subscribe(show)];
    show();
    const leave = (): void => {
      for (const stop of stops) stop();
      end();
    };
    return { model, lost: false, leave };
  }

  #settle(place: Place): void {
    this.#place = place;
    if (this.#plan !== null) place.model.applyPlan(this.#plan).catch(() => undefined);
    this.#arrival.resolve(place);
  }

  /** Leaves the place: whatever is asked waits for the next one. */
  #lose(): void {
    const place = this.#place;
    if (place === null) return;
    this.#place = null;
    this.#arrival = new Arrival();
    place.lost = true;
    const { value } = this.#state;
    place.leave();
    if (value.kind !== 'ready') return;
    const { id, name } = value;
    this.#state.set({ kind: 'loading', id, name, fraction: 0, repairBytes: 0 });
  }
}
