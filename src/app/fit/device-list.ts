/**
 * What Hermit expects of devices it has not measured itself: `/devices.json`, a list of classes of
 * devices (`platform/device-class.ts`) with tokens a second by the size of models.
 *
 * A speed is told for the bytes of weights that a token reads, because these are what decoding waits
 * for; between two sizes it is interpolated. Entries come from profiles that people export
 * (`scripts/add-device-profile.mjs`); those with the origin `estimated` stand for classes that nobody
 * has measured yet.
 */
import { isPoint, type SpeedPoint } from './speed-points.ts';

export interface DeviceEntry {
  /** As `deviceClass` makes them; `*` in a place stands for anything. */
  readonly class: string;
  readonly origin: 'measured' | 'estimated';
  /** From few bytes to many. */
  readonly speeds: readonly SpeedPoint[];
}

export class DeviceList {
  readonly #entries: readonly DeviceEntry[];

  /** @param value the file's content; entries that are not sound are left out, a wrong file is empty */
  constructor(value: unknown) {
    this.#entries = parse(value);
  }

  /** The entry that says most of this class: the one with the fewest places left open; null for none. */
  find(deviceClass: string): DeviceEntry | null {
    const fitting = this.#entries.filter((entry) => covers(entry.class, deviceClass));
    const openPlaces = (entry: DeviceEntry): number => entry.class.split('*').length;
    return fitting.sort((a, b) => openPlaces(a) - openPlaces(b))[0] ?? null;
  }
}

function covers(pattern: string, deviceClass: string): boolean {
  const wanted = pattern.split('/');
  const parts = deviceClass.split('/');
  return (
    wanted.length === parts.length &&
    wanted.every((part, place) => part === '*' || part === parts[place])
  );
}

function parse(value: unknown): DeviceEntry[] {
  if (typeof value !== 'object' || value === null) return [];
  const { version, devices } = value as Readonly<Record<string, unknown>>;
  return version === 1 && Array.isArray(devices) ? devices.filter(isEntry) : [];
}

function isEntry(value: unknown): value is DeviceEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { class: name, origin, speeds } = value as Readonly<Record<string, unknown>>;
  return (
    typeof name === 'string' &&
    (origin === 'measured' || origin === 'estimated') &&
    Array.isArray(speeds) &&
    speeds.length > 0 &&
    speeds.every(isPoint)
  );
}
