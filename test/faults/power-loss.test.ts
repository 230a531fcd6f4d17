/**
 * Power that goes at any moment, over the store as it is used: real files of blocks on a disk that
 * forgets what was not flushed, two models being filled, steps in any order.
 */
import { createHash } from 'node:crypto';
import { expect } from 'vitest';
import { AppError, hasCode } from '../../src/common/errors.ts';
import { faultTest, wholeRun } from './fault-test.ts';
import { CrashingDisk } from '../fixtures/crashing-disk.ts';
import { laggingHash } from '../fixtures/lagging-hash.ts';
import { random } from '../fixtures/random-values.ts';
import { FaultyChunkStore, type FaultPlan } from '../../src/store/faulty-chunk-store.ts';
import { modelLockName } from '../../src/store/locks.ts';
import { emptyOrigin, unknownFacts } from '../../src/store/manifest.ts';
import { ModelStore } from '../../src/store/model-store.ts';
import { OpfsChunkStore, writeFile } from '../../src/store/opfs-chunk-store.ts';

const SCHEDULES = Number(process.env['HERMIT_SCHEDULES'] ?? (wholeRun ? 10_000 : 1000));
const sizes = { blockBytes: 64, chunkBytes: 160 };

interface Target {
  readonly name: string;
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly sha256: string;
  /** Whether its publisher gave the hash. */
  readonly published: boolean;
  /** Blocks whose writing was acknowledged, by index. */
  acknowledged: Map<number, Uint8Array<ArrayBuffer>>;
}

function newTarget(name: string, next: () => number): Target {
  const bytes = new Uint8Array(65 + Math.floor(next() * 300));
  for (let at = 0; at < bytes.length; at++) bytes[at] = next() * 256;
  return {
    name,
    bytes,
    sha256: createHash('sha256').update(bytes).digest('hex'),
    published: next() < 0.5,
    acknowledged: new Map(),
  };
}

/** A tab over what is on the disk now. */
function openStore(disk: CrashingDisk, plan: FaultPlan): ModelStore {
  const files = new OpfsChunkStore({
    root: () => disk.root(),
    write: writeFile,
    sleep: () => Promise.resolve(),
  });
  return new ModelStore({
    manifest: disk.manifest(),
    chunks: new FaultyChunkStore(files, plan),
    sizes,
    openHash: laggingHash(23),
  });
}

/** Fills one model as a download does, and notes what was acknowledged. */
async function fill(store: ModelStore, target: Target): Promise<void> {
  const { name, bytes, published } = target;
  const { manifest } = await store.begin({
    name,
    fileName: `${name}.gguf`,
    origin: { ...emptyOrigin('url'), url: `https://example.org/${name}.gguf` },
    expectedSize: bytes.length,
    expectedSha256: published ? target.sha256 : null,
    licence: null,
    facts: unknownFacts,
  });
  if (manifest.state === 'ready') return;
  await store.locks.hold(modelLockName(manifest.id), 'exclusive', async () => {
    for (;;) {
      const writer = await store.openWriter(manifest.id);
      try {
        await writer.setSize(bytes.length);
        for (let gap = writer.nextMissing(); gap !== null; gap = writer.nextMissing()) {
          const block = bytes.slice(gap.offset, gap.offset + gap.bytes);
          await writer.write(gap.index, block);
          target.acknowledged.set(gap.index, block);
        }
        await writer.finish();
        return;
      } catch (error) {
        if (!hasCode(error, 'store/unavailable', 'store/damaged')) throw error;
      } finally {
        writer.close();
      }
    }
  });
}

/** Whatever the disk has now: nothing acknowledged is missing, and what says `ready` is. */
async function check(store: ModelStore, targets: readonly Target[]): Promise<void> {
  for (const model of await store.list()) {
    const target = targets.find(({ name }) => name === model.name);
    if (target === undefined) throw new Error(`Nobody added ${model.name}`);
    for (const index of target.acknowledged.keys()) {
      if (!model.blocks.some((block) => block.index === index && !block.damaged)) {
        throw new Error(`Block ${index} of ${model.name} was acknowledged and is lost`);
      }
    }
    if (model.state !== 'ready') continue;
    const source = await store.open(model.id);
    const read = Buffer.from(await source.read(0, source.size));
    source.close();
    if (model.sha256 !== target.sha256) throw new Error(`${model.name} has a false checksum`);
    if (!read.equals(target.bytes)) throw new Error(`${model.name} is ready and false`);
  }
}

/** Lets steps happen until `work` settles, or the power goes after `steps` of them. */
async function drive(disk: CrashingDisk, work: Promise<unknown>, steps: number): Promise<boolean> {
  let settled = false;
  const settle = (): void => {
    settled = true;
  };
  work.then(settle, settle);
  for (let made = 0; ;) {
    // Hashes are computed by other threads, which take their own time.
    await new Promise(setImmediate);
    if (settled) {
      await work;
      return true;
    }
    if (made >= steps) return false;
    if (disk.pending === 0) continue;
    disk.advance();
    made++;
  }
}

async function runSchedule(seed: number): Promise<void> {
  const next = random(seed);
  const disk = new CrashingDisk(next);
  const targets = [newTarget('one', next), newTarget('two', next)];
  // Some operations fail as a browser's do: before anything happened, or after the work was done.
  const plan: FaultPlan = ({ operation }) => {
    if (operation !== 'put' || next() > 0.05) return null;
    const error = new AppError('store/unavailable', 'The connection was lost');
    return { kind: next() < 0.5 ? 'throw' : 'throw-after', error };
  };
  const crashes = 1 + Math.floor(next() * 3);
  for (let crash = 0; crash < crashes; crash++) {
    const store = openStore(disk, plan);
    const work = store
      .collectGarbage()
      .then(() => Promise.all(targets.map((target) => fill(store, target))));
    await drive(disk, work, Math.floor(next() * 120));
    disk.crash();
    await drive(
      disk,
      check(
        openStore(disk, () => null),
        targets,
      ),
      Infinity,
    );
  }
  const last = openStore(disk, () => null);
  const work = last
    .collectGarbage()
    .then(() => Promise.all(targets.map((target) => fill(last, target))))
    .then(() => check(last, targets));
  await drive(disk, work, Infinity);
  const states = await readStates(disk);
  if (states.some((state) => state !== 'ready') || states.length !== 2) {
    throw new Error(`The models ended as ${states.join(', ')}`);
  }
}

async function readStates(disk: CrashingDisk): Promise<string[]> {
  let states: string[] = [];
  const work = openStore(disk, () => null)
    .list()
    .then((models) => {
      states = models.map(({ state }) => state);
    });
  await drive(disk, work, Infinity);
  return states;
}

faultTest(
  'F95',
  async () => {
    const first = Number(process.env['HERMIT_SEED'] ?? Math.floor(Math.random() * 2 ** 31));
    for (let schedule = 0; schedule < SCHEDULES; schedule++) {
      const seed = first + schedule;
      try {
        await runSchedule(seed);
      } catch (error) {
        throw new Error(`With HERMIT_SEED=${seed} HERMIT_SCHEDULES=1`, { cause: error });
      }
    }
    expect(SCHEDULES).toBeGreaterThan(0);
  },
  { variant: `${SCHEDULES} schedules`, timeoutMs: 300_000 },
);
