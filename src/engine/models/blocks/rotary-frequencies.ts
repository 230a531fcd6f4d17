/**
 * Angles of rotary position embedding and the ways to stretch them over longer contexts.
 *
 * Su et al. 2021 (arXiv:2104.09864): pair i turns by position * base^(-2i / dimensions). All
 * stretching methods below change these inverse frequencies once, when the model is loaded; YaRN
 * also changes the length of the rotated vectors (`magnitude`).
 */
import type { RopeOptions } from '../../graph/graph-builder.ts';
import type { Constants, TensorRequirement } from '../architecture.ts';
import { constant } from '../architecture.ts';
import type { HyperParameterReader } from '../hyper-parameters.ts';

export type RotaryScaling =
  | { readonly kind: 'none' }
  | { readonly kind: 'linear'; readonly factor: number }
  | {
      readonly kind: 'llama3';
      readonly factor: number;
      readonly originalContext: number;
      readonly lowFrequencyFactor: number;
      readonly highFrequencyFactor: number;
    }
  | {
      readonly kind: 'yarn';
      readonly factor: number;
      readonly originalContext: number;
      /** Turns over the original context above which a pair is left alone. */
      readonly betaFast: number;
      /** Turns below which a pair is fully stretched. */
      readonly betaSlow: number;
      readonly attentionFactor: number;
      /** Whether the pairs with these turns are rounded outwards, as in the authors' code; true unless given. */
      readonly wholePairs?: boolean;
    }
  | {
      readonly kind: 'longrope';
      readonly originalContext: number;
      readonly magnitude: number;
    };

export interface RotarySettings {
  /** Rotated components of a head, an even number. */
  readonly dimensions: number;
  readonly base: number;
  readonly scaling: RotaryScaling;
}

export interface RotaryFrequencies {
  /** Radians a position, one per rotated pair. */
  readonly inverseFrequencies: Float64Array;
  /** Factor on cosine and sine. */
  readonly magnitude: number;
}

/** Reads `rope.*` of a file whose heads have `headDim` components. */
export function readRotarySettings(file: HyperParameterReader, headDim: number): RotarySettings {
  const dimensions = file.count('rope.dimension_count', headDim);
  if (dimensions % 2 !== 0 || dimensions > headDim) {
    throw file.malformed(
      'rope.dimension_count',
      `is ${dimensions}, but must be even and at most the head size ${headDim}`,
    );
  }
  return { dimensions, base: file.positive('rope.freq_base', 10000), scaling: readScaling(file) };
}

function readScaling(file: HyperParameterReader): RotaryScaling {
  // files older than `rope.scaling.*` state a linear factor alone
  const linear = file.positive('rope.scale_linear', 1);
  const kind = file.string('rope.scaling.type', linear === 1 ? 'none' : 'linear');
  if (kind === 'none') return { kind };
  const factor = file.positive('rope.scaling.factor', linear);
  if (kind === 'linear') return { kind, factor };
  const originalContext = file.count(
    'rope.scaling.original_context_length',
    file.count('context_length'),
  );
  if (kind === 'llama3') {
    return {
      kind,
      factor,
      originalContext,
      lowFrequencyFactor: file.positive('rope.scaling.low_freq_factor', 1),
      highFrequencyFactor: file.positive('rope.scaling.high_freq_factor', 4),
    };
  }
  if (kind === 'yarn') {
    return {
      kind,
      factor,
      originalContext,
      betaFast: file.positive('rope.scaling.yarn_beta_fast', 32),
      betaSlow: file.positive('rope.scaling.yarn_beta_slow', 1),
      attentionFactor: file.positive('rope.scaling.attn_factor', 1),
    };
  }
  if (kind === 'longrope') return readLongRope(file);
  throw file.unsupported('rope.scaling.type', `the rope scaling "${kind}"`);
}

/** LongRoPE (Ding et al. 2024, arXiv:2402.13753, and Phi-3's code for the length of the vectors). */
export function readLongRope(file: HyperParameterReader): RotaryScaling {
  const trainedContext = file.count('context_length');
  const originalContext = file.count('rope.scaling.original_context_length', trainedContext);
  const stretch = trainedContext / originalContext;
  const computed = stretch > 1 ? Math.sqrt(1 + Math.log(stretch) / Math.log(originalContext)) : 1;
  const magnitude = file.positive('rope.scaling.attn_factor', computed);
  return { kind: 'longrope', originalContext, magnitude };
}

const divisorTensors = {
  all: 'rope_freqs.weight',
  short: 'rope_factors_short.weight',
  long: 'rope_factors_long.weight',
} as const;

/** The tensors that files may bring with divisors of the frequencies. */
export function rotaryTensors({ dimensions }: RotarySettings): readonly TensorRequirement[] {
  return Object.values(divisorTensors).map((name) => constant(name, dimensions / 2));
}

/** What a rotation needs, with the divisors the file has for this length of context. */
export function rotation(
  layout: RopeOptions['layout'],
  settings: RotarySettings,
  constants: Constants,
  contextLength: number,
): Pick<RopeOptions, 'layout' | 'inverseFrequencies' | 'magnitude'> {
  const { scaling } = settings;
  const long = scaling.kind === 'longrope' && contextLength > scaling.originalContext;
  const divisors =
    constants.get(divisorTensors.all) ??
    constants.get(long ? divisorTensors.long : divisorTensors.short);
  return { layout, ...rotaryFrequencies(settings, divisors) };
}

/**
 * Inverse frequencies with the scaling applied.
 * @param divisors of each pair's frequency, from a tensor: files that carry them have already worked
 *   their scaling method (usually llama3's or LongRoPE's) into these numbers
 */
export function rotaryFrequencies(
  { dimensions, base, scaling }: RotarySettings,
  divisors: Float32Array | undefined,
): RotaryFrequencies {
  const original = Float64Array.from(
    { length: dimensions / 2 },
    (_, pair) => base ** ((-2 * pair) / dimensions) / (divisors?.[pair] ?? 1),
  );
  switch (scaling.kind) {
    case 'none':
      return { inverseFrequencies: original, magnitude: 1 };
    case 'linear':
      // position interpolation (Chen et al. 2023, arXiv:2306.15595)
      return { inverseFrequencies: original.map((f) => f / scaling.factor), magnitude: 1 };
    case 'llama3':
      return { inverseFrequencies: original.map((f) => llama3(f, scaling)), magnitude: 1 };
    case 'longrope':
      return { inverseFrequencies: original, magnitude: scaling.magnitude };
    case 'yarn': {
      const share = yarnStretchedShare(dimensions, base, scaling);
      return {
        inverseFrequencies: original.map(
          (f, pair) => (f / scaling.factor) * share(pair) + f * (1 - share(pair)),
        ),
        magnitude: scaling.attentionFactor * (1 + 0.1 * Math.log(scaling.factor)),
      };
    }
  }
}

/**
 * Llama 3.1 (Grattafiori et al. 2024, arXiv:2407.21783, and its reference code): waves much shorter
 * than the original context stay, much longer ones are stretched, and between them the two are mixed.
 */
function llama3(
  frequency: number,
  scaling: Extract<RotaryScaling, { readonly kind: 'llama3' }>,
): number {
  const { factor, originalContext, lowFrequencyFactor: low, highFrequencyFactor: high } = scaling;
  const turns = (originalContext * frequency) / (2 * Math.PI);
  if (turns > high) return frequency;
  if (turns < low) return frequency / factor;
  const kept = (turns - low) / (high - low);
  return (1 - kept) * (frequency / factor) + kept * frequency;
}

/**
 * YaRN (Peng et al. 2023, arXiv:2309.00071, section 3.2 and equation 22): how much of each pair is
 * stretched, rising linearly with the pair's index between the pair that makes `betaFast` turns over
 * the original context and the one that makes `betaSlow`; both rounded outwards as in the authors' code.
 */
function yarnStretchedShare(
  dimensions: number,
  base: number,
  scaling: Extract<RotaryScaling, { readonly kind: 'yarn' }>,
): (pair: number) => number {
  const pairWithTurns = (turns: number): number =>
    (dimensions * Math.log(scaling.originalContext / (turns * 2 * Math.PI))) / (2 * Math.log(base));
  const whole = scaling.wholePairs ?? true;
  const [fast, slow] = [pairWithTurns(scaling.betaFast), pairWithTurns(scaling.betaSlow)];
  const first = Math.max(0, whole ? Math.floor(fast) : fast);
  const last = Math.min(dimensions - 1, whole ? Math.ceil(slow) : slow);
  const width = Math.max(0.001, last - first);
  return (pair) => Math.min(1, Math.max(0, (pair - first) / width));
}
