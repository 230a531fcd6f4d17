/**
 * How fast this device has answered, by the bytes of weights that a token reads, kept in localStorage.
 * It holds for this class of device and this version of Hermit: another browser, another graphics
 * card or another build computes in another way, and is measured anew.
 */
import { ObservableValue, type Observable } from '../../common/observable.ts';
import type { GenerationStats } from '../../engine/generation/stats.ts';
import type { KeyValueStorage } from '../settings.ts';
import { isPoint, type SpeedPoint } from './speed-points.ts';

const storageKey = 'hermit.speeds';

/** Fewer tokens than this measure the first ones, which are slower. */
const LEAST_TOKENS = 16;
/** Sizes that are told apart: four in each doubling. */
const STEPS_OF_A_DOUBLING = 4;
const NEWEST = 0.3;
/** What was measured says something of models up to so many times smaller or larger. */
const REACH = 4;
const MOST_POINTS = 40;

/** What a person may hand on, so that Hermit knows what to expect of such devices. */
export interface DeviceProfile {
  readonly kind: 'hermit-device-profile';
  readonly version: 1;
  readonly class: string;
  /** Of Hermit. */
  readonly build: string;
  readonly speeds: readonly SpeedPoint[];
}

export class OwnSpeeds {
  readonly #storage: KeyValueStorage | null;
  readonly #build: string;
  readonly #points = new ObservableValue<readonly SpeedPoint[]>([]);
  #class: string | null = null;

  constructor(storage: KeyValueStorage | null, build: string) {
    this.#storage = storage;
    this.#build = build;
  }

  /** Changes with every answer that tells something. */
  get points(): Observable<readonly SpeedPoint[]> {
    return this.#points;
  }

  /** The class of this device, once it is known: before that nothing is read and nothing kept. */
  useClass(deviceClass: string): void {
    this.#class = deviceClass;
    this.#points.set(this.#read(deviceClass));
  }

  profile(): DeviceProfile | null {
    if (this.#class === null) return null;
    return {
      kind: 'hermit-device-profile',
      version: 1,
      class: this.#class,
      build: this.#build,
      speeds: this.#points.value,
    };
  }

  /** The speed at a size near one that was measured; null where none was. */
  speedAt(tokenBytes: number): number | null {
    const distance = (point: SpeedPoint): number =>
      Math.abs(Math.log(point.tokenBytes / tokenBytes));
    const [nearest] = [...this.#points.value].sort((a, b) => distance(a) - distance(b));
    if (nearest === undefined || distance(nearest) > Math.log(REACH)) return null;
    return (nearest.tokensPerSecond * nearest.tokenBytes) / tokenBytes;
  }

  /** Takes an answer for a measurement if it was computed in one way from beginning to end. */
  note({ execution }: Pick<GenerationStats, 'execution'>): void {
    const [stretch, other] = execution.stretches;
    if (stretch === undefined || other !== undefined || this.#class === null) return;
    const { tokens, milliseconds, weightBytesPerToken: tokenBytes } = stretch;
    if (tokens < LEAST_TOKENS || milliseconds <= 0 || tokenBytes <= 0) return;
    const measured = (1000 * tokens) / milliseconds;
    const before = this.#points.value.find((point) => stepOf(point) === stepOf({ tokenBytes }));
    const tokensPerSecond =
      before === undefined
        ? measured
        : before.tokensPerSecond + NEWEST * (measured - before.tokensPerSecond);
    const others = this.#points.value.filter((point) => point !== before);
    this.#points.set([...others, { tokenBytes, tokensPerSecond }].slice(-MOST_POINTS));
    this.#write();
  }

  #read(deviceClass: string): readonly SpeedPoint[] {
    try {
      const stored: unknown = JSON.parse(this.#storage?.getItem(storageKey) ?? 'null');
      if (typeof stored !== 'object' || stored === null) return [];
      const { class: of, build, speeds } = stored as Partial<DeviceProfile>;
      if (of !== deviceClass || build !== this.#build || !Array.isArray(speeds)) return [];
      return speeds.filter(isPoint).slice(-MOST_POINTS);
    } catch {
      // Blocked storage or damaged JSON: the next answers measure again.
      return [];
    }
  }

  #write(): void {
    try {
      this.#storage?.setItem(storageKey, JSON.stringify(this.profile()));
    } catch {
      // A full or blocked localStorage costs only that it is measured again.
    }
  }
}

function stepOf({ tokenBytes }: Pick<SpeedPoint, 'tokenBytes'>): number {
  return Math.round(STEPS_OF_A_DOUBLING * Math.log2(tokenBytes));
}
