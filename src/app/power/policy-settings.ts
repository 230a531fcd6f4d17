/** The part of the settings that the policy decides by. */
import type { PolicySettings } from '../../policy/policy-types.ts';
import { defaultRules } from '../../policy/rules.ts';
import type { Settings } from '../../ui/services.ts';

/** Between the two limits of the battery there is always some room, or precision would flicker. */
const LEAST_GAP_PERCENT = 2;

export interface AskedFor {
  readonly precision: PolicySettings['precision'];
  readonly threads: PolicySettings['threads'];
}

/**
 * Makes the policy's settings and gives the same object for the same choice, because another object
 * means to the policy that the person chose anew.
 */
export class PolicyChoice {
  #key = '';
  #settings: PolicySettings | null = null;

  of(settings: Settings, { precision, threads }: AskedFor): PolicySettings {
    const { powerMode: mode, backend, batteryLow, calmSeconds, memoryLimit } = settings;
    const recovered = Math.max(settings.batteryRecovered, batteryLow + LEAST_GAP_PERCENT);
    const key = JSON.stringify([
      mode,
      precision,
      threads,
      backend,
      batteryLow,
      recovered,
      calmSeconds,
      memoryLimit,
    ]);
    if (this.#settings === null || this.#key !== key) {
      this.#key = key;
      const { savingBatteryLow, savingBatteryRecovered } = defaultRules;
      this.#settings = {
        mode,
        precision,
        threads,
        backend,
        rules: {
          ...defaultRules,
          batteryLow: batteryLow / 100,
          batteryRecovered: recovered / 100,
          savingBatteryLow: Math.max(savingBatteryLow, batteryLow / 100),
          savingBatteryRecovered: Math.max(savingBatteryRecovered, recovered / 100),
          calmMs: calmSeconds * 1000,
        },
      };
    }
    return this.#settings;
  }
}
