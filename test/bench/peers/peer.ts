/** What the side-by-side benchmark asks of every engine. */

export interface Prefill {
  /** Reading the prompt alone, as the engine itself measures it. */
  readonly promptMs: number;
  /** From the call until the first token is there, in the page. */
  readonly firstTokenMs: number;
}

export interface Peer {
  readonly name: string;
  /** From a file's bytes to an engine that can answer. */
  load(file: Blob, options: LoadOptions): Promise<void>;
  /** Reads a prompt into an empty memory and chooses one token. */
  prefill(tokens: readonly number[]): Promise<Prefill>;
  /** Makes the memory hold these tokens, however long it takes. */
  fill(tokens: readonly number[]): Promise<void>;
  /** Milliseconds a token, the most likely one each, of `count` after what `fill` was given last. */
  decode(count: number): Promise<number>;
  close(): Promise<void>;
}

export interface LoadOptions {
  readonly threads: number;
  readonly contextLength: number;
}

/** Token ids that every file of the benchmark has, none of them special. */
export function promptOf(length: number): number[] {
  return Array.from({ length }, (_, i) => 300 + ((i * 37) % 200));
}
