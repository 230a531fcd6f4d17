/**
 * The numbers of the policy. All of them are shown in the settings; those that a person may want to
 * differ can be changed there.
 */
export interface PolicyRules {
  /** While discharging below this share of the battery, 4 bits are read; above `batteryRecovered` 8 again. */
  readonly batteryLow: number;
  readonly batteryRecovered: number;
  /** The same two where the browser was asked to save data. */
  readonly savingBatteryLow: number;
  readonly savingBatteryRecovered: number;
  /** Pressure must be nominal for this long before a reduction ends: heat goes slowly. */
  readonly calmMs: number;
  /** A part of the plan that changed one way does not change back sooner than this. */
  readonly dwellMs: number;
  /** Between two tokens under critical pressure at most: about as long as one takes. */
  readonly pauseMs: number;
  /** Prompt tokens of a step, and milliseconds of a submission to the graphics card, under strain. */
  readonly strainedBatch: number;
  readonly strainedSubmitMs: number;
  /** Speed of the graphics card, relative to the processor's, from which it takes over from a processor under critical pressure. */
  readonly leastGpuSpeed: number;
  /** Pressure that comes up so soon after our own work began is that work. */
  readonly ownLoadMs: number;
  /** Speeds, relative to what was usual, that stand for serious and critical pressure where no browser tells it. */
  readonly slowSerious: number;
  readonly slowCritical: number;
  /** Below this share of the budget the low planes come back. */
  readonly memoryRecovered: number;
  /** Fewer positions than this make no conversation: then the model is refused. */
  readonly leastContext: number;
}

export const defaultRules: PolicyRules = {
  batteryLow: 0.2,
  batteryRecovered: 0.25,
  savingBatteryLow: 0.5,
  savingBatteryRecovered: 0.55,
  calmMs: 30_000,
  dwellMs: 5_000,
  pauseMs: 100,
  strainedBatch: 32,
  strainedSubmitMs: 30,
  leastGpuSpeed: 0.5,
  ownLoadMs: 5_000,
  slowSerious: 0.6,
  slowCritical: 0.35,
  memoryRecovered: 0.9,
  leastContext: 512,
};
