/**
 * Frames towards each guest and from it, second by second.
 *
 * Promise: costs the workers nothing. The order ledger counts the frames of each flow, and the census keeps a frame of
 * each: their sums by destination and source address are what guests got and sent. Flows that come and go within a second,
 * or share a slot, are counted with others or not at all, so these are measurements, not accounts.
 *
 * Guests are addresses that frames go to, and anybody can make some up. So `GUESTS_MAX` are told apart; a newcomer takes
 * the place of the idlest only when it brings twice as much in a second as that one does on the average of a minute. The frames
 * of all others are summed up as "other".
 *
 * Main thread only.
 */
import { formatMac } from '../mac/address.js';
import { Series } from './series.js';

/** Guests with figures of their own. */
export const GUESTS_MAX = 64;

export const GUEST_FIELDS = ['toPackets', 'fromPackets'] as const;

/** Weight of a second in the average of a minute. */
const MINUTE = 1 / 60;

/** A guest, and what it got and sent since it is known. */
export interface GuestCount {
  readonly mac: string;
  readonly high: number;
  readonly low: number;
  toPackets: number;
  fromPackets: number;
  /** Frames a second towards it, the last minute's average. */
  level: number;
}

/** Calls with the frames between two addresses of each flow since the last second. */
export type FlowIncrements = (
  visit: (dstHigh: number, dstLow: number, srcHigh: number, srcLow: number, frames: number) => void,
) => void;

/** 48 bits: exact as a number. */
const keyOf = (high: number, low: number) => high * 2 ** 32 + (low >>> 0);

export class GuestRates {
  readonly series = new Series(GUESTS_MAX, GUEST_FIELDS);
  /** What all others got and sent. */
  readonly other = { toPackets: 0, fromPackets: 0 };
  private readonly guests: (GuestCount | null)[] = new Array<GuestCount | null>(GUESTS_MAX).fill(null);
  private readonly byKey = new Map<number, number>();
  private readonly to = new Map<number, number>();
  private readonly from = new Map<number, number>();

  /** One second. */
  turn(increments: FlowIncrements, row: number): void {
    const { to, from } = this;
    to.clear();
    from.clear();
    increments((dstHigh, dstLow, srcHigh, srcLow, frames) => {
      // Groups are nobody.
      if ((dstHigh & 0x100) === 0) add(to, keyOf(dstHigh, dstLow), frames);
      if ((srcHigh & 0x100) === 0) add(from, keyOf(srcHigh, srcLow), frames);
    });
    for (const guest of this.guests) if (guest !== null) guest.level *= 1 - MINUTE;
    for (const [key, frames] of to) {
      const place = this.byKey.get(key) ?? this.admit(key, frames, row);
      if (place < 0) {
        this.other.toPackets += frames;
        continue;
      }
      const guest = this.guests[place]!;
      guest.toPackets += frames;
      guest.level += frames * MINUTE;
    }
    for (const [key, frames] of from) {
      const place = this.byKey.get(key);
      if (place === undefined) this.other.fromPackets += frames;
      else this.guests[place]!.fromPackets += frames;
    }
    this.guests.forEach((guest, place) => {
      if (guest === null) return;
      this.series.open(guest.mac, row);
      this.series.count(place, 0, row, guest.toPackets);
      this.series.count(place, 1, row, guest.fromPackets);
    });
  }

  /** A place for a guest that has none; -1 = it is one of the others. */
  private admit(key: number, frames: number, row: number): number {
    let place = this.guests.indexOf(null);
    if (place < 0) {
      place = 0;
      for (let i = 1; i < GUESTS_MAX; i++) if (this.guests[i]!.level < this.guests[place]!.level) place = i;
      const idlest = this.guests[place]!;
      if (frames < 2 * idlest.level || frames < 2) return -1;
      this.byKey.delete(keyOf(idlest.high, idlest.low));
    }
    const high = Math.floor(key / 2 ** 32);
    const low = (key % 2 ** 32) | 0;
    const mac = formatMac(high, low);
    this.guests[place] = { mac, high, low, toPackets: 0, fromPackets: 0, level: 0 };
    this.byKey.set(key, place);
    this.series.give(place, mac, row);
    return place;
  }

  /** The guests that are told apart, by their places. */
  list(): GuestCount[] {
    return this.guests.filter((guest) => guest !== null);
  }
}

function add(sums: Map<number, number>, key: number, frames: number): void {
  sums.set(key, (sums.get(key) ?? 0) + frames);
}
