/** What changed in the plan, when, why and how that went: the newest of it, for as long as the page is open. */
import { ObservableValue, type Observable } from '../../common/observable.ts';
import type { ExecutionPlan } from '../../engine/execution-plan.ts';
import type { PolicyReason } from '../../policy/policy-types.ts';

export interface PlanChange {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly from: ExecutionPlan;
  readonly to: ExecutionPlan;
  /** Of the plan that it changed to. */
  readonly reasons: readonly PolicyReason[];
  /** Whether it came between two tokens of an answer. */
  readonly duringAnswer: boolean;
  readonly outcome: 'applied' | 'failed';
  /** From the decision until the engine had taken the plan over. */
  readonly milliseconds: number;
}

/** More than a day of changes, and still nothing for the memory. */
const MOST_CHANGES = 200;

export class PlanLog {
  readonly #changes = new ObservableValue<readonly PlanChange[]>([]);

  /** The newest first. */
  get changes(): Observable<readonly PlanChange[]> {
    return this.#changes;
  }

  add(change: PlanChange): void {
    this.#changes.update((changes) => [change, ...changes].slice(0, MOST_CHANGES));
  }
}
