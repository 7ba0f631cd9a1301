/**
 * Linear algebra over bits, for everything that the linearity of the Toeplitz hash gives away.
 *
 * Promise: exact; sizes are those of hash inputs and keys (hundreds of bits), so nothing here is for hot paths. Pure
 * but for the `LinearSystem`'s own state.
 */

/**
 * A set of equations `xor of some unknown bits = 0 or 1`, kept in echelon form.
 *
 * Rows are 32-bit words, unknown i is bit `i & 31` of word `i >> 5`.
 */
export class LinearSystem {
  readonly unknowns: number;
  readonly #words: number;
  /** Row with this leading unknown, or undefined. Each row has one more word: the right side. */
  readonly #rows: (Uint32Array | undefined)[] = [];
  #rank = 0;

  constructor(unknowns: number) {
    this.unknowns = unknowns;
    this.#words = Math.ceil(unknowns / 32);
  }

  /** Independent equations so far. */
  get rank(): number {
    return this.#rank;
  }

  /** A row with these unknowns and this right side. */
  row(unknowns: Iterable<number>, right: number): Uint32Array {
    const row = new Uint32Array(this.#words + 1);
    for (const unknown of unknowns) row[unknown >> 5]! ^= 1 << (unknown & 31);
    row[this.#words] = right & 1;
    return row;
  }

  /** Adds an equation. Gives false when it contradicts the others. */
  add(row: Uint32Array): boolean {
    const reduced = this.#reduce(row);
    const lead = this.#lead(reduced);
    if (lead < 0) return reduced[this.#words] === 0;
    this.#rows[lead] = reduced;
    this.#rank++;
    return true;
  }

  /** Value of the left side of `row` if the equations determine it, else null. */
  valueOf(row: Uint32Array): number | null {
    const reduced = this.#reduce(row);
    return this.#lead(reduced) < 0 ? reduced[this.#words]! ^ row[this.#words]! : null;
  }

  /** One solution, free unknowns 0; as a bit for each unknown. */
  solve(): Uint8Array {
    const solution = new Uint8Array(this.unknowns);
    for (let lead = this.unknowns - 1; lead >= 0; lead--) {
      const row = this.#rows[lead];
      if (row === undefined) continue;
      let value = row[this.#words]!;
      for (let i = lead + 1; i < this.unknowns; i++) {
        if (((row[i >> 5]! >>> (i & 31)) & 1) === 1) value ^= solution[i]!;
      }
      solution[lead] = value;
    }
    return solution;
  }

  /** A basis of the solutions with all right sides 0: one vector for each free unknown. */
  kernel(): Uint8Array[] {
    const basis: Uint8Array[] = [];
    for (let free = 0; free < this.unknowns; free++) {
      if (this.#rows[free] !== undefined) continue;
      const vector = new Uint8Array(this.unknowns);
      vector[free] = 1;
      for (let lead = this.unknowns - 1; lead >= 0; lead--) {
        const row = this.#rows[lead];
        if (row === undefined) continue;
        let value = 0;
        for (let i = lead + 1; i < this.unknowns; i++) {
          if (((row[i >> 5]! >>> (i & 31)) & 1) === 1) value ^= vector[i]!;
        }
        vector[lead] = value;
      }
      basis.push(vector);
    }
    return basis;
  }

  #lead(row: Uint32Array): number {
    for (let word = 0; word < this.#words; word++) {
      const bits = row[word]!;
      if (bits !== 0) return 32 * word + (31 - Math.clz32(bits & -bits));
    }
    return -1;
  }

  #reduce(row: Uint32Array): Uint32Array {
    const reduced = row.slice();
    for (let i = 0; i < this.unknowns; i++) {
      if (((reduced[i >> 5]! >>> (i & 31)) & 1) === 0) continue;
      const pivot = this.#rows[i];
      if (pivot === undefined) continue;
      for (let word = 0; word <= this.#words; word++) reduced[word]! ^= pivot[word]!;
    }
    return reduced;
  }
}

/** Rank of 32-bit vectors: log2 of how many different sums they have. */
export function rankOf(vectors: Iterable<number>): number {
  const pivots = new Int32Array(32);
  let rank = 0;
  for (const vector of vectors) {
    let rest = vector;
    while (rest !== 0) {
      const lead = 31 - Math.clz32(rest);
      if (pivots[lead] === 0) {
        pivots[lead] = rest;
        rank++;
        break;
      }
      rest ^= pivots[lead]!;
    }
  }
  return rank;
}
