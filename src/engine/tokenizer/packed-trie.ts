/**
 * A trie over numbers (bytes, UTF-16 units) in typed arrays: the edges are an open-addressing hash
 * table of (node, label) -> node. A vocabulary of 250,000 tokens has about 700,000 nodes; with a Map a
 * node they would take some hundred megabytes, here they take 25.
 */

/** No node, no value. */
export const absent = -1;

export class PackedTrie {
  /** Where every walk begins. */
  readonly root = 0;
  #nodes = 1;
  #values = new Int32Array(64).fill(absent);
  #parents = new Int32Array(128).fill(absent);
  #labels = new Int32Array(128);
  #children = new Int32Array(128);

  get isEmpty(): boolean {
    return this.#nodes === 1;
  }

  /** The first value of equal keys counts; an empty key is ignored. */
  add(key: ArrayLike<number>, value: number): void {
    if (key.length === 0) return;
    let node = this.root;
    for (let index = 0; index < key.length; index += 1) node = this.#grow(node, key[index] ?? 0);
    if (this.#values[node] === absent) this.#values[node] = value;
  }

  /** The node behind the edge `label`, or `absent`. */
  child(node: number, label: number): number {
    const slot = this.#slot(node, label);
    return this.#parents[slot] === absent ? absent : (this.#children[slot] ?? absent);
  }

  /** The value of the key that ends at a node, or `absent`. */
  value(node: number): number {
    return this.#values[node] ?? absent;
  }

  #grow(node: number, label: number): number {
    let slot = this.#slot(node, label);
    if (this.#parents[slot] !== absent) return this.#children[slot] ?? absent;
    if (3 * this.#nodes > 2 * this.#parents.length) {
      this.#enlarge();
      slot = this.#slot(node, label);
    }
    const child = this.#nodes;
    this.#nodes += 1;
    this.#parents[slot] = node;
    this.#labels[slot] = label;
    this.#children[slot] = child;
    if (child >= this.#values.length) {
      const values = new Int32Array(2 * this.#values.length).fill(absent);
      values.set(this.#values);
      this.#values = values;
    }
    return child;
  }

  #enlarge(): void {
    const [parents, labels, children] = [this.#parents, this.#labels, this.#children];
    const slots = 2 * parents.length;
    this.#parents = new Int32Array(slots).fill(absent);
    this.#labels = new Int32Array(slots);
    this.#children = new Int32Array(slots);
    for (const [old, parent] of parents.entries()) {
      if (parent === absent) continue;
      const label = labels[old] ?? 0;
      const slot = this.#slot(parent, label);
      this.#parents[slot] = parent;
      this.#labels[slot] = label;
      this.#children[slot] = children[old] ?? absent;
    }
  }

  /** Where the edge lies, or the free slot where it would. */
  #slot(node: number, label: number): number {
    const mask = this.#parents.length - 1;
    let hash = Math.imul(node, 0x9e3779b1) ^ Math.imul(label, 0x85ebca6b);
    hash ^= hash >>> 15;
    let slot = hash & mask;
    while (
      this.#parents[slot] !== absent &&
      (this.#parents[slot] !== node || this.#labels[slot] !== label)
    ) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}

/** The UTF-16 units of a text, as a key. */
export function unitsOf(text: string): Uint16Array {
  const units = new Uint16Array(text.length);
  for (let index = 0; index < text.length; index += 1) units[index] = text.charCodeAt(index);
  return units;
}
