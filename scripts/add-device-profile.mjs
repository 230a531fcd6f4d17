/**
 * Adds profiles that Hermit exported (Settings, Energy, "Save what was measured") to the list of
 * devices, `public/devices.json`. An entry of the same class is replaced: its speeds are the medians
 * of the profiles given for it, and where only one is given, that one's.
 *
 *     node scripts/add-device-profile.mjs PROFILE.json...
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const LIST = fileURLToPath(new URL('../public/devices.json', import.meta.url));
/** Sizes that are taken together: four in each doubling, as Hermit measures them. */
const STEPS_OF_A_DOUBLING = 4;

/**
 * @typedef {{ tokenBytes: number; tokensPerSecond: number }} Point
 *
 * @typedef {{ class: string; build: string; speeds: Point[] }} Profile
 */

/**
 * @param {string} path
 * @returns {Profile}
 */
function readProfile(path) {
  const profile = JSON.parse(readFileSync(path, 'utf8'));
  if (profile.kind !== 'hermit-device-profile' || profile.version !== 1) {
    throw new Error(`${path} is no profile of a device`);
  }
  return profile;
}

/** @param {readonly number[]} values */
function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}

/**
 * @param {readonly Profile[]} profiles
 * @returns {Point[]}
 */
function merged(profiles) {
  /** @type {Map<number, Point[]>} */
  const bySize = new Map();
  for (const point of profiles.flatMap(({ speeds }) => speeds)) {
    const size = Math.round(STEPS_OF_A_DOUBLING * Math.log2(point.tokenBytes));
    bySize.set(size, [...(bySize.get(size) ?? []), point]);
  }
  return [...bySize.keys()]
    .sort((a, b) => a - b)
    .map((size) => bySize.get(size) ?? [])
    .map((points) => ({
      tokenBytes: Math.round(median(points.map(({ tokenBytes }) => tokenBytes))),
      tokensPerSecond: Number(
        median(points.map(({ tokensPerSecond }) => tokensPerSecond)).toPrecision(3),
      ),
    }));
}

const paths = process.argv.slice(2);
if (paths.length === 0) throw new Error('Name at least one profile');
const profiles = paths.map(readProfile);
const list = JSON.parse(readFileSync(LIST, 'utf8'));
for (const name of new Set(profiles.map((profile) => profile.class))) {
  const own = profiles.filter((profile) => profile.class === name);
  const entry = { class: name, origin: 'measured', build: own[0]?.build, speeds: merged(own) };
  /** @type {{ class: string }[]} */
  const others = list.devices.filter((/** @type {{ class: string }} */ one) => one.class !== name);
  list.devices = [...others, entry].sort((a, b) => (a.class < b.class ? 1 : -1));
}
writeFileSync(LIST, `${JSON.stringify(list, null, 2)}\n`);
