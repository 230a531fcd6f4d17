/**
 * Loads a model onto the backend that is best for it, and again onto another one when that fails.
 *
 * The owner of model and backend: `dispose` gives both back. What went wrong with the graphics card
 * never reaches the user as a failure as long as the processor can take over; it is told in `choice`.
 */
import { AppError, toAppError } from '../common/errors.ts';
import type { Backend } from './backend/backend.ts';
import {
  fasterPhases,
  measurementKey,
  measureSpeed,
  mostBytesTwice,
  type BackendChoice,
  type ChoiceReason,
  type ComputeKind,
  type GpuSummary,
  type Measurement,
  type PhaseChoice,
} from './backend-choice.ts';
import type { LanguageModel } from './models/language-model.ts';
import { HostedModel } from './models/hosted-model.ts';
import type { PrecisionChoice } from './weights/storage-policy.ts';

/** How backends are made on this device. */
export interface BackendFactory {
  /** @throws AppError `engine/backend-unavailable` and what else keeps it from starting */
  create(kind: ComputeKind): Promise<Backend>;
  /** The adapter the browser offers, null where there is none. */
  findGpu(): Promise<GpuSummary | null>;
}

/** A factory for places without graphics card. */
export function processorOnly(create: () => Promise<Backend>): BackendFactory {
  return { create, findGpu: () => Promise.resolve(null) };
}

export interface HostOptions {
  readonly factory: BackendFactory;
  readonly wanted: 'auto' | ComputeKind;
  readonly precision: PrecisionChoice;
  /** Loads the model into a backend; called again when a backend has to be replaced. */
  readonly load: (backend: Backend) => Promise<LanguageModel>;
  readonly known: readonly Measurement[];
  /** Told when the model moved to another device. */
  readonly onMoved: (choice: BackendChoice, cause: MoveCause) => void;
  readonly signal: AbortSignal;
}

/** `lost`: the graphics card failed. `planned`: the phase or the plan wants the other device. */
export type MoveCause = 'lost' | 'planned';

interface Held {
  readonly backend: Backend;
  readonly model: LanguageModel;
}

/** Failures of the graphics card that the processor does not share. */
const gpuFailures: ReadonlySet<string> = new Set([
  'engine/backend-unavailable',
  'engine/device-lost',
  'engine/out-of-memory',
  'not-supported',
]);

/** At this loss of a device the graphics card is given up. */
const lossesToGiveUp = 2;

export class ModelHost {
  readonly #options: HostOptions;
  #held: Held | null = null;
  /** Loaded beside the one in use, on the other kind of device. */
  #beside: Held | null = null;
  #model: HostedModel | null = null;
  #disposed = false;
  #choice: BackendChoice;

  private constructor(options: HostOptions) {
    this.#options = options;
    this.#choice = chosen('wasm', 'asked');
  }

  /** @throws what loading into the processor's backend throws */
  static async load(options: HostOptions): Promise<ModelHost> {
    const host = new ModelHost(options);
    try {
      await host.#choose();
      return host;
    } catch (error) {
      host.#drop();
      throw error;
    }
  }

  get model(): HostedModel {
    if (this.#model === null) throw new AppError('internal', 'No model is loaded.');
    return this.#model;
  }

  get backend(): Backend {
    if (this.#held === null) throw new AppError('internal', 'No model is loaded.');
    return this.#held.backend;
  }

  get choice(): BackendChoice {
    return this.#choice;
  }

  /** What computes. */
  get kind(): ComputeKind {
    return kindOf(this.#need());
  }

  /** Whether the model is loaded for this kind of device. */
  has(kind: ComputeKind): boolean {
    return [this.#held, this.#beside].some((held) => held !== null && kindOf(held) === kind);
  }

  /**
   * Loads the model for another kind of device beside the one in use, which goes on computing.
   * @throws AppError what making the backend and loading throw; nothing changes then
   */
  async loadBeside(kind: ComputeKind): Promise<void> {
    if (this.has(kind)) return;
    const held = await this.#create(kind);
    if (this.#disposed || this.has(kind)) release(held);
    else this.#beside = held;
  }

  /**
   * Computes on the other device from the next step on; conversations keep what they hold.
   * @param reason `asked`, or that of the choice when the model was loaded
   * @throws AppError `engine/out-of-memory`: the device does not change then
   */
  async use(kind: ComputeKind, reason: ChoiceReason): Promise<void> {
    if (this.kind === kind) return;
    const [before, next] = [this.#need(), this.#beside];
    if (next === null) throw new AppError('internal', 'The model is not loaded there.');
    await this.model.use(next.model);
    [this.#held, this.#beside] = [next, before];
    this.#choice = { ...this.#choice, kind, reason };
    this.#options.onMoved(this.#choice, 'planned');
  }

  /** Gives up what is loaded beside the device in use. */
  releaseBeside(): void {
    const held = this.#beside;
    if (held === null) return;
    this.#beside = null;
    this.#model?.forget(held.model);
    release(held);
  }

  dispose(): void {
    this.#disposed = true;
    this.releaseBeside();
    this.#model?.dispose();
    this.#model = null;
    this.#drop();
  }

  async #choose(): Promise<void> {
    const { wanted, factory } = this.#options;
    if (wanted === 'wasm') return this.#useProcessor(chosen('wasm', 'asked'));
    const gpu = await factory.findGpu();
    if (gpu === null) return this.#useProcessor(chosen('wasm', 'no-gpu'));
    const adapter = gpu.name;
    if (wanted === 'auto' && gpu.software) {
      return this.#useProcessor({ ...chosen('wasm', 'software-gpu'), adapter });
    }
    try {
      await this.#hold('webgpu');
      this.#choice = { ...chosen('webgpu', 'asked'), adapter };
      if (wanted === 'auto') await this.#measure(adapter);
    } catch (thrown) {
      const error = toAppError(thrown);
      if (!gpuFailures.has(error.code)) throw error;
      return this.#useProcessor({ ...refused(error), adapter });
    }
    this.#finish();
  }

  /** The graphics card holds the model; is the processor faster? */
  async #measure(adapter: string): Promise<void> {
    const { known, precision, signal } = this.#options;
    const gpu = this.#need();
    const key = measurementKey(adapter, gpu.model.info, precision);
    const bits = precision === 4 ? 4 : 8;
    let measurement = known.find((candidate) => candidate.key === key) ?? null;
    let phases = phasesOf(measurement, gpu);
    if (measurement === null) {
      const webgpu = await measureSpeed(gpu.model, bits, signal);
      this.#held = null;
      try {
        await this.#hold('wasm');
        const wasm = await measureSpeed(this.#need().model, bits, signal);
        measurement = { key, wasm, webgpu };
      } catch (error) {
        // The processor cannot hold the model: then there is no choice.
        if (toAppError(error).code !== 'engine/out-of-memory') {
          release(gpu);
          throw error;
        }
      }
      phases = phasesOf(measurement, gpu);
      this.#keep(phases, gpu, this.#held);
    } else if (phases.decode === 'wasm') {
      // What computes prompts then is loaded beside it when a plan is first followed.
      this.#drop();
      await this.#hold('wasm');
    }
    this.#choice = { ...chosen(phases.decode, 'measured'), phases, adapter, measurement };
  }

  /** Of the model on two devices what the phases need. */
  #keep({ prefill, decode }: PhaseChoice, gpu: Held, processor: Held | null): void {
    const [used, other] = decode === 'webgpu' ? [gpu, processor] : [processor, gpu];
    this.#held = used;
    if (prefill !== decode) this.#beside = other;
    else if (other !== null) release(other);
  }

  async #useProcessor(choice: BackendChoice): Promise<void> {
    this.#drop();
    await this.#hold('wasm');
    this.#choice = choice;
    this.#finish();
  }

  #finish(): void {
    this.#model = new HostedModel(this.#need().model, {
      canBeLost: (model) => {
        const held = this.#need();
        return held.model === model && kindOf(held) === 'webgpu';
      },
      reload: (losses, error) => this.#reload(losses, error),
    });
  }

  /** A new device, and from the second loss on, or where there is none, the processor. */
  async #reload(losses: number, error: AppError): Promise<LanguageModel> {
    this.#drop();
    if (this.#beside !== null) {
      [this.#held, this.#beside] = [this.#beside, null];
      return this.#giveUpGpu(error);
    }
    if (losses < lossesToGiveUp) {
      try {
        await this.#hold('webgpu');
        this.#options.onMoved(this.#choice, 'lost');
        return this.#need().model;
      } catch (thrown) {
        if (!gpuFailures.has(toAppError(thrown).code)) throw thrown;
      }
    }
    await this.#hold('wasm');
    return this.#giveUpGpu(error);
  }

  /** The processor computes from now on. */
  #giveUpGpu(error: AppError): LanguageModel {
    const { adapter, measurement } = this.#choice;
    const detail = String(error.details['reason'] ?? error.message);
    this.#choice = { ...chosen('wasm', 'device-lost'), adapter, measurement, detail };
    this.#options.onMoved(this.#choice, 'lost');
    return this.#need().model;
  }

  /** Makes a backend and loads the model into it. */
  async #hold(kind: ComputeKind): Promise<void> {
    this.#held = await this.#create(kind);
  }

  async #create(kind: ComputeKind): Promise<Held> {
    const backend = await this.#options.factory.create(kind);
    try {
      return { backend, model: await this.#options.load(backend) };
    } catch (error) {
      backend.dispose();
      throw error;
    }
  }

  #need(): Held {
    if (this.#held === null) throw new AppError('internal', 'No model is loaded.');
    return this.#held;
  }

  #drop(): void {
    if (this.#held !== null) release(this.#held);
    this.#held = null;
  }
}

function kindOf({ backend }: Held): ComputeKind {
  return backend.kind === 'webgpu' ? 'webgpu' : 'wasm';
}

/** Null: the processor cannot hold the model. */
function phasesOf(measurement: Measurement | null, { model, backend }: Held): PhaseChoice {
  if (measurement === null) return { prefill: 'webgpu', decode: 'webgpu' };
  const state = model.createState({ capacity: 1, kvType: 'f16' });
  // What cannot be cut cannot be copied from one device to the other.
  const { cuttable } = state;
  state.dispose();
  return fasterPhases(measurement, cuttable && backend.memory().totalBytes <= mostBytesTwice);
}

function release({ model, backend }: Held): void {
  model.dispose();
  backend.dispose();
}

function chosen(kind: ComputeKind, reason: BackendChoice['reason']): BackendChoice {
  const phases = { prefill: kind, decode: kind };
  return { kind, reason, phases, adapter: null, detail: null, measurement: null };
}

function refused(error: AppError): BackendChoice {
  return { ...chosen('wasm', 'gpu-refused'), detail: error.message };
}
