/** `hermit.policy`: how models compute at the moment, why, and who decides it. */
import type { ExecutionPlan, ExecutionStatus } from '../../engine/execution-plan.ts';
import { policyModes, type PolicyMode, type PolicyReason } from '../../policy/policy-types.ts';
import type { SettingsService } from '../../ui/services.ts';
import type { AnsweringModel } from '../model-runtime.ts';
import type { PlanChange } from '../power/plan-log.ts';
import type { PolicyController } from '../power/policy-controller.ts';
import { invalidField, requireObject, requireWhole } from './request-checks.ts';

export interface PolicyReport {
  readonly mode: PolicyMode;
  /** How the model computes from the next token on, or the next model that is loaded. */
  readonly plan: ExecutionPlan;
  /** Why it is not more than that, as codes with numbers; empty: nothing speaks against the full plan. */
  readonly reasons: readonly PolicyReason[];
  /** What changed since the page was opened, the newest first. */
  readonly changes: readonly PlanChange[];
}

/** What is not named stays as it is. */
export interface PolicySettingsChoice {
  readonly mode?: PolicyMode;
  readonly precision?: 'auto' | 8 | 4;
  /** The most there may be; in manual mode how many there are. */
  readonly threads?: 'auto' | number;
  readonly backend?: 'auto' | 'wasm' | 'webgpu';
  /** Megabytes that models may take together; 0: what this device is thought to have. */
  readonly memoryLimit?: number;
}

export interface PolicyDependencies {
  readonly policy: Pick<PolicyController, 'mode' | 'plan' | 'reasons' | 'changes' | 'power'>;
  readonly settings: Pick<SettingsService, 'update'>;
  readonly runtime: Pick<AnsweringModel, 'execution'>;
}

export class HermitPolicy {
  readonly #dependencies: PolicyDependencies;

  constructor(dependencies: PolicyDependencies) {
    this.#dependencies = dependencies;
  }

  current(): PolicyReport {
    const { mode, plan, reasons, changes } = this.#dependencies.policy;
    return { mode, plan, reasons, changes: changes.value };
  }

  /**
   * Chooses who decides, and what, as in the settings, and is remembered there. Takes effect with the
   * next token; another backend takes over as soon as the model is loaded for it.
   * @throws AppError `invalid-argument`
   */
  set(choice: PolicyMode | PolicySettingsChoice): PolicyReport {
    const given: PolicySettingsChoice =
      typeof choice === 'string' ? { mode: choice } : requireObject(choice, 'choice');
    const { mode, precision, threads, backend, memoryLimit } = given;
    if (mode !== undefined && !policyModes.includes(mode)) {
      throw invalidField('mode', '"saver", "balanced", "performance" or "manual"', mode);
    }
    if (precision !== undefined && !['auto', 8, 4].includes(precision)) {
      throw invalidField('precision', '"auto", 8 or 4', precision);
    }
    const countable = typeof threads === 'number' && Number.isSafeInteger(threads) && threads >= 1;
    if (threads !== undefined && threads !== 'auto' && !countable) {
      throw invalidField('threads', '"auto" or a number from 1', threads);
    }
    if (backend !== undefined && !['auto', 'wasm', 'webgpu'].includes(backend)) {
      throw invalidField('backend', '"auto", "wasm" or "webgpu"', backend);
    }
    if (memoryLimit !== undefined) requireWhole(memoryLimit, 'memoryLimit', 0, 1_000_000);
    this.#dependencies.settings.update({
      ...(mode === undefined ? {} : { powerMode: mode }),
      ...(precision === undefined ? {} : { precision }),
      ...(threads === undefined ? {} : { threads }),
      ...(backend === undefined ? {} : { backend }),
      ...(memoryLimit === undefined ? {} : { memoryLimit }),
    });
    return this.current();
  }

  /** Calls `listener` whenever mode, plan or reasons change, until the returned function is called. */
  onChange(listener: (report: PolicyReport) => void): () => void {
    const keyOf = ({ mode, plan, reasons }: PolicyReport): string =>
      JSON.stringify([mode, plan, reasons]);
    let before = keyOf(this.current());
    return this.#dependencies.policy.power.subscribe(() => {
      const report = this.current();
      const now = keyOf(report);
      if (now === before) return;
      before = now;
      listener(report);
    });
  }

  /** What the engine says it does, with its own counters; null while no model is loaded. */
  execution(): Promise<ExecutionStatus | null> {
    return this.#dependencies.runtime.execution();
  }
}
