/**
 * Made traffic as frames, for experiments in a program.
 *
 * Promise: the packets of `rxsteer make` with the same options, in order.
 */
import { TrafficMaker } from './maker.js';
import { planTraffic, type TrafficOptions } from './options.js';

/** One packet of made traffic. */
export interface MadePacket {
  /** The Ethernet frame; a new array, the receiver's to keep. */
  readonly frame: Uint8Array;
  /** Nanoseconds since the first packet. */
  readonly time: number;
  /** Flow, 0 … flows - 1. */
  readonly flow: number;
  /** True for packets from the guest (`bothWays`). */
  readonly reverse: boolean;
  readonly fragment: boolean;
}

/**
 * Makes traffic: flows, guests, skew, sizes, protocols, tags, tunnels, fragments, a chosen imbalance; seeded.
 *
 *     for (const { frame } of makeTraffic({ packets: 1000, flows: 50, zipf: 1.1 })) experiment.add(frame);
 *     steerFrames('rss:queues=4', makeFrames({ flows: 100, protocols: { tcp: 3, udp: 1 } }));
 *
 * Options are checked when it is called. @throws UserError
 */
export function makeTraffic(options: TrafficOptions = {}): Generator<MadePacket, void, undefined> {
  return packets(new TrafficMaker(planTraffic(options)));
}

function* packets(maker: TrafficMaker): Generator<MadePacket, void, undefined> {
  for (;;) {
    const length = maker.next(0);
    if (length === 0) return;
    const { time, flow, way, isFragment } = maker;
    yield { frame: maker.bytes.slice(0, length), time, flow, reverse: way === 1, fragment: isFragment };
  }
}

/** The frames of `makeTraffic` alone, as `steerFrames` takes them. @throws UserError */
export function makeFrames(options: TrafficOptions = {}): Generator<Uint8Array, void, undefined> {
  return frames(makeTraffic(options));
}

function* frames(made: Iterable<MadePacket>): Generator<Uint8Array, void, undefined> {
  for (const { frame } of made) yield frame;
}
