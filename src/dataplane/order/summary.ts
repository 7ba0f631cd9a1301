/**
 * What a run says about order: moves of flows, reordering per class of flows, who sent to which guest.
 *
 * Promise: plain data read from counters, at rest exact, while workers run each figure at its own moment.
 */
import { formatMac } from '../../mac/address.js';
import { FLOW_CLASSES, type FlowClass } from './flow-class.js';
import { mergeGuests } from './guest-sharing.js';
import { classBase, OrderCounter } from './meter.js';
import { MoveCounter } from './move-counter.js';

/** Order of one class of flows, after RFC 4737. */
export interface OrderFigures {
  class: FlowClass;
  /** Frames watched that were transmitted or delivered, and those that came after a later one of their flow. */
  frames: number;
  reordered: number;
  /** reordered / frames (section 4.1). */
  ratio: number;
  /** Reordering extent (section 4.2) of the reordered frames: completions back to the first later one. */
  extent: { max: number; mean: number };
  /** Frames that are n-reordered (section 5.3) for n = 1, 2 and 3: so many later ones right before them. */
  nReordered: [number, number, number];
}

/** Changes of flows' workers. */
export interface MoveSummary {
  /** Moves done. */
  moves: number;
  /** order=strict: moves that had to wait for the old worker; of these, flows that were held; moves given up. */
  movesPostponed: number;
  movesHeld: number;
  movesCancelled: number;
  /** Frames that went to their flow's old worker meanwhile, and frames that were held. */
  framesPostponed: number;
  framesHeld: number;
}

/** Workers that have sent to each guest: one each is what MAC steering is for. */
export interface GuestSharing {
  /** Unicast destinations that were sent to; `complete` is false when there were more than are remembered. */
  guests: number;
  complete: boolean;
  workers: { max: number; mean: number };
  /** The guests that most workers sent to. */
  most: { mac: string; workers: number }[];
}

/** Guests that the summary names. */
const GUESTS_NAMED = 16;

/** Four significant decimals are all that a count of frames supports. */
const round = (value: number) => Math.round(value * 10_000) / 10_000;

/**
 * @param counters counters of each worker
 * @param base where the words of `MoveCounter` begin in them
 */
export function moveSummary(counters: readonly Float64Array[], base: number): MoveSummary {
  const count = (at: number) => counters.reduce((sum, c) => sum + c[base + at]!, 0);
  return {
    moves: count(MoveCounter.moves),
    movesPostponed: count(MoveCounter.postponed),
    movesHeld: count(MoveCounter.held),
    movesCancelled: count(MoveCounter.cancelled),
    framesPostponed: count(MoveCounter.framesPostponed),
    framesHeld: count(MoveCounter.framesHeld),
  };
}

/**
 * Classes that any frame belonged to.
 * @param order the meters' words of each worker (`carveOrder`)
 */
export function orderFigures(order: readonly Float64Array[]): OrderFigures[] {
  return FLOW_CLASSES.flatMap((name, index) => {
    const base = classBase(index);
    const sum = (at: number) => order.reduce((all, c) => all + c[base + at]!, 0);
    const frames = sum(OrderCounter.frames);
    if (frames === 0) return [];
    const reordered = sum(OrderCounter.reordered);
    return [
      {
        class: name,
        frames,
        reordered,
        ratio: reordered / frames,
        extent: {
          max: order.reduce((most, c) => Math.max(most, c[base + OrderCounter.extentMax]!), 0),
          mean: reordered === 0 ? 0 : round(sum(OrderCounter.extentSum) / reordered),
        },
        nReordered: [sum(OrderCounter.n1), sum(OrderCounter.n2), sum(OrderCounter.n3)],
      },
    ];
  });
}

/** @param tables each worker's table of guests (`carveGuests`) */
export function guestSharing(tables: readonly Int32Array[]): GuestSharing {
  const { guests, full } = mergeGuests(tables);
  const touches = guests.reduce((sum, guest) => sum + guest.workers, 0);
  return {
    guests: guests.length,
    complete: !full,
    workers: {
      max: guests[0]?.workers ?? 0,
      mean: guests.length === 0 ? 0 : round(touches / guests.length),
    },
    most: guests
      .slice(0, GUESTS_NAMED)
      .map(({ high, low, workers }) => ({ mac: formatMac(high, low), workers })),
  };
}
