/**
 * What is known of the device at this moment: a value with where it comes from, since when and how
 * far it can be trusted, or that it is missing and why. Browsers differ in what they tell; nothing
 * here throws where one tells nothing.
 */

/** `measured`: by ourselves. `reported`: by the browser. `guessed`: rounded or capped by it, or worked out from hints. */
export type Confidence = 'measured' | 'reported' | 'guessed';

/**
 * `not-supported`: this browser has no such thing. `refused`: it does not allow it here. `waiting`:
 * not told yet. `failed`: it should have been told and was not.
 */
export type MissingReason = 'not-supported' | 'refused' | 'waiting' | 'failed';

export interface KnownSignal<T> {
  readonly kind: 'known';
  readonly value: T;
  /** The interface it comes from, for people who look into a report. */
  readonly source: string;
  /** When it was told, milliseconds since the epoch; it holds until another one is told. */
  readonly at: number;
  readonly confidence: Confidence;
}

export interface MissingSignal {
  readonly kind: 'missing';
  readonly source: string;
  readonly reason: MissingReason;
}

export type Signal<T> = KnownSignal<T> | MissingSignal;

export function known<T>(
  value: T,
  source: string,
  confidence: Confidence = 'reported',
  at: number = Date.now(),
): KnownSignal<T> {
  return { kind: 'known', value, source, at, confidence };
}

export function missing(source: string, reason: MissingReason): MissingSignal {
  return { kind: 'missing', source, reason };
}

interface FeaturePolicyDocument {
  readonly featurePolicy?: {
    allowsFeature(feature: string): boolean;
    features(): readonly string[];
  };
}

/**
 * Whether this document may use a feature, in a frame of another site for example; asking for one that
 * is forbidden would be logged as an error. True where the browser cannot tell.
 */
export function isAllowed(
  feature: string,
  page: FeaturePolicyDocument = globalThis.document as unknown as FeaturePolicyDocument,
): boolean {
  const policy = (page as FeaturePolicyDocument | undefined)?.featurePolicy;
  return (
    policy === undefined || !policy.features().includes(feature) || policy.allowsFeature(feature)
  );
}

/** Why a call that a browser has was not answered: forbidden here, or broken. */
export function refusalOf(error: unknown): MissingReason {
  const name = error instanceof Error ? error.name : '';
  return name === 'NotAllowedError' || name === 'SecurityError' ? 'refused' : 'failed';
}
