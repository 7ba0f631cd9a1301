/**
 * The receive side of a virtio-net device: which receive queue gets a packet, as the driver's control commands say.
 *
 * Promise: the last accepted command rules; before any, receive queue 0 alone is used and nothing is hashed. A
 * command that the device must refuse changes nothing. `receive` never throws and allocates nothing; `transmit` only
 * for flows that are new. One thread.
 *
 * Source: virtio 1.2, 5.1.6.5.5 to 5.1.6.5.8, and the hash tunnel command of the 1.3 drafts. Fragments, of which
 * it does not speak, have IP types only. Where the device may choose, it takes the lowest queue that is enabled.
 */
import { UserError } from '../errors.js';
import { namedKey } from '../hash/keys.js';
import { BURST_MAX, Burst } from '../packet/burst.js';
import { dissectInnerBurst, InnerPacket, tunnelMask } from '../packet/tunnel.js';
import { hashTypeMask } from './hash-types.js';
import { IndirectionTable } from './indirection-table.js';
import { RssHash } from './rss-hash.js';
import {
  checkVirtioRss,
  decodeVirtioHash,
  decodeVirtioRss,
  decodeVirtioTunnels,
  VIRTIO_CLASS_MQ,
  VIRTIO_CLASS_TUNNEL,
  VirtioMqCommand,
  type VirtioRssLimits,
} from './virtio.js';

/** What the device answers: VIRTIO_NET_OK, or VIRTIO_NET_ERR and why. */
export type VirtioAnswer = { readonly ok: true } | { readonly ok: false; readonly reason: string };

/** Flows that automatic steering remembers; then the oldest goes. */
const FLOWS_MAX = 65536;

/** A virtio-net device with `limits.queues` receive queues. */
export class VirtioDevice {
  readonly limits: VirtioRssLimits;
  /** Who chooses the queue: nobody yet, the device (by the flows that the driver sends), or RSS. */
  mode: 'one' | 'automatic' | 'rss' = 'one';

  #pairs = 1;
  #hash: RssHash | null = null;
  #table: IndirectionTable | null = null;
  #unclassified = 0;
  #tunnels = 0;
  readonly #stopped = new Set<number>();
  /** Transmit queue by the hash of the flow, which is the same in both directions. */
  readonly #flows = new Map<number, number>();
  readonly #flowHash = new RssHash({
    key: namedKey('microsoft'),
    types: hashTypeMask(['ipv4', 'tcp-ipv4', 'udp-ipv4', 'ipv6', 'tcp-ipv6', 'udp-ipv6']),
    symmetric: 'sort',
    start: 0,
    exRule: 'virtio',
  });
  #inner: Burst | null = null;
  readonly #tunnelOf = new Int8Array(BURST_MAX);
  readonly #scratch = new InnerPacket();

  constructor(limits: VirtioRssLimits) {
    this.limits = limits;
  }

  /** Device reset: as in the beginning. */
  reset(): void {
    this.mode = 'one';
    this.#pairs = 1;
    this.#hash = null;
    this.#table = null;
    this.#unclassified = 0;
    this.#tunnels = 0;
    this.#stopped.clear();
    this.#flows.clear();
  }

  /** A command of the control queue: its class, its number, its data. */
  control(group: number, command: number, data: Uint8Array): VirtioAnswer {
    try {
      this.#command(group, command, data);
      return { ok: true };
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      return { ok: false, reason: error.message };
    }
  }

  #command(group: number, command: number, data: Uint8Array): void {
    if (group === VIRTIO_CLASS_TUNNEL && command === 0) {
      this.#tunnels = tunnelMask(decodeVirtioTunnels(data));
    } else if (group === VIRTIO_CLASS_MQ && command === VirtioMqCommand.vqPairsSet) {
      this.#setPairs(data);
    } else if (group === VIRTIO_CLASS_MQ && command === VirtioMqCommand.rssConfig) {
      const config = decodeVirtioRss(data);
      checkVirtioRss(config, this.limits);
      const table = new IndirectionTable(config.table.length, this.limits.queues);
      table.setAll(config.table);
      this.#hash = hashOf(config.key, config.hashTypes);
      this.#table = table;
      this.#unclassified = config.unclassifiedQueue;
      this.mode = 'rss';
    } else if (group === VIRTIO_CLASS_MQ && command === VirtioMqCommand.hashConfig) {
      const config = decodeVirtioHash(data);
      checkVirtioRss({ ...config, unclassifiedQueue: 0, table: [0], maxTxQueue: 0 }, this.limits);
      this.#hash = hashOf(config.key, config.hashTypes);
      this.mode = 'automatic';
    } else {
      throw new UserError(`virtio control: class ${group} command ${command} is not known`);
    }
  }

  #setPairs(data: Uint8Array): void {
    const pairs = data.length === 2 ? data[0]! | (data[1]! << 8) : -1;
    if (pairs < 1 || pairs > this.limits.queues) {
      const given = data.length === 2 ? `${pairs} queue pairs` : `${data.length} bytes`;
      throw new UserError(
        `virtio queue pairs: ${given}: two bytes with 1 to ${this.limits.queues} are needed`,
      );
    }
    this.#pairs = pairs;
    this.mode = 'automatic';
  }

  /** A receive queue is reset (VIRTIO_F_RING_RESET), until it is enabled again. */
  stopQueue(queue: number): void {
    this.#stopped.add(queue);
  }

  /** A receive queue that was reset is enabled again. */
  enableQueue(queue: number): void {
    this.#stopped.delete(queue);
  }

  /** The driver sends a dissected burst on a transmit queue: automatic steering answers on the same one. */
  transmit(burst: Burst, queue: number): void {
    if (this.mode !== 'automatic') return;
    this.#flowHash.hashBurst(burst);
    for (let i = 0; i < burst.n; i++) {
      if (burst.hashType[i] === 0) continue;
      const flow = burst.hash[i]!;
      this.#flows.delete(flow);
      if (this.#flows.size >= FLOWS_MAX) this.#flows.delete(this.#flows.keys().next().value!);
      this.#flows.set(flow, queue);
    }
  }

  /**
   * Packets for the driver: writes `rxq` (-1 = dropped) and `bucket` of each, and the hash report into `hash` and
   * `hashType`.
   */
  receive(burst: Burst): void {
    const { n, rxq, bucket, hash, hashType } = burst;
    if (this.mode === 'automatic') {
      this.#flowHash.hashBurst(burst);
      for (let i = 0; i < n; i++)
        rxq[i] = this.#answerQueue(hashType[i] === 0 ? -1 : this.#queueOf(hash[i]!));
    }
    if (this.#hash === null) {
      hash.fill(0, 0, n);
      hashType.fill(0, 0, n);
    } else this.#report(burst, this.#hash);
    for (let i = 0; i < n; i++) {
      bucket[i] = -1;
      if (this.mode === 'one') rxq[i] = this.#stopped.has(0) ? -1 : 0;
      if (this.#table === null || this.mode !== 'rss') continue;
      let queue = this.#unclassified;
      if (hashType[i] !== 0) {
        bucket[i] = this.#table.bucketOf(hash[i]!);
        queue = this.#table.entries[bucket[i]!]!;
      }
      rxq[i] = this.#stopped.has(queue) ? -1 : queue;
    }
  }

  #queueOf(flow: number): number {
    return this.#flows.get(flow) ?? -1;
  }

  /** The wanted queue if it is one and enabled, else the lowest enabled one; -1 where all are stopped. */
  #answerQueue(wanted: number): number {
    if (wanted >= 0 && wanted < this.#pairs && !this.#stopped.has(wanted)) return wanted;
    for (let queue = 0; queue < this.#pairs; queue++) if (!this.#stopped.has(queue)) return queue;
    return -1;
  }

  /** Hash and type of each packet, of its inner packet where the driver enabled its tunnel. */
  #report(burst: Burst, rss: RssHash): void {
    if (this.#tunnels === 0) {
      rss.hashBurst(burst);
      return;
    }
    let inner = this.#inner;
    if (inner === null || inner.bytes !== burst.bytes) {
      inner = new Burst(burst.bytes);
      this.#inner = inner;
    }
    dissectInnerBurst(burst, inner, this.#tunnels, this.#tunnelOf, this.#scratch);
    rss.hashBurst(inner);
    burst.hash.set(inner.hash);
    burst.hashType.set(inner.hashType);
  }
}

/** Keys shorter than a type needs are filled up with zeros here; the specification does not say. */
function hashOf(key: Uint8Array, types: number): RssHash {
  const whole = new Uint8Array(Math.max(40, key.length));
  whole.set(key);
  return new RssHash({ key: whole, types, symmetric: 'none', start: 0, exRule: 'virtio' });
}
