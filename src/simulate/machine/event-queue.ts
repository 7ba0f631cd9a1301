/**
 * The events that are still to come, in the order (time, sequence number).
 *
 * Promise: `popUntil` gives the earliest, of equal times the one that was pushed first; nothing is allocated but when
 * the queue grows. Times are whole picoseconds below 2^53 (two and a half hours), so sums of them are exact. An event
 * costs the same whether ten or a thousand are under way.
 *
 * A calendar (R. Brown, "Calendar queues", CACM 1988): a bucket for each slice of time, around and around, each with
 * its events in order. Slices are as long as a few events are apart; when that changes so much that events have to walk
 * far, the calendar is written anew. How long a slice is changes what an event costs, never the order.
 */

/** Numbers of an event in `#words`. */
const ACTOR = 0;
const ARG = 1;
const NEXT = 2;
const WORDS = 4;

/** Buckets at least. */
const LEAST = 256;
/** Events between two looks at what they cost: the first, and at most while few are under way. */
const FIRST_LOOK = 128;
const LOOK = 2048;
/** Events of which the distances are looked at when many are pushed at once. */
const SAMPLE = 64;
/** Steps for an event above which the calendar does not fit. */
const FITS = 0.5;

export class EventQueue {
  size = 0;
  /** Events passed and buckets turned over in all, beyond one for each event: what order costs. */
  steps = 0;
  /** The event that `popUntil` took. */
  time = 0;
  actor = 0;
  arg = 0;
  #times: Float64Array;
  #words: Int32Array;
  #free = -1;
  #used = 0;
  /** First and last event of each bucket; -1 = empty. */
  #heads = new Int32Array(LEAST).fill(-1);
  #tails = new Int32Array(LEAST).fill(-1);
  #mask = LEAST - 1;
  /** Length of a slice, a power of two. */
  #width = 2 ** 20;
  #perWidth = 2 ** -20;
  /** The bucket whose turn it is, and the end of its slice. */
  #at = 0;
  #end = 0;
  // Since the last look.
  #popped = 0;
  #lookAt = FIRST_LOOK;
  #stepsThen = 0;
  #timeThen = 0;

  constructor(capacity = 1024) {
    this.#times = new Float64Array(capacity);
    this.#words = new Int32Array(WORDS * capacity);
  }

  push(time: number, actor: number, arg: number): void {
    let event = this.#free;
    if (event >= 0) this.#free = this.#words[WORDS * event + NEXT]!;
    else {
      if (this.#used === this.#times.length) this.#grow();
      event = this.#used++;
    }
    const words = this.#words;
    this.#times[event] = time;
    words[WORDS * event + ACTOR] = actor;
    words[WORDS * event + ARG] = arg;
    if (2 * ++this.size > this.#heads.length) this.#rewrite(2 * this.#heads.length, this.#widthForMore());
    this.#insert(event, time);
  }

  #insert(event: number, time: number): void {
    const slice = time * this.#perWidth;
    const bucket = slice & this.#mask;
    // Before the present slice (it went ahead), or the only event.
    if (time < this.#end - this.#width || this.size === 1) {
      this.#at = bucket;
      this.#end = (Math.floor(slice) + 1) * this.#width;
    }
    const times = this.#times;
    const words = this.#words;
    const tails = this.#tails;
    const tail = tails[bucket]!;
    if (tail < 0) {
      this.#heads[bucket] = event;
      tails[bucket] = event;
      words[WORDS * event + NEXT] = -1;
      return;
    }
    if (times[tail]! <= time) {
      words[WORDS * tail + NEXT] = event;
      words[WORDS * event + NEXT] = -1;
      tails[bucket] = event;
      return;
    }
    let next = this.#heads[bucket]!;
    if (times[next]! > time) {
      words[WORDS * event + NEXT] = next;
      this.#heads[bucket] = event;
      return;
    }
    let before = next;
    do {
      before = next;
      next = words[WORDS * next + NEXT]!;
      this.steps++;
    } while (times[next]! <= time);
    words[WORDS * before + NEXT] = event;
    words[WORDS * event + NEXT] = next;
  }

  /** Takes the earliest event into `time`, `actor`, `arg`; false when there is none up to and including `until`. */
  popUntil(until: number): boolean {
    if (this.size === 0) return false;
    const heads = this.#heads;
    const times = this.#times;
    let event = heads[this.#at]!;
    if (event < 0 || times[event]! >= this.#end) event = this.#turn();
    const time = times[event]!;
    if (time > until) return false;
    const words = this.#words;
    const next = words[WORDS * event + NEXT]!;
    heads[this.#at] = next;
    if (next < 0) this.#tails[this.#at] = -1;
    this.time = time;
    this.actor = words[WORDS * event + ACTOR]!;
    this.arg = words[WORDS * event + ARG]!;
    words[WORDS * event + NEXT] = this.#free;
    this.#free = event;
    this.size--;
    if (++this.#popped >= this.#lookAt) this.#look();
    return true;
  }

  /** Goes on to the bucket of the earliest event and returns that. */
  #turn(): number {
    const heads = this.#heads;
    const times = this.#times;
    const mask = this.#mask;
    const width = this.#width;
    let at = this.#at;
    let end = this.#end;
    for (let turned = 0; turned <= mask; turned++) {
      at = (at + 1) & mask;
      end += width;
      const event = heads[at]!;
      if (event >= 0 && times[event]! < end) {
        this.steps += turned;
        this.#at = at;
        this.#end = end;
        return event;
      }
    }
    // Nothing within a whole turn: looks for the earliest.
    this.steps += 2 * mask;
    let first = -1;
    for (let bucket = 0; bucket <= mask; bucket++) {
      const event = heads[bucket]!;
      if (event >= 0 && (first < 0 || times[event]! < times[first]!)) {
        first = event;
        this.#at = bucket;
      }
    }
    this.#end = (Math.floor(times[first]! * this.#perWidth) + 1) * width;
    return first;
  }

  /** Whether the slices still fit the distances of events. */
  #look(): void {
    const steps = this.steps - this.#stepsThen;
    // Writing anew costs as much as all events that are under way.
    if (this.#popped < this.size) return;
    const gap = (this.time - this.#timeThen) / this.#popped;
    this.#lookAt = Math.min(2 * this.#lookAt, LOOK);
    const isFitting = steps <= FITS * this.#popped;
    this.#popped = 0;
    this.#stepsThen = this.steps;
    this.#timeThen = this.time;
    if (isFitting || gap <= 0) return;
    let width = 1;
    while (width < gap) width *= 2;
    if (width !== this.#width) this.#rewrite(this.#heads.length, width);
  }

  /** Length of a slice for more events: the present one, unless those that came had to walk far. */
  #widthForMore(): number {
    if (this.steps - this.#stepsThen <= FITS * this.size) return this.#width;
    this.#stepsThen = this.steps;
    // The middle half of a sample: a few events may lie far ahead.
    const sample = new Float64Array(SAMPLE);
    for (let i = 0; i < SAMPLE; i++) sample[i] = this.#times[Math.floor((i * this.#used) / SAMPLE)]!;
    sample.sort();
    const gap = (sample[(3 * SAMPLE) >> 2]! - sample[SAMPLE >> 2]!) / (this.size / 2);
    if (gap <= 0) return this.#width;
    let width = 1;
    while (width < gap) width *= 2;
    return width;
  }

  /** The same events in other buckets, those of equal times in the order that they had. */
  #rewrite(buckets: number, width: number): void {
    const from = this.#heads;
    this.#heads = new Int32Array(buckets).fill(-1);
    this.#tails = new Int32Array(buckets).fill(-1);
    this.#mask = buckets - 1;
    this.#width = width;
    this.#perWidth = 1 / width;
    this.#end = (Math.floor(this.time * this.#perWidth) + 1) * width;
    this.#at = (this.time * this.#perWidth) & this.#mask;
    for (const head of from) {
      for (let event = head; event >= 0; ) {
        const next = this.#words[WORDS * event + NEXT]!;
        this.#insert(event, this.#times[event]!);
        event = next;
      }
    }
  }

  #grow(): void {
    const times = new Float64Array(2 * this.#times.length);
    times.set(this.#times);
    this.#times = times;
    const words = new Int32Array(2 * this.#words.length);
    words.set(this.#words);
    this.#words = words;
  }
}
