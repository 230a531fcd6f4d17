/**
 * Reproducible random numbers for sampling: the same seed gives the same draws on every machine.
 *
 * Generator: xoshiro128** 1.1 (Blackman and Vigna, "Scrambled Linear Pseudorandom Number Generators",
 * ACM TOMS 47(4), 2021). Its state is filled by SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), as
 * its authors advise, so that neighbouring seeds give unrelated sequences. Not for cryptography.
 */

const mask64 = (1n << 64n) - 1n;

/** `count` successive 64-bit outputs of SplitMix64. */
export function splitMix64(seed: bigint, count: number): bigint[] {
  const outputs: bigint[] = [];
  let state = seed & mask64;
  for (let i = 0; i < count; i++) {
    state = (state + 0x9e3779b97f4a7c15n) & mask64;
    let mixed = state;
    mixed = ((mixed ^ (mixed >> 30n)) * 0xbf58476d1ce4e5b9n) & mask64;
    mixed = ((mixed ^ (mixed >> 27n)) * 0x94d049bb133111ebn) & mask64;
    outputs.push(mixed ^ (mixed >> 31n));
  }
  return outputs;
}

function rotateLeft(value: number, bits: number): number {
  return (value << bits) | (value >>> (32 - bits));
}

export class Xoshiro128 {
  readonly #state: Uint32Array;

  /** @param state four 32-bit words, not all zero */
  constructor(state: readonly [number, number, number, number]) {
    this.#state = Uint32Array.from(state);
  }

  /** @param seed any finite number; its integer part modulo 2^64 counts */
  static fromSeed(seed: number): Xoshiro128 {
    const [first, second] = splitMix64(BigInt.asUintN(64, BigInt(Math.trunc(seed))), 2) as [
      bigint,
      bigint,
    ];
    return new Xoshiro128([
      Number(first & 0xffffffffn),
      Number(first >> 32n),
      Number(second & 0xffffffffn),
      Number(second >> 32n),
    ]);
  }

  /** The next integer, 0 to 2^32 - 1. */
  nextUint32(): number {
    const s = this.#state;
    const [s0, s1, s2, s3] = [s[0] as number, s[1] as number, s[2] as number, s[3] as number];
    const result = Math.imul(rotateLeft(Math.imul(s1, 5), 7), 9) >>> 0;
    s[2] = s2 ^ s0;
    s[3] = s3 ^ s1;
    s[1] = s1 ^ (s2 ^ s0);
    s[0] = s0 ^ (s3 ^ s1);
    s[2] = s[2] ^ (s1 << 9);
    s[3] = rotateLeft(s[3], 11);
    return result;
  }

  /** The next double in [0, 1), with all 53 bits random. */
  nextDouble(): number {
    const high = this.nextUint32() >>> 5;
    const low = this.nextUint32() >>> 6;
    return (high * 2 ** 26 + low) / 2 ** 53;
  }

  /** The next doubles, which `nextDouble` will give again. */
  peekDoubles(count: number): number[] {
    const [s0 = 0, s1 = 0, s2 = 0, s3 = 0] = this.#state;
    const copy = new Xoshiro128([s0, s1, s2, s3]);
    return Array.from({ length: count }, () => copy.nextDouble());
  }
}
