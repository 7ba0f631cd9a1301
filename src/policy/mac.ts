/**
 * `mac`: MAC steering. Each guest has an owner worker; a destination with an owner goes to that owner, everything
 * else (broadcast, multicast, unknown, bound for the uplink) to the owner of the port that it came from.
 *
 * Promise: it assigns, it does not hash. Owners live in shared memory (`OwnerTable`), the same for all workers of a
 * forwarder. A guest is a source MAC seen on a port that is not an uplink; it keeps its owner. Assignment:
 * `static` = configured owners only; `least-loaded` = fewest owned guests (for the worker's weight), ties to the
 * lowest id, so no worker exceeds its share by more than one; `follow-cpu` = the owner of the port that the guest is
 * behind (the CPU of its consumer, configured by port), up to `bound` times that worker's share. A gratuitous ARP or a
 * RARP from another port means that the guest has moved there: it counts for that port, and with `follow-cpu` its
 * owner changes; a mere frame with its address from elsewhere changes nothing. A guest that sends nothing for `age`
 * seconds is forgotten (`tick`).
 *
 * Each worker keeps what the table says in a private `AddressCache`, as the switch does.
 */
import { UserError } from '../errors.js';
import { formatMac, parseMac } from '../mac/address.js';
import { AddressCache } from '../mac/address-cache.js';
import {
  ANY_VLAN,
  Learned,
  OWNER_PORTS_MAX,
  type OwnerLimits,
  OwnerTable,
  ownerTableBytes,
  portIn,
  workerIn,
} from '../mac/owner-table.js';
import { type Burst, Kind } from '../packet/burst.js';
import { DESCRIPTOR_WORDS, Part } from '../packet/descriptor.js';
import { countTags } from '../packet/dissect.js';
import { ETHERNET_HEADER, EtherType, VLAN_TAG } from '../packet/protocol.js';
import type { MacSpec } from './spec.js';
import {
  type CompileContext,
  type Decision,
  decisionOf,
  type PolicyPort,
  type Steering,
} from './steering.js';

// Constants of the module: docs/hot-loops.md.
const WORDS = DESCRIPTOR_WORDS;
const DMAC_LO = Part.dmacLo;
const SMAC_LO = Part.smacLo;
const MACS = Part.macs;
const ARP_BYTES = 28;
const ARP = EtherType.arp;
const RARP = EtherType.rarp;

/**
 * True for what a guest sends when it has moved: RARP (QEMU and others after a migration), or ARP whose sender and
 * target IP are equal (gratuitous ARP, RFC 5227). Reads the ARP body only where it is whole.
 */
function isAnnouncement(burst: Burst, i: number): boolean {
  if (burst.ethertype[i] === RARP) return true;
  const tags = countTags(burst, i);
  const at = burst.off[i]! + ETHERNET_HEADER + VLAN_TAG * tags;
  if (burst.off[i]! + burst.len[i]! - at < ARP_BYTES) return false;
  // Ethernet and IPv4 addresses; sender IP at 14, target IP at 24.
  if (burst.view.getInt32(at) !== 0x0001_0800 || burst.view.getUint16(at + 4) !== 0x0604) return false;
  return burst.view.getInt32(at + 14) === burst.view.getInt32(at + 24);
}

/** Highest worker that the policy names, or -1. */
export function macHighestWorker(spec: MacSpec): number {
  const named = [
    ...spec.owners.map((owner) => owner.worker ?? owner.cpu ?? -1),
    ...Object.values(spec.ports),
    (spec.weights?.length ?? 0) - 1,
  ];
  return named.reduce((a, b) => Math.max(a, b), -1);
}

/** Weights and bound, as far as they are given. @throws UserError where they do not fit. */
function placementOf(spec: MacSpec, workers: number): Pick<OwnerLimits, 'weights' | 'bound'> {
  const { weights, bound, assign } = spec;
  if (weights !== undefined) {
    if (assign === 'static') throw new UserError('policy mac: weights: nothing is placed with assign=static');
    if (weights.length !== workers) {
      throw new UserError(`policy mac: weights: ${weights.length} given, one for each of ${workers} workers`);
    }
    if (weights.every((weight) => weight === 0)) {
      throw new UserError('policy mac: weights: at least one must be above 0');
    }
  }
  if (bound !== undefined && assign !== 'follow-cpu') {
    throw new UserError(`policy mac: bound: goes with assign=follow-cpu, ${assign} needs none`);
  }
  return { ...(weights === undefined ? {} : { weights }), ...(bound === undefined ? {} : { bound }) };
}

function portIndex(ports: readonly PolicyPort[], name: string, place: string): number {
  // The place of a port that was removed has no name.
  const index = ports.findIndex((port) => port.name === name && name !== '');
  if (index >= 0) return index;
  const known = ports.flatMap((port) => port.name || []).join(', ');
  throw new UserError(`policy mac: ${place}: there is no port "${name}"; ports: ${known}`);
}

/** The compiled `mac` policy. */
export class MacSteering implements Steering {
  readonly text: string;
  readonly workers: number;
  readonly queues = 1;
  /** The shared table, for control and statistics. */
  readonly owners: OwnerTable;
  readonly #ports: readonly PolicyPort[] | null;
  /** 1 for ports where guests are learned. */
  readonly #learns: Uint8Array;
  readonly #follow: boolean;
  readonly #cache = new AddressCache();

  constructor(
    readonly spec: MacSpec,
    context: CompileContext,
  ) {
    this.text = spec.text;
    this.workers = context.workers;
    this.#ports = context.ports;
    if ((context.ports?.length ?? 0) > OWNER_PORTS_MAX) {
      throw new UserError(
        `policy mac: ${context.ports?.length} ports: it knows owners of ${OWNER_PORTS_MAX} at most`,
      );
    }
    const limits: OwnerLimits = {
      workers: context.workers,
      guests: spec.guests,
      guestsPerPort: spec.guestsPerPort,
      ageingSeconds: spec.age,
      ...(context.worker === undefined ? {} : { user: context.worker }),
      ...placementOf(spec, context.workers),
    };
    const shared = context.shared ?? new SharedArrayBuffer(ownerTableBytes(spec.guests));
    this.owners = new OwnerTable(shared, limits);
    this.#follow = spec.assign === 'follow-cpu';
    this.#learns = new Uint8Array(OWNER_PORTS_MAX).fill(spec.assign === 'static' ? 0 : 1);
    for (const [name, worker] of Object.entries(spec.ports)) this.#checkWorker(worker, `ports.${name}`);
    if (context.ports !== null) this.#configurePorts(context.ports);
    spec.owners.forEach((owner, index) => {
      const place = `owners[${index}]`;
      const worker = owner.worker ?? owner.cpu ?? 0;
      this.#checkWorker(worker, place);
      const { high, low } = parseMac(owner.mac, `policy mac: ${place}.mac`);
      if (!this.owners.configure(owner.vlan ?? ANY_VLAN, high, low, worker)) {
        throw new UserError(`policy mac: ${place}: more owners than guests=${spec.guests} permits`);
      }
    });
  }

  tick(seconds: number): void {
    this.owners.now = seconds;
  }

  learnsFrom(port: number): boolean {
    return this.#learns[port] === 1;
  }

  steer(burst: Burst): void {
    const { n, port, kind, len, vlan, ethertype, parts, worker } = burst;
    const { owners } = this;
    const cache = this.#cache;
    const learns = this.#learns[port] === 1;
    // The first guest gives a port its owner, whoever knows the guest already.
    const isOwned = owners.knownPortOwner(port) >= 0;
    cache.refresh(owners.generation(), owners.now);
    burst.hash.fill(0, 0, n);
    burst.hashType.fill(0, 0, n);
    burst.bucket.fill(-1, 0, n);
    burst.rxq.fill(-1, 0, n);
    for (let i = 0; i < n; i++) {
      // The packed addresses: unpacking those of the whole burst first would cost a third of this loop.
      const part = i * WORDS;
      const macs = parts[part + MACS]!;
      const smacHi = macs & 0xffff;
      const smacLo = parts[part + SMAC_LO]!;
      const tag = vlan[i]!;
      const vid = tag < 0 ? 0 : tag & 0xfff;
      // A group or zero source address is forged or broken: nothing is learned from it.
      if (learns && len[i]! >= 14 && (smacHi & 0x100) === 0 && (smacHi | smacLo) !== 0) {
        const key = (vid << 16) | smacHi;
        const line = cache.lineOf(key, smacLo);
        // A guest that is known behind another port is not kept young from here.
        const isKnown =
          isOwned &&
          (cache.known(line, key, smacLo) ||
            (cache.has(line, key, smacLo) && cache.value(line) >= 0 && portIn(cache.value(line)) !== port));
        if (!isKnown) this.#learn(vid, smacHi, smacLo, port);
        const type = ethertype[i]!;
        if ((type === ARP || type === RARP) && isAnnouncement(burst, i)) {
          this.#relocate(vid, smacHi, smacLo, port);
        }
      }
      let found = -1;
      if ((kind[i]! & Kind.group) === 0 && len[i]! >= 6) {
        const high = macs >>> 16;
        const low = parts[part + DMAC_LO]!;
        const key = (vid << 16) | high;
        const line = cache.lineOf(key, low);
        if (cache.has(line, key, low)) found = cache.value(line);
        else {
          found = owners.lookup(vid, high, low);
          cache.file(line, key, low, found, false);
        }
      }
      worker[i] = found >= 0 ? workerIn(found) : owners.portOwner(port);
    }
  }

  /** The source of a frame from a port where guests are learned. */
  #learn(vid: number, high: number, low: number, port: number): void {
    const { owners } = this;
    const result = owners.learn(vid, high, low, port, this.#follow ? owners.portOwner(port) : -1);
    if (result === Learned.known || result === Learned.added) this.#file(vid, high, low, port);
  }

  #relocate(vid: number, high: number, low: number, port: number): void {
    const { owners } = this;
    if (!owners.relocate(vid, high, low, port, this.#follow ? owners.portOwner(port) : -1)) return;
    this.#file(vid, high, low, port);
  }

  /** Keeps what the table says about an address that was seen on a port just now. */
  #file(vid: number, high: number, low: number, port: number): void {
    const cache = this.#cache;
    const key = (vid << 16) | high;
    const found = this.owners.lookup(vid, high, low);
    const isYoung = found >= 0 && portIn(found) === port;
    cache.file(cache.lineOf(key, low), key, low, found, isYoung);
  }

  decision(burst: Burst, i: number): Decision {
    return decisionOf(burst, i, null, this.#reason(burst, i), false);
  }

  explain(burst: Burst, i: number): string {
    return this.#reason(burst, i);
  }

  #reason(burst: Burst, i: number): string {
    const tag = burst.vlan[i]!;
    const vid = tag < 0 ? 0 : tag & 0xfff;
    const high = burst.dmacHi[i]!;
    const low = burst.dmacLo[i]!;
    const name = this.#ports?.[burst.port]?.name ?? String(burst.port);
    const portOwner = `-> owner of port ${name}, worker ${burst.worker[i]}`;
    if (burst.len[i]! < 6) return `no destination MAC in ${burst.len[i]} bytes ${portOwner}`;
    const mac = `${formatMac(high, low)}${vid > 0 ? ` on VLAN ${vid}` : ''}`;
    if ((burst.kind[i]! & Kind.group) !== 0) {
      return `${high === 0xffff && low === -1 ? 'broadcast' : `multicast ${mac}`} ${portOwner}`;
    }
    if (this.owners.find(vid, high, low) < 0) return `${mac} has no owner ${portOwner}`;
    let how = 'the least loaded when it was learned';
    if (this.owners.isConfigured(vid, high, low)) how = 'configured';
    else if (this.#follow) {
      const wanted = this.owners.portOwner(this.owners.portOf(vid, high, low));
      how = wanted === burst.worker[i] ? 'that of its port' : `${how}, its port's had its share`;
    }
    return `${mac} is owned by worker ${burst.worker[i]} (${how})`;
  }

  #configurePorts(ports: readonly PolicyPort[]): void {
    for (const name of this.spec.uplink) this.#learns[portIndex(ports, name, 'uplink')] = 0;
    for (const [name, worker] of Object.entries(this.spec.ports)) {
      this.owners.setPortOwner(portIndex(ports, name, 'ports'), worker);
    }
  }

  #checkWorker(worker: number, place: string): void {
    if (worker >= this.workers) {
      throw new UserError(
        `policy mac: ${place}: worker ${worker} does not exist; workers: 0 to ${this.workers - 1}`,
      );
    }
  }
}
