/**
 * Where the policy meets the device: gathers what is known, has it decided, hands the plan to the
 * model, and keeps what changed and why.
 *
 * Decides again when a signal, a setting or the model changes, and when the policy asked to be woken.
 * Plans are applied one after the other; of those decided meanwhile only the newest.
 */
import { AppError, toAppError } from '../../common/errors.ts';
import { ObservableValue, type Observable } from '../../common/observable.ts';
import type { EngineEvent, LoadedModel } from '../../engine/engine.ts';
import type { ExecutionPlan } from '../../engine/execution-plan.ts';
import type { StepProfile } from '../../engine/step-profile.ts';
import type { DeviceSignals } from '../../platform/signals/device-signals.ts';
import { known, missing, type Signal } from '../../platform/signals/signal.ts';
import { workerSource } from '../../platform/signals/worker-memory.ts';
import { decide, fullPlan, initialState } from '../../policy/decide.ts';
import type {
  Decision,
  ModelProfile,
  PolicyReason,
  PolicySignals,
  PolicyState,
} from '../../policy/policy-types.ts';
import { PowerMeter } from '../../policy/power-meter.ts';
import { noLoad, type OwnLoad } from '../../policy/own-load.ts';
import { SpeedTracker } from '../../policy/speed-tracker.ts';
import type { PowerMode, PowerService, PowerView, Settings } from '../../ui/services.ts';
import type { AnsweringModel } from '../model-runtime.ts';
import { profileOf } from './model-profile.ts';
import { PlanLog, type PlanChange } from './plan-log.ts';
import { PolicyChoice, type AskedFor } from './policy-settings.ts';

/** Time and timers, so that a test need not wait. */
export interface PolicyClock {
  /** Milliseconds that never go back. */
  now(): number;
  /** Calls back once, unless the returned function is called before. */
  after(milliseconds: number, run: () => void): () => void;
}

export const browserClock: PolicyClock = {
  now: () => performance.now(),
  after: (milliseconds, run) => {
    const timer = setTimeout(run, milliseconds);
    return () => {
      clearTimeout(timer);
    };
  },
};

export interface PolicyControllerOptions {
  readonly device: Observable<DeviceSignals>;
  readonly runtime: Pick<
    AnsweringModel,
    'state' | 'busy' | 'applyPlan' | 'execution' | 'loadOptions' | 'profile'
  >;
  readonly settings: Observable<Settings>;
  readonly budgetBytes: () => number;
  /** Memory of models beside the one that answers. */
  readonly besideBytes: () => number;
  /** What the browser counts of our workers; absent where it is not to be asked. */
  readonly measureWorkers?: () => Promise<Signal<number>>;
  /** Threads that compute when nothing holds them back. */
  readonly fullThreads: number;
  readonly cores: number;
  /** Assumed of the battery, whose capacity no browser tells. */
  readonly wattHours: number;
  readonly clock?: PolicyClock;
}

const modelSource = 'memory of loaded models';

/** A policy's timer never waits longer: time may have stood still while the device slept. */
const LONGEST_SLEEP_MS = 60_000;

export class PolicyController implements Omit<PowerService, 'speedsFile'> {
  readonly #options: PolicyControllerOptions;
  readonly #clock: PolicyClock;
  readonly #choice = new PolicyChoice();
  readonly #log = new PlanLog();
  readonly #speed = new SpeedTracker();
  readonly #meter: PowerMeter;
  readonly #power: ObservableValue<PowerView>;
  #speedSignal: PolicySignals['speed'] = missing('tokens per second', 'waiting');
  #state: PolicyState = initialState;
  #decision: Decision;
  #profile: ModelProfile | null = null;
  #model: LoadedModel | null = null;
  #asked: AskedFor;
  /** What the engine was told last. */
  #applied: ExecutionPlan = fullPlan;
  #applying = false;
  #stopWaiting: () => void = () => undefined;
  #position = 0;
  #lastTokenAt: number | null = null;
  #lastLoad: OwnLoad = noLoad;
  /** Of workers beyond what their models took when they were loaded. */
  #overhead: Signal<number> = missing(workerSource, 'waiting');
  #measuring = false;

  constructor(options: PolicyControllerOptions) {
    this.#options = options;
    this.#clock = options.clock ?? browserClock;
    this.#meter = new PowerMeter(options.wattHours);
    const { settings, device, runtime } = options;
    const { precision, threads } = settings.value;
    this.#asked = { precision, threads };
    this.#decision = this.#decideNow();
    this.#power = new ObservableValue(this.#view());
    let chosen = settings.value;
    settings.subscribe((now) => {
      if (now.precision !== chosen.precision || now.threads !== chosen.threads) {
        this.#asked = { precision: now.precision, threads: now.threads };
      }
      chosen = now;
      this.refresh();
    });
    device.subscribe(({ battery }) => {
      if (battery.kind === 'known') this.#meter.battery(battery.value, this.#clock.now());
      this.refresh();
    });
    runtime.state.subscribe(() => {
      this.#onModel();
    });
    runtime.busy.subscribe((busy) => {
      this.#meter.working(busy, this.#clock.now());
      void this.#measureWorkers();
      this.refresh();
    });
    this.#onModel();
  }

  get power(): Observable<PowerView> {
    return this.#power;
  }

  get changes(): Observable<readonly PlanChange[]> {
    return this.#log.changes;
  }

  profile(): Promise<StepProfile> {
    return this.#options.runtime.profile();
  }

  get mode(): PowerMode {
    return this.#options.settings.value.powerMode;
  }

  get plan(): ExecutionPlan {
    return this.#decision.plan;
  }

  get reasons(): readonly PolicyReason[] {
    return this.#decision.reasons;
  }

  /** Mean power of this device while a model computes, estimated; null while that is not known. */
  get watts(): number | null {
    return this.#meter.watts;
  }

  /** Whether nothing holds back how fast the model computes. */
  get atFullPace(): boolean {
    const { threads, pauseMs } = this.#applied;
    return threads === 'auto' && pauseMs === 0;
  }

  /** Everything that is known of the device, as it is decided by. */
  get signals(): PolicySignals {
    return {
      ...this.#options.device.value,
      memory: this.#memory(),
      speed: this.#speedSignal,
    };
  }

  /** Why the words that are written now are less exact than they could be; null where they are not. */
  get reduction(): 'saved-battery' | 'saved-memory' | 'saved-mode' | null {
    const codes = new Set(this.reasons.map(({ code }) => code));
    if (this.#applied.precision === 8 || codes.has('one-precision')) return null;
    if (codes.has('memory') || codes.has('loaded-in-4')) return 'saved-memory';
    if (codes.has('chosen-precision')) return null;
    return codes.has('battery-low')
      ? 'saved-battery'
      : codes.has('mode-saver')
        ? 'saved-mode'
        : null;
  }

  /** @throws AppError `engine/out-of-memory` where memory is too short for any conversation */
  requireMemory(): void {
    for (const reason of this.reasons) {
      if (reason.code !== 'memory-refused') continue;
      const { neededBytes, budgetBytes } = reason;
      throw new AppError(
        'engine/out-of-memory',
        `The loaded models need ${neededBytes} bytes of memory and may have ${budgetBytes}. Unload one, or choose a smaller model.`,
        { details: { neededBytes, budgetBytes } },
      );
    }
  }

  /** Decides again: something may have changed that does not tell by itself. */
  refresh(): void {
    this.#decision = this.#decideNow();
    this.#show();
    this.#stopWaiting();
    const { wakeInMs } = this.#decision;
    if (wakeInMs !== null) {
      this.#stopWaiting = this.#clock.after(Math.min(wakeInMs, LONGEST_SLEEP_MS), () => {
        this.refresh();
      });
    }
    void this.#apply();
  }

  /** Is told what the model writes: how fast it does stands in for heat where no browser tells it. */
  note(event: EngineEvent): void {
    const now = this.#clock.now();
    const { page } = this.#options.device.value;
    const seen = page.kind === 'missing' || page.value === 'visible';
    if (event.type !== 'token' || !seen) {
      if (event.type === 'prefill') this.#position = event.total;
      this.#lastTokenAt = null;
      return;
    }
    this.#position++;
    if (this.#lastTokenAt !== null) {
      const { precision, threads, pauseMs } = this.#applied;
      const milliseconds = Math.max(0, now - this.#lastTokenAt - pauseMs);
      this.#speed.record(`${precision} ${threads} ${pauseMs}`, this.#position, milliseconds);
      this.#tellSpeed();
    }
    this.#lastTokenAt = now;
  }

  /** In steps of 5 %: less is noise, and each step is a decision. */
  #tellSpeed(): void {
    const { ratio } = this.#speed;
    if (ratio === null) return;
    const rounded = Math.round(ratio * 20) / 20;
    if (this.#speedSignal.kind === 'known' && this.#speedSignal.value === rounded) return;
    this.#speedSignal = known(rounded, 'tokens per second', 'measured');
    this.refresh();
  }

  #forgetSpeed(): void {
    this.#speedSignal = missing('tokens per second', 'waiting');
    this.#lastTokenAt = null;
  }

  #onModel(): void {
    const { state, loadOptions } = this.#options.runtime;
    const model = state.value.kind === 'ready' ? state.value.model : null;
    if (model !== this.#model) {
      this.#model = model;
      this.#profile =
        model === null
          ? null
          : profileOf(model, this.#fullThreads(), null, loadOptions?.reducedTo4);
      if (model !== null) {
        const { settings } = this.#options;
        const { precision, threads } = loadOptions ?? settings.value;
        const reduced = loadOptions?.reducedTo4 === true;
        this.#asked = {
          precision: reduced ? settings.value.precision : precision,
          threads: threads ?? settings.value.threads,
        };
        this.#overhead = missing(workerSource, 'waiting');
        this.#speed.forget();
        this.#forgetSpeed();
        void this.#measure(model);
      }
    }
    this.refresh();
  }

  /** Of the device, or as many of them as compute the model: a small one that is not shared has one. */
  #fullThreads(): number {
    return Math.min(this.#options.fullThreads, this.#model?.mostThreads ?? Infinity);
  }

  /** What we do ourselves; the same object as long as it is the same. */
  #load(): OwnLoad {
    const { runtime, cores } = this.#options;
    const fullThreads = this.#fullThreads();
    const working = runtime.busy.value;
    const { threads: planned } = this.#applied;
    const most = planned === 'auto' ? fullThreads : Math.min(planned, fullThreads);
    const threads = this.#model?.choice.kind === 'webgpu' ? 0 : most;
    const before = this.#lastLoad;
    if (working === before.working && threads === before.threads) return before;
    const since = this.#clock.now();
    const grew = working && (!before.working || threads > before.threads);
    this.#lastLoad = { working, threads, cores, since, grewAt: grew ? since : before.grewAt };
    return this.#lastLoad;
  }

  /** What the engine counts for a token takes the place of what was estimated. */
  async #measure(model: LoadedModel): Promise<void> {
    const { runtime } = this.#options;
    // Where the engine was lost meanwhile, the next model is measured.
    const status = await runtime.execution().catch(() => null);
    if (status === null || this.#model !== model) return;
    const reduced = runtime.loadOptions?.reducedTo4;
    this.#profile = profileOf(model, this.#fullThreads(), status.weightBytesOfToken, reduced);
    this.refresh();
  }

  /**
   * What our workers hold beyond their models: buffers, messages, what another part of Hermit does. Asked
   * when answers begin and end; the browser answers after its next garbage collection.
   */
  async #measureWorkers(): Promise<void> {
    const { measureWorkers, besideBytes } = this.#options;
    const model = this.#model;
    if (measureWorkers === undefined || model === null || this.#measuring) return;
    this.#measuring = true;
    const signal = await measureWorkers();
    this.#measuring = false;
    // Of another model than the one there is now it says nothing.
    if (this.#model !== model) return;
    const loaded = model.memoryBytes + besideBytes();
    this.#overhead =
      signal.kind === 'known' ? { ...signal, value: Math.max(0, signal.value - loaded) } : signal;
    this.refresh();
  }

  /** What was planned when models were loaded is known at once; what the workers hold more, later. */
  #memory(): PolicySignals['memory'] {
    if (this.#model === null) return missing(modelSource, 'waiting');
    const { besideBytes } = this.#options;
    const budgetBytes = this.#options.budgetBytes();
    const loaded = this.#model.memoryBytes + besideBytes();
    const overhead = this.#overhead;
    if (overhead.kind === 'missing') {
      return known({ neededBytes: loaded, budgetBytes }, modelSource, 'measured');
    }
    const neededBytes = loaded + overhead.value;
    const source = `${modelSource}, ${workerSource}`;
    return known({ neededBytes, budgetBytes }, source, 'measured', overhead.at);
  }

  #decideNow(): Decision {
    const decision = decide(
      {
        signals: this.signals,
        profile: this.#profile,
        settings: this.#choice.of(this.#options.settings.value, this.#asked),
        load: this.#load(),
        now: this.#clock.now(),
      },
      this.#state,
    );
    this.#state = decision.state;
    return decision;
  }

  async #apply(): Promise<void> {
    if (this.#applying) return;
    this.#applying = true;
    try {
      while (this.#decision.plan !== this.#applied) await this.#applyNow(this.#decision);
    } finally {
      this.#applying = false;
    }
  }

  /** Without a model the plan waits for one: the runtime gives it to those loaded later. */
  async #applyNow({ plan, reasons }: Decision): Promise<void> {
    const { runtime } = this.#options;
    const from = this.#applied;
    const loaded = runtime.state.value.kind === 'ready';
    const duringAnswer = runtime.busy.value;
    const began = this.#clock.now();
    this.#applied = plan;
    let outcome: PlanChange['outcome'] = 'applied';
    try {
      await runtime.applyPlan(plan);
    } catch (thrown) {
      // The engine was lost: the runtime tells of that, and gives the plan to the next one.
      outcome = toAppError(thrown).code === 'engine/worker-died' ? 'applied' : 'failed';
    }
    this.#speed.restart();
    this.#forgetSpeed();
    if (loaded) {
      const milliseconds = this.#clock.now() - began;
      const at = Date.now();
      this.#log.add({ at, from, to: plan, reasons, duringAnswer, outcome, milliseconds });
    }
  }

  #show(): void {
    this.#power.set(this.#view());
  }

  #view(): PowerView {
    const { plan, reasons } = this.#decision;
    const profile = this.#profile;
    return {
      mode: this.mode,
      plan,
      reasons,
      signals: this.signals,
      fullThreads: this.#fullThreads(),
      ownPressure: this.#state.attribution.own,
      onePrecision:
        profile !== null && !profile.reducedTo4 && profile.tokenBytes[4] >= profile.tokenBytes[8],
    };
  }
}
