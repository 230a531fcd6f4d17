import { msg } from '@lit/localize';
import type { Settings } from '../services.ts';

/** The settings that are numbers. */
type NumberName = {
  [K in keyof Settings]: Settings[K] extends number | null
    ? K extends 'precision'
      ? never
      : K
    : never;
}[keyof Settings];

/** One number of the settings: its words, its limits (both included) and whether it is whole. */
export interface NumberField {
  readonly name: NumberName;
  readonly label: string;
  readonly hint: string;
  readonly min: number;
  readonly max: number;
  readonly step: number | 'any';
  readonly whole: boolean;
  readonly placeholder?: string;
}

/** The numbers most people may want to change, and those for the curious. */
export function answerFields(): {
  readonly main: readonly NumberField[];
  readonly more: readonly NumberField[];
} {
  return { main: mainFields(), more: samplingFields() };
}

function mainFields(): NumberField[] {
  return [
    {
      name: 'temperature',
      label: msg('Temperature', { id: 'field.temperature' }),
      hint: msg('0 always takes the likeliest word; higher values are livelier and less exact.', {
        id: 'field.temperatureHint',
      }),
      min: 0,
      max: 2,
      step: 0.05,
      whole: false,
    },
    {
      name: 'maxAnswerTokens',
      label: msg('Longest answer, in tokens', { id: 'field.maxTokens' }),
      hint: msg('A token is about three quarters of an English word, or one Chinese character.', {
        id: 'field.maxTokensHint',
      }),
      min: 1,
      max: 131_072,
      step: 1,
      whole: true,
    },
    {
      name: 'contextLength',
      label: msg('Context length, in tokens', { id: 'field.context' }),
      hint: msg('How much of a chat the model sees at once. More takes more memory.', {
        id: 'field.contextHint',
      }),
      min: 256,
      max: 1_048_576,
      step: 1,
      whole: true,
    },
  ];
}

function samplingFields(): NumberField[] {
  return [
    {
      name: 'topK',
      label: msg('Top-k', { id: 'field.topK' }),
      hint: msg('Only this many of the likeliest words are considered; 0 for all.', {
        id: 'field.topKHint',
      }),
      min: 0,
      max: 1000,
      step: 1,
      whole: true,
    },
    {
      name: 'topP',
      label: msg('Top-p', { id: 'field.topP' }),
      hint: msg('Only the likeliest words that together reach this share are considered.', {
        id: 'field.topPHint',
      }),
      min: 0,
      max: 1,
      step: 0.01,
      whole: false,
    },
    {
      name: 'minP',
      label: msg('Min-p', { id: 'field.minP' }),
      hint: msg('Words less likely than this share of the likeliest one are left out.', {
        id: 'field.minPHint',
      }),
      min: 0,
      max: 1,
      step: 0.01,
      whole: false,
    },
    {
      name: 'repetitionPenalty',
      label: msg('Repetition penalty', { id: 'field.repetition' }),
      hint: msg('Above 1, words already used become less likely.', { id: 'field.repetitionHint' }),
      min: 0.5,
      max: 2,
      step: 0.01,
      whole: false,
    },
    {
      name: 'seed',
      label: msg('Seed', { id: 'field.seed' }),
      hint: msg('The same seed gives the same answer again. Empty: a new one each time.', {
        id: 'field.seedHint',
      }),
      min: 0,
      max: 4_294_967_295,
      step: 1,
      whole: true,
      placeholder: msg('random', { id: 'field.seedRandom' }),
    },
  ];
}
