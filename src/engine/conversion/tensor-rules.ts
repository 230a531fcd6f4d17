/**
 * What becomes of the tensors of a folder, by their names. A name is looked up without the prefix of the
 * class it was saved from, with `#` for the number of its layer and `*` for a second number (an expert,
 * a head).
 */

/** Rows of a tensor of the folder, in the order that they will have. */
export type Slice = readonly [firstRow: number, rows: number];

/** The tensor that something becomes; `#` stands for the layer. */
export interface Target {
  readonly to: string;
  /** What is taken of it; all rows unless given. */
  readonly slices?: readonly Slice[];
  /** Of how many tensors, one after the other, it is one: experts, or heads. */
  readonly stackOf?: number;
  /** Fastest-varying first, where it is not that of the rows. */
  readonly shape?: readonly number[];
  /** Heads whose rows go from split to neighbouring pairs, as GGUF has what is rotated. */
  readonly pairsOf?: number;
  readonly change?: WholeChange;
}

/** Changes that need the whole tensor; they are made of small ones, and of GPT-2's matrices. */
export type WholeChange = 'transposed' | 'negative-exponential';

/** Null for what readers compute themselves or do not need. */
export type Rule = string | Target | readonly Target[] | null;
export type Rules = Readonly<Record<string, Rule>>;

export interface PlacedTensor {
  readonly targets: readonly Target[];
  /** Its place among those that become one tensor. */
  readonly index: number;
  /** `.weight`, `.bias`, or nothing for what the folder calls without. */
  readonly suffix: string;
}

const prefixes = /^(?:model\.|transformer\.|gpt_neox\.|backbone\.|bert\.)/;

/** Names that are the same for all: tables that readers compute themselves. */
const computed = /(?:rotary_emb\.inv_freq|attn\.(?:masked_)?bias|attention\.(?:masked_)?bias)$/;

/** Null for a tensor that is left out, undefined for one that is not known. */
export function placeTensor(name: string, rules: Rules): PlacedTensor | null | undefined {
  const short = name.replace(prefixes, '');
  const [, base = short, suffix = ''] = /^(.+?)(\.weight|\.bias)?$/.exec(short) ?? [];
  const numbers: number[] = [];
  const pattern = base.replace(/(?<=\.)\d{1,5}(?=\.|$)/g, (digits) => {
    numbers.push(Number(digits));
    return numbers.length === 1 ? '#' : '*';
  });
  const [layer = 0, index = 0] = numbers;
  if (!Object.hasOwn(rules, pattern)) return computed.test(name) ? null : undefined;
  const rule = rules[pattern];
  if (rule === null || rule === undefined) return null;
  const named = typeof rule === 'string' ? { to: rule } : rule;
  const targets = (isList(named) ? named : [named]).map((target) => ({
    ...target,
    to: target.to.replace('#', String(layer)),
  }));
  return { targets, index, suffix };
}

/** `Array.isArray` does not know of read-only lists. */
function isList(value: Target | readonly Target[]): value is readonly Target[] {
  return Array.isArray(value);
}

/** Rules for the parts of every layer. */
export function inLayers(parts: Rules, folder = 'layers.#'): Rules {
  const moved = (part: Target): Target => ({ ...part, to: `blk.#.${part.to}` });
  return Object.fromEntries(
    Object.entries(parts).map(([name, part]): [string, Rule] => {
      const key = `${folder}.${name}`;
      if (part === null) return [key, null];
      if (typeof part === 'string') return [key, moved({ to: part })];
      return [key, isList(part) ? part.map(moved) : moved(part)];
    }),
  );
}
