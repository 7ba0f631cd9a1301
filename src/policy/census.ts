/**
 * The flows that a running forwarder has seen, and where a policy would send them.
 *
 * Promise: pure; the compiled policy that is asked is the caller's own (a policy that learns does so from the flows,
 * in the order of the census). Each flow's first header bytes stand for all of its packets. Not for the hot path.
 */
import { formatMac } from '../mac/address.js';
import { BURST_MAX, Burst, FrameFlag, Kind } from '../packet/burst.js';
import { describeFrame } from '../packet/describe.js';
import { dissectBurst } from '../packet/dissect.js';
import { flowName } from '../packet/flow-name.js';
import type { Steering } from './steering.js';

/** A flow as the data plane has seen it. */
export interface SeenFlow {
  /** First bytes of one of its frames, from the Ethernet header on: enough for all headers. */
  readonly frame: Uint8Array;
  /** Where it was received: index of the port, and its receive queue. */
  readonly port: number;
  readonly queue: number;
  /** The worker that its last frame went to. */
  readonly worker: number;
  /** Frames counted. */
  readonly packets: number;
}

/** What a policy does with each flow of a census, by its index. */
export interface Placement {
  readonly worker: Int32Array;
  /** Index into the indirection table, or -1. */
  readonly bucket: Int32Array;
}

/** Header bytes of a flow at most; more are ignored. */
const HEADER_BYTES_MAX = 512;

/** Dissected bursts of a census. Planning goes through it several times, and this is most of the work of a time. */
const dissected = new WeakMap<readonly SeenFlow[], readonly Burst[]>();

function dissect(flows: readonly SeenFlow[]): readonly Burst[] {
  const bursts: Burst[] = [];
  for (let from = 0; from < flows.length; ) {
    const { port, queue } = flows[from]!;
    let to = from;
    let bytes = 0;
    for (; to < flows.length && to - from < BURST_MAX; to++) {
      const flow = flows[to]!;
      if (flow.port !== port || flow.queue !== queue) break;
      bytes += Math.min(flow.frame.length, HEADER_BYTES_MAX);
    }
    const burst = new Burst(new Uint8Array(bytes));
    burst.port = port;
    burst.queue = queue;
    let end = 0;
    for (; from < to; from++) {
      const { frame } = flows[from]!;
      burst.bytes.set(frame.length > HEADER_BYTES_MAX ? frame.subarray(0, HEADER_BYTES_MAX) : frame, end);
      const length = Math.min(frame.length, HEADER_BYTES_MAX);
      // Cut off behind the headers: lengths that point beyond it are no contradiction.
      burst.add(end, length, FrameFlag.truncated);
      end += length;
    }
    dissectBurst(burst);
    bursts.push(burst);
  }
  return bursts;
}

/**
 * Calls back with dissected bursts of the flows `from … from + burst.n - 1`; a burst holds flows of one port. They are
 * kept as long as the array of flows is, which must not be changed: steering may write only what steering writes.
 */
export function forEachBurst(flows: readonly SeenFlow[], visit: (burst: Burst, from: number) => void): void {
  let bursts = dissected.get(flows);
  if (bursts === undefined) {
    bursts = dissect(flows);
    dissected.set(flows, bursts);
  }
  let from = 0;
  for (const burst of bursts) {
    visit(burst, from);
    from += burst.n;
  }
}

/** Where a policy sends each flow. A policy with state goes through the flows twice, so that it knows all guests. */
export function placeFlows(steering: Steering, flows: readonly SeenFlow[]): Placement {
  const placement = { worker: new Int32Array(flows.length), bucket: new Int32Array(flows.length) };
  const learns = steering.spec.policy === 'mac';
  for (let pass = learns ? 0 : 1; pass < 2; pass++) {
    forEachBurst(flows, (burst, from) => {
      steering.steer(burst);
      placement.worker.set(burst.worker.subarray(0, burst.n), from);
      placement.bucket.set(burst.bucket.subarray(0, burst.n), from);
    });
  }
  return placement;
}

/** Names of a flow: for people, for lists of what must not move, and to find it again in a later census. */
export interface FlowNames {
  /** `udp 10.0.0.1:1000 > 10.0.0.2:53`; fragments and what has no ports without them. Empty when not IP. */
  readonly flow: string;
  /** Destination MAC, null for group addresses and frames without one. */
  readonly mac: string | null;
  /** VLAN id, 0 where untagged. */
  readonly vlan: number;
  /** The same for the same flow at the same receive queue, whatever its frame's length. */
  readonly key: string;
}

function textOf(burst: Burst, i: number): string {
  const frame = describeFrame(burst, i);
  return frame.src === null ? '' : flowName(frame);
}

/**
 * The names of all flows, by index. Without `texts`, `flow` and `key` are left empty: they are most of the work, and
 * guests' names are enough where nobody asks for single flows.
 */
export function nameFlows(flows: readonly SeenFlow[], { texts = true } = {}): FlowNames[] {
  const names: FlowNames[] = [];
  // Many flows, few guests.
  const macs = new Map<number, string>();
  const macOf = (high: number, low: number) => {
    const number = high * 0x1_0000_0000 + (low >>> 0);
    let mac = macs.get(number);
    if (mac === undefined) {
      mac = formatMac(high, low);
      macs.set(number, mac);
    }
    return mac;
  };
  forEachBurst(flows, (burst) => {
    for (let i = 0; i < burst.n; i++) {
      const unicast = burst.len[i]! >= 6 && (burst.kind[i]! & Kind.group) === 0;
      const vlan = burst.vlan[i]! < 0 ? 0 : burst.vlan[i]! & 0xfff;
      const flow = texts ? textOf(burst, i) : '';
      names.push({
        flow,
        mac: unicast ? macOf(burst.dmacHi[i]!, burst.dmacLo[i]!) : null,
        vlan,
        key: texts ? `${burst.port}/${burst.queue}/${vlan}/${flow}` : '',
      });
    }
  });
  return names;
}
