/**
 * Makes models: smaller ones out of installed ones, and GGUF files out of folders of safetensors. A worker of its own
 * reads and turns what it reads into another type, the store worker stores what comes. One model at a time, because each fills a core.
 *
 * What is being made shows as a job until it is complete; then it is a model like any other.
 */
import { MEBIBYTE } from '../common/bytes.ts';
import { AppError, toAppError } from '../common/errors.ts';
import { ObservableValue, type Observable } from '../common/observable.ts';
import type { LibraryEntry } from '../download/library-entry.ts';
import type { MadeModel } from '../download/model-request.ts';
import type { RecipeEstimate } from '../engine/quantise/estimate.ts';
import type { QuantiseReport } from '../engine/quantise/quantise-model.ts';
import type { QuantisePhase } from '../engine/quantise/quantise-job.ts';
import { recipeLabel, type Recipe } from '../engine/quantise/recipe.ts';
import type {
  EstimateEvent,
  FolderFile,
  ModelReference,
  QuantiseApi,
  QuantiseCalibration,
  QuantiseEvent,
  StoreApi,
} from '../rpc/contracts.ts';
import { consumeStream } from '../rpc/stream-channel.ts';
import { transfer } from '../rpc/transfer.ts';
import { WorkerOwner } from '../rpc/worker-owner.ts';
import type { HeaderSandbox } from './header-sandbox.ts';
import type { FolderSource } from './model-folders.ts';
import { TimeLeft } from './time-left.ts';
import { Turns } from './turns.ts';
import { untilReady } from './until-ready.ts';

export interface ModelMakerOptions {
  readonly store: WorkerOwner<StoreApi>;
  readonly createWorker: () => Worker;
  readonly refer: (modelId: string) => Promise<ModelReference>;
  readonly readHeader: (model: ModelReference, header: MessagePort) => Promise<void>;
  /** Has the sandbox read a folder and post on the port how to convert it. */
  readonly planConversion: HeaderSandbox['planConversion'];
  /** The text to measure on when the person has none. */
  readonly calibrationText: () => Promise<string>;
  /** Memory a model may use in all, in bytes. */
  readonly budgetBytes: number;
  /** What is installed, for names and licences. */
  readonly entries: () => Observable<readonly LibraryEntry[]>;
}

export interface MakingState {
  readonly from: string;
  /** Null where a folder is converted as it is. */
  readonly recipe: string | null;
  readonly phase: QuantisePhase;
  /** Of the phase, 0 to 1. */
  readonly fraction: number;
  readonly secondsLeft: number | null;
  /** The model in the list, once its bytes come. */
  readonly modelId: string | null;
}

export interface MadeResult {
  readonly id: string;
  readonly report: QuantiseReport;
}

export type CalibrationChoice = boolean | string | Blob;

export interface MakeOptions {
  readonly recipe: Recipe;
  /**
   * Whether, and on what, the importance of weights is measured first: `true` on a text of Hermit's,
   * else on this text, or a file with a text or with importances (llama-imatrix). It needs the memory
   * that using the model needs.
   */
  readonly calibration?: CalibrationChoice | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((state: MakingState) => void) | undefined;
}

export interface ConvertOptions extends Pick<MakeOptions, 'signal' | 'onProgress'> {
  /** Null: every tensor keeps its type. */
  readonly recipe: Recipe | null;
}

/** What is made, and how its worker is asked for it. */
interface Making extends Pick<MakeOptions, 'signal' | 'onProgress'> {
  readonly made: Omit<MadeModel, 'sizeBytes'>;
  readonly recipe: string | null;
  readonly firstPhase: QuantisePhase;
  readonly ask: (remote: QuantiseCalls, bytes: MessagePort, events: MessagePort) => Promise<void>;
}

type QuantiseCalls = Parameters<Parameters<WorkerOwner<QuantiseApi>['use']>[0]>[0];

/** Silence after which the worker counts as hung: it answers between pieces of 2 MiB. */
const SILENCE_LIMIT_MS = 60_000;

export class ModelMaker {
  readonly #options: ModelMakerOptions;
  readonly #job = new ObservableValue<MakingState | null>(null);
  readonly #turns = new Turns();

  constructor(options: ModelMakerOptions) {
    this.#options = options;
  }

  /** What is being made now. */
  get job(): Observable<MakingState | null> {
    return this.#job;
  }

  /**
   * What each recipe that makes the model smaller would give, from large to small.
   * @throws AppError `store/*`, `model-file/*`, `aborted`, `engine/worker-died`
   */
  estimate(
    id: string,
    signal?: AbortSignal,
    onProgress: (fraction: number) => void = () => undefined,
  ): Promise<readonly RecipeEstimate[]> {
    return this.#withWorker(id, async (worker, model, header) => {
      const events = consumeStream<EstimateEvent>(signal);
      const call = worker.use((remote) =>
        remote.estimate(
          transferred(model, model),
          transfer(header, [header]),
          transfer(events.producerPort, [events.producerPort]),
        ),
      );
      call.catch((error: unknown) => {
        events.fail(toAppError(error));
      });
      for await (const event of events) {
        if (event.kind === 'done') return event.recipes;
        onProgress(event.fraction);
      }
      throw ended();
    });
  }

  /**
   * Makes a smaller model and resolves when it is stored and verified. Waits until what is being
   * made before is done. Stopping by the signal leaves nothing behind.
   * @throws AppError `store/*`, `model-file/*`, `invalid-argument`, `aborted`, `engine/worker-died`
   */
  make(id: string, options: MakeOptions): Promise<MadeResult> {
    return this.#turns.run(async () => {
      try {
        return await this.#withWorker(id, (worker, model, header) =>
          this.#make(this.#entry(id), options, worker, model, header),
        );
      } finally {
        this.#job.set(null);
      }
    }, options.signal);
  }

  /**
   * Makes a model of a folder: config.json, tokenizer.json and safetensors. Its files are read in the
   * sandbox, which says what to do; the weights are read a second time by who does it. Else as `make`.
   * @throws AppError also `invalid-argument` where a file is missing, `download/*`
   */
  convert(folder: FolderSource, options: ConvertOptions): Promise<MadeResult> {
    return this.#turns.run(async () => {
      const { recipe, signal } = options;
      const { name, licence } = folder;
      const label = recipe === null ? null : recipeLabel(recipe);
      const plan = new MessageChannel();
      const worker = this.#worker();
      try {
        const read = await folder.open();
        await this.#options.planConversion(name, read, plan.port1, signal);
        const files = await folder.open((path) => path.endsWith('.safetensors'));
        return await this.#store(worker, {
          ...options,
          recipe: label,
          firstPhase: recipe === null ? 'writing' : 'measuring',
          made: {
            name: label === null ? name : `${name} ${label}`,
            fileName: `${[name, ...(label === null ? [] : [label])].join('-').replaceAll(' ', '-')}.gguf`,
            licence,
            from: name,
            recipe: label ?? 'GGUF',
          },
          ask: (remote, bytes, events) =>
            remote.convert(
              transfer({ files, recipe }, portsOf(files)),
              transfer(plan.port2, [plan.port2]),
              bytes,
              events,
            ),
        });
      } finally {
        worker.terminate();
        this.#job.set(null);
      }
    }, options.signal);
  }

  async #make(
    source: LibraryEntry,
    { recipe, signal, onProgress, calibration: choice }: MakeOptions,
    worker: WorkerOwner<QuantiseApi>,
    model: ModelReference,
    header: MessagePort,
  ): Promise<MadeResult> {
    const calibration = await this.#calibration(choice);
    return this.#store(worker, {
      ...{ signal, onProgress },
      made: describe(source, recipe),
      recipe: recipeLabel(recipe),
      firstPhase: calibration === null ? 'measuring' : 'calibrating',
      ask: (remote, bytes, events) =>
        remote.quantise(
          transferred({ model, recipe, calibration }, model),
          transfer(header, [header]),
          bytes,
          events,
        ),
    });
  }

  /** Stores what a worker makes, as it comes. */
  async #store(
    worker: WorkerOwner<QuantiseApi>,
    { made, recipe, firstPhase, signal, onProgress, ask }: Making,
  ): Promise<MadeResult> {
    const time = new TimeLeft(() => performance.now());
    let state: MakingState = {
      from: made.from,
      recipe,
      phase: firstPhase,
      fraction: 0,
      secondsLeft: null,
      modelId: null,
    };
    const show = (change: Partial<MakingState>): void => {
      state = { ...state, ...change };
      this.#job.set(state);
      onProgress?.(state);
    };
    show({});
    const bytes = new MessageChannel();
    const events = consumeStream<QuantiseEvent>(signal);
    const call = worker.use((remote) =>
      ask(
        remote,
        transfer(bytes.port1, [bytes.port1]),
        transfer(events.producerPort, [events.producerPort]),
      ),
    );
    call.catch((error: unknown) => {
      events.fail(toAppError(error));
    });
    let stored: Promise<string> | null = null;
    let report: QuantiseReport | null = null;
    try {
      for await (const event of events) {
        switch (event.kind) {
          case 'progress': {
            const { phase, fraction } = event;
            show({ phase, fraction, secondsLeft: time.after(phase, fraction) });
            break;
          }
          case 'planned': {
            const { sizeBytes } = event;
            stored = this.#options.store.use((store) =>
              store.addMade({ ...made, sizeBytes }, transfer(bytes.port2, [bytes.port2])),
            );
            show({ modelId: await stored });
            break;
          }
          case 'done':
            report = event.report;
        }
      }
      if (stored === null || report === null) throw ended();
      const id = await stored;
      // The last block is stored and the whole is hashed after the last byte was given away.
      await untilReady({ store: this.#options.store, entries: this.#options.entries(), id });
      return { id, report };
    } catch (error) {
      // The store drops what was not finished; a maker that died cannot tell it.
      await stored
        ?.then((id) => this.#options.store.use((store) => store.cancel(id)))
        .catch(() => undefined);
      throw error;
    }
  }

  async #calibration(choice: CalibrationChoice = false): Promise<QuantiseCalibration | null> {
    const { budgetBytes, calibrationText } = this.#options;
    if (choice === false) return null;
    if (choice === true) {
      return { name: 'built-in text', from: await calibrationText(), budgetBytes };
    }
    const name = typeof choice !== 'string' && 'name' in choice ? String(choice.name) : 'own text';
    return { name, from: await contentOf(choice, name), budgetBytes };
  }

  #entry(id: string): LibraryEntry {
    const entry = this.#options.entries().value.find((candidate) => candidate.id === id);
    if (entry?.state.kind === 'ready') return entry;
    throw entry === undefined
      ? new AppError('store/not-found', `No model with the id "${id}" is installed.`, {
          details: { id },
        })
      : new AppError('store/not-ready', `The model "${entry.name}" cannot be used yet.`, {
          details: { id },
        });
  }

  #worker(): WorkerOwner<QuantiseApi> {
    return new WorkerOwner<QuantiseApi>({
      name: 'quantiser',
      create: this.#options.createWorker,
      silenceLimitMs: SILENCE_LIMIT_MS,
    });
  }

  /** A worker for one model, with its header on the way to it; ended whatever happens. */
  async #withWorker<T>(
    id: string,
    work: (
      worker: WorkerOwner<QuantiseApi>,
      model: ModelReference,
      header: MessagePort,
    ) => Promise<T>,
  ): Promise<T> {
    this.#entry(id);
    const header = new MessageChannel();
    await this.#options.readHeader(await this.#options.refer(id), header.port1);
    const worker = this.#worker();
    try {
      return await work(worker, await this.#options.refer(id), header.port2);
    } finally {
      worker.terminate();
    }
  }
}

/** What the new model is called: "Name Q4_K_M", from "name-F16.gguf" to "name-Q4_K_M.gguf". */
function describe(source: LibraryEntry, recipe: Recipe): Omit<MadeModel, 'sizeBytes'> {
  const label = recipeLabel(recipe);
  const withoutType = (text: string): string => {
    const plain = text.replace(/\.gguf$/iu, '').replace(typeSuffix, '');
    return plain === '' ? text : plain;
  };
  return {
    name: `${withoutType(source.name)} ${label}`,
    fileName: `${withoutType(source.fileName)}-${label.replaceAll(' ', '-')}.gguf`,
    licence: source.licence,
    from: source.name,
    recipe: label,
  };
}

function portsOf(files: readonly FolderFile[]): MessagePort[] {
  return files.flatMap((file) => (file.kind === 'remote' ? [file.port] : []));
}

/** The names of types that files of models end with. */
const typeSuffix = /[-._ ](f32|f16|fp16|bf16|i?q\d\w*|tq\d\w*|mxfp4)$/iu;

/** Importance files of the largest models have 20 MB; texts that long would take days. */
const largestCalibrationBytes = 256 * MEBIBYTE;

async function contentOf(choice: string | Blob, name: string): Promise<string | Uint8Array> {
  if (typeof choice === 'string') return choice;
  if (choice.size <= largestCalibrationBytes) return new Uint8Array(await choice.arrayBuffer());
  throw new AppError(
    'invalid-argument',
    `"${name}" is too large to be a text or an importance file.`,
    { details: { sizeBytes: choice.size, largestBytes: largestCalibrationBytes } },
  );
}

function ended(): AppError {
  return new AppError('internal', 'The model was not made: its worker ended too early.');
}

function transferred<T>(value: T, model: ModelReference): T {
  return model.kind === 'port' ? transfer(value, [model.port]) : value;
}
