/** `hermit.policy`: how models compute at the moment, why, and who decides it. */
import type { ExecutionPlan, ExecutionStatus } from '../../engine/execution-plan.ts';
import { policyModes, type PolicyMode, type PolicyReason } from '../../policy/policy-types.ts';
import type { SettingsService } from '../../ui/services.ts';
import type { AnsweringModel } from '../model-runtime.ts';
import type { PlanChange } from '../power/plan-log.ts';
import type { PolicyController } from '../power/policy-controller.ts';
import { invalidField } from './request-checks.ts';

export interface PolicyReport {
  readonly mode: PolicyMode;
  /** How the model computes from the next token on, or the next model that is loaded. */
  readonly plan: ExecutionPlan;
  /** Why it is not more than that, as codes with numbers; empty: nothing speaks against the full plan. */
  readonly reasons: readonly PolicyReason[];
  /** What changed since the page was opened, the newest first. */
  readonly changes: readonly PlanChange[];
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
   * Chooses who decides, as in the settings, and is remembered there. Takes effect with the next token.
   * @throws AppError `invalid-argument`
   */
  set(mode: PolicyMode): PolicyReport {
    if (!policyModes.includes(mode)) {
      throw invalidField('mode', '"saver", "balanced", "performance" or "manual"', mode);
    }
    this.#dependencies.settings.update({ powerMode: mode });
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
