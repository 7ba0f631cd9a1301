/**
 * Which packets of a capture count: those that a NIC received, unless something else is asked for.
 *
 * Promise: what is left out is counted by reason, in this order: direction (as the file states it; what states none
 * counts as received), destination, filter. Super-frames are counted among the packets that stay. Packets that are left out
 * have no effect on anything else. One thread; nothing is allocated per packet.
 */

import { directionOf } from '../capture/direction.js';
import { type CaptureBatch, Direction, LinkType } from '../capture/format.js';
import { UserError, unknownName } from '../errors.js';
import type { BpfProgram } from '../packet/bpf.js';
import { NetworkHeader } from './network-header.js';
import { PacketTargets } from './packet-target.js';
import { SuperFrames } from './super-frames.js';

/** Packets that count: received, sent, or all. */
export type PacketDirection = 'in' | 'out' | 'both';

const DIRECTIONS: readonly string[] = ['in', 'out', 'both'];
/** What holds where nobody says: Ethernet's. */
export const DEFAULT_MTU = 1500;
const ETHERNET_HEADER = 14;

/** What counts; plain data, since it travels to the reading thread. */
export interface PacketChoice {
  /** Default `in`: received packets, where the file states directions. */
  readonly direction?: PacketDirection;
  /** Only packets to one of these MAC addresses, IP addresses or networks (`192.0.2.0/24`). */
  readonly to?: readonly string[];
  /** Only packets that this pcap-filter expression takes; tcpdump compiles it. */
  readonly filter?: string;
  /** Bytes of the longest network packet on the wire; longer ones count as super-frames. Default 1500. */
  readonly mtu?: number;
}

/** What was left out, and what else there is to know about which packets counted. */
export interface ChoiceFacts {
  readonly direction: PacketDirection;
  /** Packets of the capture that the file states to be received, and sent. */
  readonly incoming: number;
  readonly outgoing: number;
  /** Packets that do not count, by reason. */
  readonly leftOut: { readonly direction: number; readonly to: number; readonly filter: number };
  readonly mtu: number;
  /** Frames above the MTU among those that count, and an estimate of all packets on the wire. */
  readonly superFrames: number;
  readonly wirePackets: number;
}

/** @throws UserError for a word that is none */
export function parseDirection(text: string): PacketDirection {
  if (!DIRECTIONS.includes(text)) throw unknownName('--direction', text, DIRECTIONS);
  return text as PacketDirection;
}

/** Compiles a filter for a link type. */
export type FilterCompiler = (expression: string, linkType: number) => BpfProgram;

/** Goes through the batches of a capture, before anything else sees them. */
export class Chooser {
  incoming = 0;
  outgoing = 0;
  readonly superFrames: SuperFrames;
  readonly leftOut = { direction: 0, to: 0, filter: 0 };
  readonly direction: PacketDirection;
  readonly #unwanted: number;
  readonly #isAsked: boolean;
  readonly #targets: PacketTargets | null;
  readonly #filter: string | null;
  readonly #programs = new Map<number, BpfProgram>();
  readonly #header = new NetworkHeader();
  #compile: FilterCompiler | null = null;

  /** @throws UserError */
  constructor(choice: PacketChoice = {}) {
    this.direction = choice.direction ?? 'in';
    if (!DIRECTIONS.includes(this.direction)) throw unknownName('direction', this.direction, DIRECTIONS);
    this.#isAsked = choice.direction !== undefined;
    this.#unwanted =
      this.direction === 'in' ? Direction.sent : this.direction === 'out' ? Direction.received : -1;
    this.#targets = choice.to === undefined || choice.to.length === 0 ? null : new PacketTargets(choice.to);
    this.#filter = choice.filter ?? null;
    this.superFrames = new SuperFrames(choice.mtu ?? DEFAULT_MTU);
  }

  /** Loads what compiles filters, where there is one. */
  async prepare(): Promise<void> {
    if (this.#filter !== null) this.#compile ??= (await import('./pcap-filter.js')).compileFilter;
  }

  /**
   * Takes out of the batch what does not count; it may become empty. Gives whether all that is left are Ethernet
   * frames. @throws UserError for a filter that is wrong
   */
  apply(batch: CaptureBatch): boolean {
    const { n, linkType, original } = batch;
    // Most frames are shorter whatever tags they have.
    const least = this.superFrames.mtu + ETHERNET_HEADER;
    let isLong = false;
    let isEthernet = true;
    for (let i = 0; i < n; i++) {
      if (linkType[i] !== LinkType.ethernet) isEthernet = false;
      if (original[i]! > least) isLong = true;
    }
    if (!isEthernet || this.#targets !== null || this.#filter !== null || batch.stated) this.#choose(batch);
    else if (isLong) for (let i = 0; i < n; i++) if (original[i]! > least) this.#measure(batch, i);
    return isEthernet;
  }

  #measure(batch: CaptureBatch, i: number): void {
    this.#header.find(batch, i);
    this.superFrames.take(batch, i, this.#header);
  }

  #choose(batch: CaptureBatch): void {
    const { n } = batch;
    const header = this.#header;
    const filter = this.#filter;
    const { bytes } = batch;
    const view = filter === null ? null : new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let kept = 0;
    for (let i = 0; i < n; i++) {
      const direction = directionOf(batch, i);
      if (direction === Direction.received) this.incoming++;
      else if (direction === Direction.sent) this.outgoing++;
      header.find(batch, i);
      if (direction === this.#unwanted || (direction === Direction.unknown && this.direction === 'out')) {
        this.leftOut.direction++;
      } else if (this.#targets !== null && !this.#targets.has(batch, i, header)) {
        this.leftOut.to++;
      } else if (
        view !== null &&
        !this.#program(batch.linkType[i]!).accepts(view, batch.off[i]!, batch.len[i]!, batch.original[i]!)
      ) {
        this.leftOut.filter++;
      } else {
        this.superFrames.take(batch, i, header);
        if (kept < i) move(batch, i, kept);
        kept++;
      }
    }
    batch.n = kept;
  }

  #program(linkType: number): BpfProgram {
    let program = this.#programs.get(linkType);
    if (program === undefined) {
      if (this.#compile === null) throw new UserError('--filter: not prepared');
      program = this.#compile(this.#filter!, linkType);
      this.#programs.set(linkType, program);
    }
    return program;
  }

  /** @param packets those that counted */
  facts(packets: number): ChoiceFacts {
    const { frames, segments, mtu } = this.superFrames;
    return {
      direction: this.direction,
      incoming: this.incoming,
      outgoing: this.outgoing,
      leftOut: { ...this.leftOut },
      mtu,
      superFrames: frames,
      wirePackets: packets - frames + segments,
    };
  }

  /** One line for what a reader of the counts must know and did not ask for. */
  warnings(packets: number): string[] {
    const lines: string[] = [];
    const { leftOut } = this;
    if (leftOut.direction > 0 && !this.#isAsked) {
      const all = packets === 0 && leftOut.to + leftOut.filter === 0 ? 'all ' : '';
      lines.push(
        `${all}${leftOut.direction} outgoing packets are left out: no NIC steers what its host sends (--direction both counts them)`,
      );
    }
    if (this.#targets !== null && this.#targets.withoutMac > 0) {
      lines.push(
        `${this.#targets.withoutMac} packets have no destination MAC address (raw IP, Linux cooked): --to knows them by IP address only`,
      );
    }
    const { frames, segments, mtu, longest } = this.superFrames;
    if (frames > 0) {
      lines.push(
        `${frames} frames are longer than the MTU of ${mtu} (up to ${longest} bytes): merged by GRO or LRO, or not yet cut by TSO. The NIC saw about ${packets - frames + segments} packets, not ${packets}. Record with GRO off (ethtool -K DEV gro off lro off), or give the link's --mtu`,
      );
    }
    return lines;
  }
}

/** Moves a packet of a batch to an earlier place. */
function move(batch: CaptureBatch, from: number, to: number): void {
  batch.off[to] = batch.off[from]!;
  batch.len[to] = batch.len[from]!;
  batch.original[to] = batch.original[from]!;
  batch.fcs[to] = batch.fcs[from]!;
  batch.linkType[to] = batch.linkType[from]!;
  batch.direction[to] = batch.direction[from]!;
  batch.seconds[to] = batch.seconds[from]!;
  batch.nanoseconds[to] = batch.nanoseconds[from]!;
}
