/**
 * From counts to the result object.
 *
 * Promise: pure; counts of all policies come from the same pass, so that flow numbers agree.
 */
import { HASH_TYPE_NAMES, type HashTypeName } from '../nic/hash-types.js';
import { fullestOverFair, gini } from '../policy/spread.js';
import type { FlowView } from './flow-table.js';
import { placeWord, queueOf, workerOf } from './places.js';
import type { CaptureFacts, FlowFact, PolicyResult, ReplayShare } from './result.js';
import type { RunCounts } from './tally.js';

function shares(
  packets: Float64Array,
  bytes: Float64Array,
  flows: Float64Array,
  allFlows: number,
): ReplayShare[] {
  return Array.from(packets, (count, id) => ({
    id,
    packets: count,
    bytes: bytes[id]!,
    flows: flows[id]! < 0 ? allFlows : flows[id]!,
  }));
}

/** Hash types that occurred, and `none` at any rate. */
function hashTypes(counts: Float64Array): Partial<Record<HashTypeName, number>> {
  const types: Partial<Record<HashTypeName, number>> = {};
  counts.forEach((packets, type) => {
    if (packets > 0 && type > 0) types[HASH_TYPE_NAMES[type]!] = packets;
  });
  types.none = counts[0]!;
  return types;
}

/** Flows that are in another queue (worker, where one of the two has no queues) than under the other policy. */
function flowsMoved(flows: number, own: RunCounts, other: RunCounts): number {
  const mine = new Int32Array(own.places);
  const theirs = new Int32Array(other.places);
  const byQueue = own.hasQueues && other.hasQueues;
  let moved = 0;
  for (let flow = 0; flow < flows; flow++) {
    const a = mine[2 * flow]!;
    const b = theirs[2 * flow]!;
    if (byQueue ? queueOf(a) !== queueOf(b) : workerOf(a) !== workerOf(b)) moved++;
  }
  return moved;
}

/** @param first the counts of the first policy, or null for that policy itself. @param top the largest flows. */
export function policyResult(
  counts: RunCounts,
  first: RunCounts | null,
  capture: CaptureFacts,
  flows: FlowView,
  top: readonly number[],
  virtualNs: number,
): PolicyResult {
  const { packets } = counts;
  const per = (count: number, of: number) => (of === 0 ? 0 : count / of);
  const places = new Int32Array(counts.places);
  const topFlows = top.map((flow): FlowFact => {
    const word = places[2 * flow] ?? placeWord(0, -1);
    const queue = queueOf(word);
    return {
      flow: flows.text(flow),
      packets: flows.packets(flow),
      bytes: flows.bytes(flow),
      queue: queue < 0 ? null : queue,
      worker: workerOf(word),
      share: per(flows.packets(flow), capture.packets),
    };
  });
  const workers = shares(counts.workerPackets, counts.workerBytes, counts.workerFlows, capture.flows);
  return {
    policy: counts.policy,
    label: null,
    queues: shares(counts.queuePackets, counts.queueBytes, counts.queueFlows, capture.flows),
    workers: workers.map((share) => ({ ...share, busyRatio: per(counts.workerBusy[share.id]!, virtualNs) })),
    buckets: Array.from(counts.buckets),
    fullestOverFair: fullestOverFair(counts.workerPackets),
    gini: gini(counts.workerPackets),
    handoffsPerPacket: per(counts.handoffs, packets),
    wakeupsPerPacket: per(counts.wakeups, packets),
    reordered: {
      packets: counts.reordered,
      ratio: per(counts.reordered, counts.flowPackets),
      maxExtent: counts.maxExtent,
    },
    moves: { total: counts.moves, inFlight: counts.movesInFlight, held: counts.movesHeld },
    hashTypes: hashTypes(counts.hashTypes),
    backlogDrops: counts.dropped,
    overTime: { intervalSeconds: counts.intervalNs / 1e9, loads: counts.loads },
    topFlows,
    elephants: flows.above(packets / counts.workerPackets.length),
    flowsMoved: first === null ? null : flowsMoved(capture.flows, counts, first),
    assumed: [],
    otherwise: null,
  };
}
