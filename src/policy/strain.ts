/**
 * How strained the device is, with a memory: strain is believed at once and its end only after a
 * time of calm, because a processor that cools for a second heats up again in the next.
 */

/** 0: none. 1: serious. 2: critical. */
export type StrainLevel = 0 | 1 | 2;

/** `lingering`: neither calm nor strained (pressure "fair"), so a strain that was there goes on. */
export type Observed = StrainLevel | 'lingering';

export interface Strain {
  readonly level: StrainLevel;
  /** What was observed at the last decision, and held until the next. */
  readonly observed: Observed;
  readonly seriousUntil: number;
  readonly criticalUntil: number;
  /** Calm asked for at the moment; longer each time that a guessed strain comes back. */
  readonly calmMs: number;
  readonly endedAt: number;
}

export const noStrain: Strain = {
  level: 0,
  observed: 0,
  seriousUntil: -Infinity,
  criticalUntil: -Infinity,
  calmMs: 0,
  endedAt: -Infinity,
};

/** A strain that comes back within so many times of calm was not over. */
const RELAPSE = 4;
const LONGEST_CALM = 16;

/**
 * @param guessed whether it is a guess from our own speed, which says nothing while we hold back: the
 * way back is a trial then, and is tried more seldom each time it fails
 */
export function nextStrain(
  before: Strain,
  observed: Observed,
  now: number,
  calmMs: number,
  guessed = false,
): Strain {
  const rises = before.level === 0 && observed !== 'lingering' && observed > 0;
  const relapsed = guessed && now - before.endedAt < RELAPSE * before.calmMs;
  const longer = Math.min(2 * before.calmMs, LONGEST_CALM * calmMs);
  const calm = rises ? (relapsed ? longer : calmMs) : before.calmMs;
  let { seriousUntil, criticalUntil } = before;
  let { level } = before;
  for (const seen of [before.observed, observed]) {
    if (seen === 2) criticalUntil = now + calm;
    const lasts = seen === 'lingering' ? level > 0 : seen > 0;
    if (lasts) seriousUntil = now + calm;
    level = now < criticalUntil ? 2 : now < seriousUntil ? 1 : 0;
  }
  const endedAt = before.level > 0 && level === 0 ? now : before.endedAt;
  return { level, observed, seriousUntil, criticalUntil, calmMs: calm, endedAt };
}

/** When the level may fall next by time alone; null where it would not. */
export function strainEnds({ level, seriousUntil, criticalUntil }: Strain): number | null {
  if (level === 0) return null;
  return level === 2 ? criticalUntil : seriousUntil;
}
