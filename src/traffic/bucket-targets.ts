/**
 * Flows that land on chosen queues: traffic that is uneven under a policy on purpose.
 *
 * Promise: every flow was steered by the compiled policy itself and went where `queues` says; nothing is assumed of
 * the policy. Seeded. Where no flow can reach a queue (its hash ignores what may vary) that is a UserError.
 *
 * How: a flow starts with a random port. Where its queue is wrong and the policy hashes with Toeplitz into a table
 * of a power of two, linear algebra gives the difference in the source port (or, where ports are not hashed, in the
 * client's address) that changes the low bits of the hash to those of a wanted bucket; one correction is enough.
 * For every other policy ports (addresses) are drawn until it fits.
 */
import { UserError } from '../errors.js';
import { bitRange, inputsForHash } from '../hash/key-tools.js';
import { SeededRandom } from '../hash/random.js';
import { hashesPorts } from '../nic/hash-types.js';
import { BURST_MAX, Burst } from '../packet/burst.js';
import { dissectBurst } from '../packet/dissect.js';
import { toSteering } from '../policy/experiment.js';
import { RssSteering } from '../policy/rss.js';
import type { Steering } from '../policy/steering.js';
import { CLIENT_BITS, type FlowTable, PORT_BASE } from './flows.js';
import type { ImbalanceOptions } from './options.js';
import { Permutation } from './permutation.js';
import { TupleSet } from './tuple-ids.js';

/** Rounds of drawing before a queue is called unreachable: a queue of 1 in 4096 is missed once in 10^7. */
const ROUNDS_MAX = 65_536;
/** Rounds in which not a single flow found its place. */
const IDLE_ROUNDS_MAX = 20_000;

/** Where the flows go. */
export interface BucketTargets {
  readonly steering: Steering;
  /** 1 for flows on the hot queue. */
  readonly hot: Uint8Array;
  /** Queue (worker, where the policy has no queues) of each flow. */
  readonly queues: Int32Array;
  readonly queueCount: number;
  /** How often a flow was given another address or port: about once a flow where the algebra applies. */
  readonly changes: number;
}

/** Input differences by the change of the hash's low bits that they make; -1 where there is none. */
class Corrections {
  readonly #tables = new Map<string, Int32Array>();
  readonly #mask: number;
  readonly #lowBits: number;

  constructor(
    readonly key: Uint8Array,
    mask: number,
  ) {
    this.#mask = mask;
    this.#lowBits = 32 - Math.clz32(mask);
  }

  /** The difference for a field: `ports` or addresses, of IPv4 or IPv6. */
  find(ipv6: boolean, ports: boolean, change: number): number {
    const name = `${ipv6}${ports}`;
    let table = this.#tables.get(name);
    if (table === undefined) {
      table = this.#solve(ipv6, ports);
      this.#tables.set(name, table);
    }
    return table[change & this.#mask]!;
  }

  #solve(ipv6: boolean, ports: boolean): Int32Array {
    // The source port without its top bit (ports stay ephemeral), or the low bits of the source address.
    const end = (ipv6 ? 16 : 4) * (ports ? 16 : 8) + (ports ? 16 : 0);
    const bits = bitRange(end - (ports ? 15 : CLIENT_BITS), end);
    const zero = new Uint8Array(Math.ceil(end / 8));
    return Int32Array.from({ length: this.#mask + 1 }, (_, change) => {
      const found = inputsForHash(this.key, zero, bits, change, this.#lowBits)[0];
      if (found === undefined) return -1;
      let value = 0;
      for (const byte of found.subarray(-4)) value = (value << 8) | byte;
      return value & ((1 << (ports ? 15 : CLIENT_BITS)) - 1);
    });
  }
}

/** The linear algebra of a policy, where it has one. */
function correctionsOf(steering: Steering): Corrections | null {
  if (!(steering instanceof RssSteering) || steering.nic !== null) return null;
  const { options } = steering.rssHash;
  const { mask } = steering.table;
  const isLinear = (options.function ?? 'toeplitz') === 'toeplitz' && options.symmetric === 'none';
  if (!isLinear || mask === 0 || mask > 0xffff || (steering.spec.inner ?? []).length > 0) return null;
  return new Corrections(options.key, mask);
}

/** Chooses ports and addresses of all flows so that each lands on its queue. @throws UserError */
export function targetBuckets(flows: FlowTable, wanted: ImbalanceOptions, seed: number): BucketTargets {
  const steering = toSteering(wanted.policy);
  const { policy } = steering.spec;
  if (!['rss', 'rps', 'pools'].includes(policy)) {
    throw new UserError(
      `imbalance: policy ${policy} does not steer by addresses and ports; rss, rps, pools do`,
    );
  }
  const byWorker = policy === 'rps';
  const reached = byWorker ? rpsWorkers(steering) : bitRange(0, steering.queues);
  const queueCount = byWorker ? steering.workers : steering.queues;
  if (!reached.includes(wanted.queue)) {
    const what = byWorker ? 'worker' : 'queue';
    throw new UserError(`imbalance: ${what} ${wanted.queue}: ${steering.text} has ${reached.join(', ')}`);
  }
  const { n } = flows;
  const hot = new Uint8Array(n);
  const count = Math.max(
    wanted.share > 0 ? 1 : 0,
    Math.min(wanted.flows ?? Math.round(n * wanted.share), wanted.share < 1 ? n - 1 : n),
  );
  if (n === 1 && wanted.share < 1 && wanted.share > 0) {
    throw new UserError('imbalance: one flow has one queue: more flows are needed for a share below 1');
  }
  // Hot flows are spread over the ranks, so that both groups have large and small ones.
  const order = new Permutation(n, seed ^ 0x686f74);
  for (let k = 0; k < count; k++) hot[order.at(k)] = 1;
  const others = reached.filter((queue) => queue !== wanted.queue);
  if (others.length === 0 && count < n) {
    throw new UserError(`imbalance: ${steering.text} has one queue: its share is 1`);
  }
  const targets = new Int32Array(n);
  let turn = 0;
  for (let f = 0; f < n; f++) targets[f] = hot[f] === 1 ? wanted.queue : others[turn++ % others.length]!;
  const changes = new Search(flows, steering, targets, byWorker, seed).run();
  return { steering, hot, queues: targets, queueCount, changes };
}

/** Workers that an rps policy steers to. */
function rpsWorkers(steering: Steering): number[] {
  return 'cpus' in steering.spec ? [...new Set(steering.spec.cpus)].sort((a, b) => a - b) : [];
}

/** One search for all flows; lives as long as it runs. */
class Search {
  readonly #flows: FlowTable;
  readonly #steering: Steering;
  readonly #targets: Int32Array;
  readonly #byWorker: boolean;
  readonly #random: SeededRandom;
  readonly #corrections: Corrections | null;
  readonly #burst: Burst;
  readonly #taken = new TupleSet();
  /** Address and port that a flow has now. */
  readonly #clients: Int32Array;
  readonly #ports: Int32Array;
  /** Buckets of each queue. */
  readonly #buckets: number[][] = [];

  constructor(flows: FlowTable, steering: Steering, targets: Int32Array, byWorker: boolean, seed: number) {
    this.#flows = flows;
    this.#steering = steering;
    this.#targets = targets;
    this.#byWorker = byWorker;
    this.#random = new SeededRandom(seed ^ 0x61696d);
    this.#corrections = correctionsOf(steering);
    this.#burst = new Burst(flows.pool);
    this.#clients = Int32Array.from({ length: flows.n }, (_, f) => flows.clientOf(f));
    this.#ports = Int32Array.from({ length: flows.n }, (_, f) => flows.portOf(f));
    if (this.#corrections !== null) {
      const { entries } = (steering as RssSteering).table;
      entries.forEach((queue, bucket) => {
        this.#buckets[queue] ??= [];
        this.#buckets[queue]!.push(bucket);
      });
    }
  }

  /** Until every flow is where it shall be; gives the number of changes. @throws UserError */
  run(): number {
    const { n } = this.#flows;
    // A window of flows that have no place yet; found ones are replaced by the next flow.
    const window = new Int32Array(BURST_MAX);
    const tries = new Int32Array(BURST_MAX);
    let size = 0;
    let nextFlow = 0;
    let idle = 0;
    let changes = 0;
    for (;;) {
      while (size < BURST_MAX && nextFlow < n) {
        tries[size] = 0;
        window[size++] = nextFlow++;
      }
      if (size === 0) return changes;
      this.#steer(window, size);
      let kept = 0;
      for (let i = 0; i < size; i++) {
        const flow = window[i]!;
        if (this.#isPlaced(i, flow)) continue;
        if (tries[i]! >= ROUNDS_MAX) this.#fail(flow, i);
        this.#change(i, flow, tries[i]!);
        changes++;
        window[kept] = flow;
        tries[kept++] = tries[i]! + 1;
      }
      idle = kept === size ? idle + 1 : 0;
      if (idle > IDLE_ROUNDS_MAX) this.#fail(window[0]!, 0);
      size = kept;
    }
  }

  #steer(window: Int32Array, size: number): void {
    const burst = this.#burst;
    const { stride, ways } = this.#flows;
    burst.n = 0;
    for (let i = 0; i < size; i++) {
      const entry = window[i]! * ways;
      burst.add(entry * stride, this.#flows.lengthOf(entry));
    }
    dissectBurst(burst);
    this.#steering.steer(burst);
  }

  #isPlaced(i: number, flow: number): boolean {
    const burst = this.#burst;
    const queue = this.#byWorker ? burst.worker[i]! : burst.rxq[i]!;
    if (queue !== this.#targets[flow]) return false;
    // Tunnels share outer tuples; without addresses (MPLS, PPPoE) there is none.
    const { kind } = this.#flows.templates[this.#flows.kinds[flow * this.#flows.ways]!]!;
    return kind.tunnel !== null || this.#taken.addFrame(burst, i);
  }

  /** Other address or port: by algebra at first, else drawn. */
  #change(i: number, flow: number, tries: number): void {
    const random = this.#random;
    const { kind } = this.#flows.templates[this.#flows.kinds[flow * this.#flows.ways]!]!;
    const type = this.#burst.hashType[i]!;
    const hasPorts = hashesPorts(type);
    const aimable = this.#corrections !== null && type !== 0 && kind.tunnel === null;
    // An algebraic correction lands; when its tuple is taken, the next one starts from a new random place.
    if (aimable && tries % 2 === 0) {
      const buckets = this.#buckets[this.#targets[flow]!]!;
      const bucket = buckets[random.below(buckets.length)]!;
      const change = this.#burst.hash[i]! ^ bucket;
      const difference = this.#corrections.find(kind.version === 6, hasPorts, change);
      if (difference >= 0) {
        if (hasPorts) this.#ports[flow]! ^= difference;
        else this.#clients[flow]! ^= difference;
        this.#flows.set(flow, this.#clients[flow]!, this.#ports[flow]!);
        return;
      }
    }
    if (kind.tunnel !== null) this.#flows.setEntropy(flow, random.next());
    this.#ports[flow] = PORT_BASE + random.below(PORT_BASE);
    // Where ports are not hashed only another address helps; tried in turn, since not every policy says.
    if (!hasPorts && tries % 2 === 1) this.#clients[flow] = random.below(2 ** CLIENT_BITS);
    this.#flows.set(flow, this.#clients[flow]!, this.#ports[flow]!);
  }

  #fail(flow: number, i: number): never {
    const why = this.#steering.explain(this.#burst, i);
    const target = this.#targets[flow]!;
    const what = this.#byWorker ? 'worker' : 'queue';
    throw new UserError(
      `imbalance: no ${what} ${target} for flow ${flow} under ${this.#steering.text}, ` +
        `whatever its address and port: ${why}`,
    );
  }
}
