/**
 * The flows of made traffic: a header template for each, ready to be copied into packets.
 *
 * Promise: flows differ in client address or source port, so no two have one 5-tuple (protocols without ports: as
 * far as there are clients). Templates carry everything that is constant in a flow, and partial checksums over it,
 * so that a packet costs a copy and a few additions. Memory: one template a flow and direction.
 *
 * Addresses: clients 10.0.0.0/9 and 2001:db8:0:1::/64, scattered; guests 10.128.0.1 … and 2001:db8:0:2::1 …, MACs
 * 52:54:00:00:00:01 …; the gateway 02:00:00:00:00:fe; tunnel ends 172.16.0.0/16.
 */
import { UserError } from '../errors.js';
import { foldSum, pseudoSum4, pseudoSum6, sum16 } from '../packet/checksum.js';
import { TRAFFIC_PROTOCOLS, TRAFFIC_TUNNELS, type TrafficPlan } from './options.js';
import { Permutation } from './permutation.js';
import { apportion, Schedule } from './shares.js';
import { buildTemplate, protocolNumber, putTunnelId, type Template } from './templates.js';

/** Client addresses that exist: bits below 10.0.0.0/9. */
export const CLIENT_BITS = 23;
/** Source ports are 32768 … 65535. */
export const PORT_BASE = 32_768;

const CLIENT4 = 0x0a000000;
const GUEST4 = 0x0a800000;
const TEMPLATE_BYTES_MAX = 2 ** 31;
/** Server ports by protocol; ones whose dissectors accept any payload. */
const SERVICES = { tcp: [443, 80, 8443, 5001], udp: [5001, 9000, 5005, 7000], sctp: [5001], icmp: [0] };

/** An item of each index 0 … n-1 by exact shares in a seeded order. */
function assign(weights: Float64Array, n: number, seed: number): Uint8Array {
  const present = Array.from(weights.keys()).filter((i) => weights[i]! > 0);
  const counts = apportion(
    Float64Array.from(present, (i) => weights[i]!),
    n,
  );
  const schedule = new Schedule(counts, seed);
  return Uint8Array.from({ length: n }, (_, i) => present[schedule.flowOf(i)]!);
}

/** Scatters small numbers over 32 bits; for choices that need no randomness of their own. */
export function mix32(value: number): number {
  let x = Math.imul(value ^ (value >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

/** Templates and checksums of all flows. Entry of flow f, direction d (0 to the guest, 1 from it): `f * ways + d`. */
export class FlowTable {
  readonly n: number;
  /** Directions: 1 or 2. */
  readonly ways: number;
  /** All templates, `stride` bytes each. */
  readonly pool: Uint8Array;
  readonly view: DataView;
  readonly stride: number;
  readonly templates: readonly Template[];
  /** Index into `templates`, by entry. */
  readonly kinds: Uint16Array;
  /** Sums of the outer IPv4 header, the inner IPv4 header and the transport with its pseudo header, by entry. */
  readonly sumOuter: Int32Array;
  readonly sumIp: Int32Array;
  readonly sumL4: Int32Array;
  readonly #protocols: Uint8Array;
  readonly #ports: Permutation;
  readonly #addresses: Permutation;

  /** @throws UserError where the templates would take more than 2 GiB. */
  constructor(readonly plan: TrafficPlan) {
    const { flows: n, seed } = plan;
    this.n = n;
    this.ways = plan.bothWays ? 2 : 1;
    this.#ports = new Permutation(PORT_BASE, seed ^ 0x706f7274);
    this.#addresses = new Permutation(2 ** CLIENT_BITS, seed ^ 0x61646472);
    this.#protocols = assign(plan.protocols, n, seed ^ 0x70726f74);
    const tunnels = assign(plan.tunnels, n, seed ^ 0x74756e6e);
    const ipv6 = assign(Float64Array.of(1 - plan.ipv6, plan.ipv6), n, seed ^ 0x76363634);
    const tags = plan.vlans === 0 ? 0 : plan.qinq ? 2 : 1;
    const templates: Template[] = [];
    const known = new Map<number, number>();
    this.kinds = new Uint16Array(n * this.ways);
    for (let f = 0; f < n; f++) {
      const protocol = TRAFFIC_PROTOCOLS[this.#protocols[f]!]!;
      const tunnel = TRAFFIC_TUNNELS[tunnels[f]!] ?? null;
      const version = tunnel === '6in4' ? 6 : tunnel === 'ipip' ? 4 : ipv6[f] === 1 ? 6 : 4;
      for (let way = 0; way < this.ways; way++) {
        const code = ((this.#protocols[f]! * 16 + tunnels[f]!) * 2 + (version === 6 ? 1 : 0)) * 2 + way;
        let kind = known.get(code);
        if (kind === undefined) {
          kind = templates.length;
          known.set(code, kind);
          templates.push(buildTemplate({ protocol, version, tunnel, tags, reverse: way === 1 }));
        }
        this.kinds[f * this.ways + way] = kind;
      }
    }
    this.templates = templates;
    // Whole words, so that templates are copied by words.
    this.stride = (Math.max(...templates.map(({ bytes }) => bytes.length)) + 3) & ~3;
    const size = n * this.ways * this.stride;
    if (size > TEMPLATE_BYTES_MAX) {
      throw new UserError(
        `flows: ${n} would take ${Math.ceil(size / 2 ** 20)} MiB of templates; 2048 at most`,
      );
    }
    this.pool = new Uint8Array(size);
    this.view = new DataView(this.pool.buffer);
    this.sumOuter = new Int32Array(n * this.ways);
    this.sumIp = new Int32Array(n * this.ways);
    this.sumL4 = new Int32Array(n * this.ways);
    for (let f = 0; f < n; f++) this.set(f, this.clientOf(f), this.portOf(f));
  }

  /** Guest of a flow. */
  guestOf(flow: number): number {
    return flow % this.plan.guests;
  }

  /** Low bits of the client address that a flow has at first. */
  clientOf(flow: number): number {
    return this.#addresses.at(flow % this.plan.clients);
  }

  /** Source port that a flow has at first. */
  portOf(flow: number): number {
    const { clients } = this.plan;
    const client = flow % clients;
    const nth = Math.floor(flow / clients);
    return PORT_BASE + this.#ports.at((nth + mix32(client)) & (PORT_BASE - 1));
  }

  /** Bytes of an entry's template. */
  lengthOf(entry: number): number {
    return this.templates[this.kinds[entry]!]!.bytes.length;
  }

  /** Writes the templates of a flow with this client address and source port. */
  set(flow: number, client: number, port: number): void {
    const protocol = TRAFFIC_PROTOCOLS[this.#protocols[flow]!]!;
    const services = SERVICES[protocol];
    const service = services[mix32(flow) % services.length]!;
    for (let way = 0; way < this.ways; way++) this.#write(flow, way, client, port, service);
  }

  #write(flow: number, way: number, client: number, port: number, service: number): void {
    const { pool, view, plan } = this;
    const entry = flow * this.ways + way;
    const template = this.templates[this.kinds[entry]!]!;
    const { kind, l3, l4 } = template;
    const at = entry * this.stride;
    const guest = this.guestOf(flow);
    const reverse = way === 1;
    pool.set(template.bytes, at);
    putMacs(view, at, guest, reverse);
    if (kind.tags > 0) {
      const vlan = 2 + ((plan.vlans <= plan.guests ? guest : flow) % plan.vlans);
      view.setUint16(at + 14 + 4 * (kind.tags - 1), vlan);
      if (kind.tags === 2) view.setUint16(at + 14, 100);
    }
    if (template.innerEthernet >= 0) putMacs(view, at + template.innerEthernet, guest, reverse);
    if (template.tunnelId >= 0) putTunnelId(template, view, at, guest);
    if (template.outerL3 >= 0) this.#writeOuter(template, at, flow, reverse);
    const [from, to] = reverse ? [1, 0] : [0, 1];
    if (kind.version === 4) {
      view.setUint32(at + l3 + 12 + 4 * from, CLIENT4 + client);
      view.setUint32(at + l3 + 12 + 4 * to, GUEST4 + guest + 1);
      view.setUint16(at + l3 + 10, 0);
    } else {
      putIpv6(view, at + l3 + 8 + 16 * from, 1, client);
      putIpv6(view, at + l3 + 8 + 16 * to, 2, guest + 1);
    }
    if (kind.protocol === 'icmp') view.setUint16(at + l4 + 4, port);
    else {
      view.setUint16(at + l4 + 2 * from, port);
      view.setUint16(at + l4 + 2 * to, service);
    }
    if (kind.protocol === 'sctp') view.setUint32(at + l4 + 4, mix32(flow ^ 0x73637470));
    else view.setUint16(at + l4 + { tcp: 16, udp: 6, icmp: 2 }[kind.protocol], 0);
    this.#sum(entry, template, at);
  }

  #writeOuter(template: Template, at: number, flow: number, reverse: boolean): void {
    const { view, plan } = this;
    const end = 0xac100001 + (flow % plan.tunnelEnds);
    const l3 = at + template.outerL3;
    view.setUint32(l3 + (reverse ? 16 : 12), end);
    view.setUint32(l3 + (reverse ? 12 : 16), 0xac100101);
    view.setUint16(l3 + 10, 0);
    // The sender's hash of the inner packet, as RFC 7348 wants it; GTP-U ends use their port on both sides.
    if (template.outerL4 >= 0 && template.kind.tunnel !== 'gtpu') {
      const inner = this.#entropy.get(flow) ?? flow;
      view.setUint16(at + template.outerL4, 49_152 + (mix32(inner ^ 0x656e7472) & 0x3fff));
    }
  }

  /** Other entropy for the outer source port of a tunnelled flow, where somebody looks for a certain queue. */
  readonly #entropy = new Map<number, number>();

  setEntropy(flow: number, value: number): void {
    this.#entropy.set(flow, value);
  }

  #sum(entry: number, template: Template, at: number): void {
    const { pool } = this;
    const { kind, l3, l4, bytes } = template;
    if (template.outerL3 >= 0) this.sumOuter[entry] = sum16(pool, at + template.outerL3, 20);
    const length = bytes.length - l4;
    const protocol = protocolNumber(kind.protocol, kind.version);
    if (kind.version === 4) this.sumIp[entry] = sum16(pool, at + l3, 20);
    if (kind.protocol === 'sctp') return;
    let pseudo = 0;
    if (kind.version === 6) pseudo = pseudoSum6(pool, at + l3, protocol, length);
    else if (kind.protocol !== 'icmp') pseudo = pseudoSum4(pool, at + l3, protocol, length);
    this.sumL4[entry] = foldSum(sum16(pool, at + l4, length) + pseudo);
  }
}

function putMacs(view: DataView, at: number, guest: number, reverse: boolean): void {
  const toGuest = at + (reverse ? 6 : 0);
  const gateway = at + (reverse ? 0 : 6);
  view.setUint16(toGuest, 0x5254);
  view.setUint32(toGuest + 2, guest + 1);
  view.setUint16(gateway, 0x0200);
  view.setUint32(gateway + 2, 0xfe);
}

/** 2001:db8:0:NET::LOW */
function putIpv6(view: DataView, at: number, net: number, low: number): void {
  view.setUint32(at, 0x2001_0db8);
  view.setUint32(at + 4, net);
  view.setUint32(at + 8, 0);
  view.setUint32(at + 12, low);
}
