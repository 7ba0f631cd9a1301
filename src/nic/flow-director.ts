/**
 * The signature filters of the 82599's Flow Director, and ATR (application targeted routing), which writes them: a
 * flow is received on the queue with the number of the ring on which the host transmitted for it last.
 *
 * Promise: the driver's sampling and the hardware's limits. Nothing removes a filter when its flow ends: a bucket
 * keeps its newest filters and replaces the oldest. Flows with one signature hash share one filter by construction.
 * Allocates for new filters only, never on look-up. One thread.
 *
 * ATR takes no care of order: a flow whose transmitter moves to another ring is received there at once, while frames
 * may still wait in the old queue (Wu, DeMar, Crawford, IEEE Communications Letters 2011); RFS does take care.
 *
 * Source: ixgbe driver (ixgbe_main.c, ixgbe_82599.c, ixgbe_type.h).
 */
import { UserError } from '../errors.js';
import { AtrFlowType, atrSignatureOf } from '../hash/atr.js';
import { type Burst, Kind } from '../packet/burst.js';
import { EtherType, Protocol } from '../packet/protocol.js';
import { protocolOf, TcpFlag, tcpFlags } from './frame-fields.js';

/** Filters of one bucket at most. */
export const BUCKET_FILTERS_MAX = 10;
/** Queue that stands for "drop". */
export const DROP_QUEUE = 127;
/** Packets of a ring from one sample to the next. */
export const ATR_SAMPLE_RATE = 20;
/** Packet buffer that the tables take, and the filters that it holds: of signatures, and perfect ones. */
export const FLOW_DIRECTOR_SIZES = [
  { kib: 64, signatures: 8191, perfect: 2046 },
  { kib: 128, signatures: 16383, perfect: 4094 },
  { kib: 256, signatures: 32767, perfect: 8190 },
] as const;

export type FlowDirectorKib = (typeof FLOW_DIRECTOR_SIZES)[number]['kib'];

/** @throws UserError for another size. */
export function flowDirectorSize(kib: number): (typeof FLOW_DIRECTOR_SIZES)[number] {
  const found = FLOW_DIRECTOR_SIZES.find((size) => size.kib === kib);
  if (found !== undefined) return found;
  throw new UserError(`flow director of ${kib} KiB: 64, 128 or 256 are permitted`);
}

/** The table of signature filters. */
export class SignatureTable {
  readonly capacity: number;
  /** Filters that gave way to newer ones. */
  replaced = 0;
  /** Queue by signature hash, in the order of writing. */
  readonly #queues = new Map<number, number>();
  /** Hashes of each bucket, oldest first. */
  readonly #buckets = new Map<number, number[]>();

  constructor(kib: number = 64) {
    this.capacity = flowDirectorSize(kib).signatures;
  }

  /** Filters in the table. */
  get filters(): number {
    return this.#queues.size;
  }

  /** Queue of a signature hash, or -1. */
  find(hash: number): number {
    return this.#queues.get(hash) ?? -1;
  }

  /** Writes or re-writes a filter, which thereby becomes its bucket's newest. */
  write(hash: number, queue: number): void {
    let bucket = this.#buckets.get(hash & 0x7fff);
    if (bucket === undefined) {
      bucket = [];
      this.#buckets.set(hash & 0x7fff, bucket);
    }
    if (this.#queues.delete(hash)) bucket.splice(bucket.indexOf(hash), 1);
    else if (bucket.length >= BUCKET_FILTERS_MAX) this.#replace(bucket[0]!);
    else if (this.#queues.size >= this.capacity) this.#replace(this.#queues.keys().next().value!);
    bucket.push(hash);
    this.#queues.set(hash, queue);
  }

  #replace(hash: number): void {
    this.#queues.delete(hash);
    const bucket = this.#buckets.get(hash & 0x7fff)!;
    bucket.splice(bucket.indexOf(hash), 1);
    this.replaced++;
  }
}

/** How ATR is set up: queues of the NIC, memory of the signature filters in KiB (`flowDirectorSize`), sampling. */
export interface AtrOptions {
  /** Packets from sample to sample, 1 to 255; 0 = off. */
  readonly sampleRate?: number;
  readonly kib?: number;
  readonly queues: number;
}

/** Application targeted routing of the 82599: what the host transmits writes the filters that receiving asks. One thread. */
export class Atr {
  readonly table: SignatureTable;
  readonly sampleRate: number;
  readonly #counts: Int32Array;

  /** @throws UserError for a rate or size that the chip does not have. */
  constructor(options: AtrOptions) {
    this.sampleRate = options.sampleRate ?? ATR_SAMPLE_RATE;
    if (!Number.isInteger(this.sampleRate) || this.sampleRate < 0 || this.sampleRate > 255) {
      throw new UserError(`atr: sample rate ${this.sampleRate}: 0 (off) to 255 are permitted`);
    }
    this.table = new SignatureTable(options.kib);
    this.#counts = new Int32Array(options.queues);
  }

  /**
   * The host transmits frame `i` on a ring. True where a filter was written: TCP only, on a SYN or once in every
   * `sampleRate` packets of the ring, never on a FIN.
   */
  transmit(burst: Burst, i: number, ring: number): boolean {
    if (this.sampleRate === 0) return false;
    this.#counts[ring]!++;
    const flags = tcpFlags(burst, i);
    if (flags < 0 || (flags & TcpFlag.fin) !== 0) return false;
    if ((flags & TcpFlag.syn) === 0 && this.#counts[ring]! < this.sampleRate) return false;
    this.#counts[ring] = 0;
    this.table.write(this.#hash(burst, i, false), ring);
    return true;
  }

  /** Queue of a received frame, or -1 where no filter has its signature. */
  receive(burst: Burst, i: number): number {
    if ((burst.kind[i]! & Kind.ports) === 0 || this.table.filters === 0) return -1;
    if (protocolOf(burst, i) !== Protocol.tcp) return -1;
    return this.table.find(this.#hash(burst, i, true));
  }

  /** Signature hash as of the transmitted packet of the flow. */
  #hash(burst: Burst, i: number, received: boolean): number {
    const isIpv4 = (burst.kind[i]! & Kind.ipMask) === Kind.ipv4;
    const { view } = burst;
    const ip = burst.l3[i]!;
    const from = ip + (isIpv4 ? 12 : 8);
    const to = ip + (isIpv4 ? 20 : 40);
    let addresses = 0;
    for (let at = from; at < to; at += 4) addresses ^= view.getInt32(at);
    const ports = burst.l4[i]!;
    const source = view.getUint16(received ? ports + 2 : ports);
    const destination = view.getUint16(received ? ports : ports + 2);
    const vlan = burst.vlan[i]! < 0 ? 0 : burst.vlan[i]! & 0xfff;
    const ethertype = vlan !== 0 ? EtherType.vlan : isIpv4 ? EtherType.ipv4 : EtherType.ipv6;
    const type = isIpv4 ? AtrFlowType.tcpIpv4 : AtrFlowType.tcpIpv6;
    return atrSignatureOf((type << 16) | vlan, addresses ^ (((destination ^ ethertype) << 16) | source));
  }
}
