/**
 * Reordering on virtual time (RFC 4737): which packets finish after a later one of their flow, and how far.
 *
 * Promise: exact. A packet is reordered if a later packet of its flow finished before it (section 3: its number is
 * below the next one expected); its extent is the distance, in finished packets of the flow, to the earliest one that
 * finished before it although it is later (section 4.2.1). Packets with the same finishing time count as in order.
 *
 * Cost: none for flows that stay on their worker, which serves in order. A flow is watched from the moment when a
 * packet will finish before one that is still under way elsewhere, until nothing of it is under way. Watched flows
 * have an object each, of which there are as many as flows with such a race at the same time.
 */
import type { Machine } from './machine.js';

/** One watched flow. Arrays are sorted by finishing time; equal times by number. */
class Watch {
  readonly finish: number[] = [];
  readonly number: number[] = [];
  /** Finished so far, while watched. */
  position = 0;
  /** Packets that were later than all that had finished before them: their numbers and positions. */
  readonly later: number[] = [];
  readonly laterAt: number[] = [];

  add(number: number, finish: number): void {
    let at = this.finish.length;
    while (at > 0 && this.finish[at - 1]! > finish) at--;
    this.finish.splice(at, 0, finish);
    this.number.splice(at, 0, number);
  }
}

/** a after b, for free-running 32-bit numbers. */
function isAfter(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}

export class OrderWatch {
  /** Packets that finished after a later one of their flow. */
  reordered = 0;
  maxExtent = 0;
  readonly #watches = new Map<number, Watch>();

  constructor(readonly machine: Machine) {}

  /**
   * Packet `number` of a flow will finish at `finish`, before an earlier one in ring slot `last` that is under way.
   * Watches the flow: all of its packets that are not finished at `now`, and this one.
   */
  begin(flow: number, last: number, number: number, finish: number, now: number): void {
    const { machine } = this;
    const watch = new Watch();
    watch.add(number, finish);
    let before = number;
    for (let slot = last; slot >= 0; slot = machine.previous[slot]! - 1) {
      // A slot that was used again since holds another packet, and everything before it is finished too.
      if (machine.flow[slot] !== flow || !isAfter(before, machine.number[slot]!)) break;
      if (machine.finish[slot]! <= now) break;
      before = machine.number[slot]!;
      watch.add(before, machine.finish[slot]!);
    }
    this.#watches.set(flow, watch);
  }

  /** Another packet of a watched flow. False when the flow was let go before: nothing of it was under way any more. */
  add(flow: number, number: number, finish: number, now: number): boolean {
    const watch = this.#watches.get(flow)!;
    this.#advance(watch, now);
    if (watch.finish.length === 0) {
      this.#watches.delete(flow);
      return false;
    }
    watch.add(number, finish);
    return true;
  }

  /** The capture has ended: everything under way finishes. */
  finish(): void {
    for (const watch of this.#watches.values()) this.#advance(watch, Number.POSITIVE_INFINITY);
    this.#watches.clear();
  }

  /** Judges the packets that finish up to `now`: whatever comes later finishes later. */
  #advance(watch: Watch, now: number): void {
    const { finish, number, later, laterAt } = watch;
    let done = 0;
    for (; done < finish.length && finish[done]! <= now; done++) {
      const own = number[done]!;
      const position = watch.position++;
      const latest = later.length;
      if (latest === 0 || isAfter(own, later[latest - 1]!)) {
        later.push(own);
        laterAt.push(position);
        continue;
      }
      this.reordered++;
      let low = 0;
      let high = latest - 1;
      while (low < high) {
        const middle = (low + high) >> 1;
        if (isAfter(later[middle]!, own)) high = middle;
        else low = middle + 1;
      }
      this.maxExtent = Math.max(this.maxExtent, position - laterAt[low]!);
    }
    finish.splice(0, done);
    number.splice(0, done);
    this.#forget(watch);
  }

  /** Drops what no packet under way can be compared with any more. */
  #forget(watch: Watch): void {
    const { number, later, laterAt } = watch;
    if (later.length < 64 || number.length === 0) return;
    let earliest = number[0]!;
    for (const own of number) if (isAfter(earliest, own)) earliest = own;
    let useless = 0;
    while (useless < later.length - 1 && !isAfter(later[useless]!, earliest)) useless++;
    later.splice(0, useless);
    laterAt.splice(0, useless);
  }
}
