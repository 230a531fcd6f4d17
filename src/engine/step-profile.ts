/** Where the time of a token goes: a few steps of the loaded model, watched part by part. */
import type { Backend, Precision } from './backend/backend.ts';
import type { ComputeKind } from './backend-choice.ts';
import type { LanguageModel } from './models/language-model.ts';

/** Operators with the weights they read, alike in all layers. */
export interface ProfilePart {
  readonly label: string;
  /** Of one token. */
  readonly milliseconds: number;
}

export interface StepProfile {
  readonly backend: ComputeKind;
  readonly precision: Precision;
  /** Whether the device has a clock for its parts; else a token's time is shared out by estimated work. */
  readonly measured: boolean;
  /** The longest first. */
  readonly parts: readonly ProfilePart[];
}

/** Positions before the tokens that are watched, and how many these are. */
const promptTokens = 64;
const watchedTokens = 8;

/**
 * Computes a text of its own beside the conversation, which is not touched.
 * @throws what computing throws, `engine/out-of-memory`
 */
export async function profileSteps(
  model: LanguageModel,
  backend: Backend,
  precision: Precision,
): Promise<StepProfile> {
  const count = Math.min(promptTokens, model.maxTokens);
  const state = model.createState({ capacity: count + watchedTokens + 1, kvType: 'f16' });
  const totals = new Map<string, number>();
  let isMeasured = true;
  const step = async (tokens: number): Promise<void> => {
    const ids = Int32Array.from({ length: tokens }, (_, i) => i % model.info.vocabularySize);
    await model.forward(ids, state, { want: 'last', precision });
  };
  try {
    await step(count);
    await step(1); // the first of its kind also compiles
    backend.profiler = (label, milliseconds, measured = true) => {
      totals.set(label, (totals.get(label) ?? 0) + milliseconds);
      isMeasured &&= measured;
    };
    for (let i = 0; i < watchedTokens; i++) await step(1);
  } finally {
    backend.profiler = null;
    state.dispose();
  }
  const parts = [...totals].map(([label, total]) => ({
    label,
    milliseconds: total / watchedTokens,
  }));
  return {
    backend: backend.kind === 'webgpu' ? 'webgpu' : 'wasm',
    precision,
    measured: isMeasured,
    parts: parts.sort((a, b) => b.milliseconds - a.milliseconds),
  };
}
