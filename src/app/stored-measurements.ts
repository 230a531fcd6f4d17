/**
 * How fast each backend was with each model on this device, kept in localStorage. Another version of
 * Hermit computes in another way, so its measurements are not believed.
 */
import type { Measurement, Speed } from '../engine/backend-choice.ts';
import type { MeasurementStore } from './model-runtime.ts';
import type { KeyValueStorage } from './settings.ts';

const storageKey = 'hermit.measurements';
/** The oldest are forgotten first: a person has few models and one or two adapters. */
const mostMeasurements = 50;

export class StoredMeasurements implements MeasurementStore {
  readonly #storage: KeyValueStorage | null;
  readonly #version: string;

  constructor(storage: KeyValueStorage | null, version: string) {
    this.#storage = storage;
    this.#version = version;
  }

  list(): readonly Measurement[] {
    try {
      const text = this.#storage?.getItem(storageKey) ?? null;
      return text === null ? [] : parse(JSON.parse(text), this.#version);
    } catch {
      // Blocked storage or damaged JSON: measuring again costs a moment.
      return [];
    }
  }

  remember(measurement: Measurement): void {
    const others = this.list().filter(({ key }) => key !== measurement.key);
    const measurements = [...others, measurement].slice(-mostMeasurements);
    try {
      const text = JSON.stringify({ version: this.#version, measurements });
      this.#storage?.setItem(storageKey, text);
    } catch {
      // A full or blocked localStorage costs only that the model is timed again.
    }
  }
}

function parse(value: unknown, version: string): Measurement[] {
  const { version: found, measurements } = value as Readonly<Record<string, unknown>>;
  if (found !== version || !Array.isArray(measurements)) return [];
  return measurements.filter(isMeasurement);
}

function isMeasurement(value: unknown): value is Measurement {
  const { key, wasm, webgpu } = value as Readonly<Record<string, unknown>>;
  return typeof key === 'string' && isSpeed(wasm) && isSpeed(webgpu);
}

function isSpeed(value: unknown): value is Speed {
  if (typeof value !== 'object' || value === null) return false;
  const { prefill, decode } = value as Readonly<Record<string, unknown>>;
  return [prefill, decode].every((speed) => typeof speed === 'number' && speed > 0);
}
