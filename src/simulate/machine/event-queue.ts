/**
 * The events that are still to come, in the order (time, sequence number).
 *
 * Promise: `pop` gives the earliest, of equal times the one that was pushed first; nothing is allocated but when the
 * queue grows. Times are whole picoseconds below 2^53 (two and a half hours), so sums of them are exact.
 *
 * A heap with four children a node over typed arrays: with the few hundred events that a host has under way it is two
 * to four levels deep, and a node's children lie in one cache line.
 */
export class EventQueue {
  size = 0;
  #time: Float64Array;
  /** Numbers in the order of `push`; a double counts far enough. */
  #sequence: Float64Array;
  #actor: Int32Array;
  #arg: Int32Array;
  #pushed = 0;
  /** The event that `pop` took. */
  time = 0;
  actor = 0;
  arg = 0;

  constructor(capacity = 1024) {
    this.#time = new Float64Array(capacity);
    this.#sequence = new Float64Array(capacity);
    this.#actor = new Int32Array(capacity);
    this.#arg = new Int32Array(capacity);
  }

  /** Time of the earliest event; infinity without one. */
  get first(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : this.#time[0]!;
  }

  push(time: number, actor: number, arg: number): void {
    if (this.size === this.#time.length) this.#grow();
    const times = this.#time;
    const sequences = this.#sequence;
    const actors = this.#actor;
    const args = this.#arg;
    let at = this.size++;
    // A new event has the highest number: it goes up past later times only.
    while (at > 0) {
      const parent = (at - 1) >> 2;
      const t = times[parent]!;
      if (t <= time) break;
      times[at] = t;
      sequences[at] = sequences[parent]!;
      actors[at] = actors[parent]!;
      args[at] = args[parent]!;
      at = parent;
    }
    times[at] = time;
    sequences[at] = this.#pushed++;
    actors[at] = actor;
    args[at] = arg;
  }

  /** Takes the earliest event into `time`, `actor`, `arg`; false when there is none. */
  pop(): boolean {
    if (this.size === 0) return false;
    const times = this.#time;
    const sequences = this.#sequence;
    const actors = this.#actor;
    const args = this.#arg;
    this.time = times[0]!;
    this.actor = actors[0]!;
    this.arg = args[0]!;
    const last = --this.size;
    const time = times[last]!;
    const sequence = sequences[last]!;
    let at = 0;
    for (;;) {
      let child = 4 * at + 1;
      if (child >= last) break;
      const end = Math.min(child + 4, last);
      let t = times[child]!;
      for (let other = child + 1; other < end; other++) {
        const u = times[other]!;
        if (u < t || (u === t && sequences[other]! < sequences[child]!)) {
          child = other;
          t = u;
        }
      }
      if (t > time || (t === time && sequences[child]! > sequence)) break;
      times[at] = t;
      sequences[at] = sequences[child]!;
      actors[at] = actors[child]!;
      args[at] = args[child]!;
      at = child;
    }
    times[at] = time;
    sequences[at] = sequence;
    actors[at] = actors[last]!;
    args[at] = args[last]!;
    return true;
  }

  #grow(): void {
    const capacity = 2 * this.#time.length;
    const grown = <T extends Float64Array | Int32Array>(to: T, from: T): T => {
      to.set(from);
      return to;
    };
    this.#time = grown(new Float64Array(capacity), this.#time);
    this.#sequence = grown(new Float64Array(capacity), this.#sequence);
    this.#actor = grown(new Int32Array(capacity), this.#actor);
    this.#arg = grown(new Int32Array(capacity), this.#arg);
  }
}
