/** A grammar over bytes, as it is written down; `compileAutomaton` makes it run. */
export type Expression =
  | { readonly kind: 'bytes'; readonly bytes: readonly number[] }
  /** One byte of these ranges, both ends included. */
  | { readonly kind: 'range'; readonly ranges: readonly (readonly [low: number, high: number])[] }
  | { readonly kind: 'sequence'; readonly items: readonly Expression[] }
  | { readonly kind: 'choice'; readonly items: readonly Expression[] }
  /** `most` null: without end. */
  | {
      readonly kind: 'repeat';
      readonly item: Expression;
      readonly least: number;
      readonly most: number | null;
    }
  | { readonly kind: 'rule'; readonly name: string };

export interface Grammar {
  readonly root: Expression;
  readonly rules: ReadonlyMap<string, Expression>;
}

const encoder = new TextEncoder();

export const literal = (text: string): Expression => ({
  kind: 'bytes',
  bytes: [...encoder.encode(text)],
});
export const range = (...ranges: readonly (readonly [number, number])[]): Expression => ({
  kind: 'range',
  ranges,
});
export const sequence = (...items: readonly Expression[]): Expression =>
  items.length === 1 ? (items[0] as Expression) : { kind: 'sequence', items };
export const choice = (...items: readonly Expression[]): Expression =>
  items.length === 1 ? (items[0] as Expression) : { kind: 'choice', items };
export const repeat = (item: Expression, least: number, most: number | null): Expression => ({
  kind: 'repeat',
  item,
  least,
  most,
});
export const optional = (item: Expression): Expression => repeat(item, 0, 1);
export const rule = (name: string): Expression => ({ kind: 'rule', name });
export const nothing: Expression = { kind: 'sequence', items: [] };
