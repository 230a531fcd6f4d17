/**
 * The page of the side-by-side benchmark. All engines work on the same bytes with the same number of
 * threads; of every measure each engine does one run in turn, so that a change of clock or a busy
 * neighbour hits them alike.
 */
import { HermitPeer } from './hermit-peer.ts';
import { promptOf, type LoadOptions, type Peer } from './peer.ts';
import { WllamaPeer } from './wllama-peer.ts';

export { measureMatrix } from './matrix-peers.ts';

export type PeerName = 'Hermit' | 'wllama';

export interface PeersOptions extends LoadOptions {
  readonly peers: readonly PeerName[];
  readonly rounds: number;
  /** Lengths of prompts that are read, and of contexts in which tokens are written. */
  readonly prompts: readonly number[];
  readonly contexts: readonly number[];
  /** Runs of one measure end for an engine when they took so long; one is always done. */
  readonly secondsPerMeasure: number;
}

export interface Sample {
  readonly peer: string;
  readonly measure: string;
  /** Of every run: milliseconds, or milliseconds a token. */
  readonly times: readonly number[];
}

const DECODED_TOKENS = 16;

function makePeer(name: PeerName): Peer {
  return name === 'Hermit' ? new HermitPeer() : new WllamaPeer();
}

async function modelFile(): Promise<Blob> {
  return (await fetch('/model.gguf')).blob();
}

class Samples {
  readonly #times = new Map<string, number[]>();

  add(peer: string, measure: string, time: number): void {
    const key = JSON.stringify([peer, measure]);
    this.#times.set(key, [...(this.#times.get(key) ?? []), time]);
  }

  all(): Sample[] {
    return [...this.#times].map(([key, times]) => {
      const [peer, measure] = JSON.parse(key) as [string, string];
      return { peer, measure, times };
    });
  }
}

/** Runs `work` with every engine in turn, `rounds` times or as long as its time reaches. */
async function takeTurns(
  peers: readonly Peer[],
  { rounds, secondsPerMeasure }: PeersOptions,
  work: (peer: Peer) => Promise<void>,
): Promise<void> {
  const spent = new Map<Peer, number>();
  for (let round = 0; round < rounds; round++) {
    for (const peer of peers) {
      const before = spent.get(peer) ?? 0;
      if (before > 1000 * secondsPerMeasure) continue;
      const startedAt = performance.now();
      await work(peer);
      spent.set(peer, before + performance.now() - startedAt);
    }
  }
}

async function loadInTurns(options: PeersOptions, file: Blob, samples: Samples): Promise<Peer[]> {
  let loaded: Peer[] = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const peer of loaded) await peer.close();
    loaded = options.peers.map(makePeer);
    for (const peer of loaded) {
      const startedAt = performance.now();
      await peer.load(file, options);
      samples.add(peer.name, 'load', performance.now() - startedAt);
    }
  }
  return loaded;
}

/** Weights that Hermit holds, and how fast one thread reads memory, before and after everything. */
export interface PeersResult {
  readonly samples: readonly Sample[];
  readonly weightBytes: number;
  readonly readingSpeed: number;
}

export async function measurePeers(options: PeersOptions): Promise<PeersResult> {
  const samples = new Samples();
  const peers = await loadInTurns(options, await modelFile(), samples);
  const hermit = peers.find((peer) => peer instanceof HermitPeer);
  const readingSpeeds = [(await hermit?.remote.readingSpeed()) ?? 0];
  for (const peer of peers) await peer.prefill(promptOf(8)); // lets engines compile
  for (const length of options.prompts) {
    await takeTurns(peers, options, async (peer) => {
      const { promptMs, firstTokenMs } = await peer.prefill(promptOf(length));
      samples.add(peer.name, `prefill ${length}`, promptMs / length);
      samples.add(peer.name, `first token ${length}`, firstTokenMs);
    });
  }
  for (const length of options.contexts) {
    for (const peer of peers) {
      await peer.fill(promptOf(length));
      await peer.decode(2);
    }
    await takeTurns(peers, options, async (peer) => {
      samples.add(peer.name, `decode ${length}`, await peer.decode(DECODED_TOKENS));
    });
  }
  readingSpeeds.push((await hermit?.remote.readingSpeed()) ?? 0);
  const weightBytes = (await hermit?.remote.weightBytes()) ?? 0;
  for (const peer of peers) await peer.close();
  return { samples: samples.all(), weightBytes, readingSpeed: Math.max(...readingSpeeds) };
}

/** Loads one engine and uses it a little, for whoever watches the memory meanwhile. */
export async function useAlone(name: PeerName, options: LoadOptions): Promise<void> {
  const peer = makePeer(name);
  await peer.load(await modelFile(), options);
  await peer.fill(promptOf(16));
  await peer.decode(4);
}

/** Squared error of Hermit's logits relative to their power, of the file at this address. */
export async function checkLogits(address: string, threads: number): Promise<number> {
  const peer = new HermitPeer();
  const small = new Uint8Array(await (await fetch(address)).arrayBuffer());
  const error = await peer.remote.check(small, promptOf(6), threads);
  await peer.close();
  return error;
}

/** What took how long in one step: its name, and milliseconds of each group of commands. */
export type StepProfile = readonly [string, readonly (readonly [string, number])[]];

/** Profiles of reading each prompt at once, and of a decode step at each context. */
export async function profileSteps({
  prompts,
  contexts,
  ...load
}: LoadOptions & Pick<PeersOptions, 'prompts' | 'contexts'>): Promise<readonly StepProfile[]> {
  const peer = new HermitPeer();
  await peer.load(await modelFile(), load);
  const profiles: StepProfile[] = [];
  for (const length of prompts) {
    profiles.push([`prefill of ${length}`, await peer.remote.profile(0, promptOf(length))]);
  }
  for (const context of contexts) {
    await peer.fill(promptOf(context));
    profiles.push([`decode step at ${context}`, await peer.remote.profile(context, [300])]);
  }
  await peer.close();
  return profiles;
}
