/**
 * Whether pressure on the processor is our own work. Chromium works it out from how busy all cores
 * are, so a model that computes on most of them looks like the worst pressure there is, on a device
 * that is cool and idle otherwise. Holding back for that would slow down every answer for nothing.
 *
 * Pressure that comes up on a calm device within seconds of our own load is taken for that load, and
 * remembered for this load: then our speed tells of heat, as where a browser knows no pressure. What
 * was there before, what comes later, and what is worse than our load was, is not ours.
 */

export interface OwnLoad {
  readonly working: boolean;
  /** When it last began, ended or took another number of threads; on the clock of the policy. */
  readonly since: number;
  /** When it last began or took more threads. */
  readonly grewAt: number;
  /** Of the processor; 0 where a graphics card computes. */
  readonly threads: number;
  readonly cores: number;
}

export const noLoad: OwnLoad = {
  working: false,
  since: -Infinity,
  grewAt: -Infinity,
  threads: 0,
  cores: 1,
};

export interface Attribution {
  /** Pressure when we last did nothing, as its place in the order of levels. */
  readonly idleRank: number;
  /** The pressure that so many threads of ours make. */
  readonly explained: { readonly rank: number; readonly threads: number } | null;
  /** Whether what is reported now is taken for our own work. */
  readonly own: boolean;
}

export const noAttribution: Attribution = { idleRank: 0, explained: null, own: false };

/** "serious" in the order of levels: below it there is nothing to explain. */
const SERIOUS = 2;
/** With fewer of the cores than this, it takes somebody else to make pressure serious. */
const LEAST_SHARE = 0.5;

export function attribute(
  before: Attribution,
  rank: number,
  load: OwnLoad,
  now: number,
  windowMs: number,
): Attribution {
  const recent = now - load.since <= windowMs;
  if (!load.working) {
    // What our work made fades away with it.
    const { explained } = before;
    const high = rank >= SERIOUS && rank <= (explained?.rank ?? -1);
    const fading = recent && before.own && high;
    return { ...before, own: fading, idleRank: fading ? before.idleRank : rank };
  }
  const share = load.threads / load.cores;
  const known = before.explained;
  const grew = now - load.grewAt <= windowMs;
  const serious = rank >= SERIOUS;
  const rises = grew && serious && before.idleRank < SERIOUS && share >= LEAST_SHARE;
  const explained = rises
    ? {
        rank: Math.max(rank, known?.rank ?? 0),
        threads: Math.min(load.threads, known?.threads ?? Infinity),
      }
    : known;
  const enough = load.threads >= (explained?.threads ?? Infinity) || (recent && before.own);
  const own = serious && explained !== null && rank <= explained.rank && enough;
  return { ...before, explained, own };
}
