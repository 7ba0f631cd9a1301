/**
 * The set-up of the forwarding measurements (RFC 8204 would call it a "physical to physical" one, with veth for
 * the physical links):
 *
 *     generator g0 ──── f0 forwarder f1 ──── s0 sink          and  g1 ──── s1 without anything in between
 *
 * Promise: everything lies in three namespaces of its own and goes away with them, also those that a killed run
 * left behind. Neighbours are static, IPv6 is off, so that nothing but test traffic crosses the links.
 *
 * The receive softirq of a veth runs on the core that transmits: receiving from f0 is paid by the generator's core,
 * the sink's stack by the forwarder's.
 */
import { existsSync, readFileSync } from 'node:fs';
import { Lab, sweepDead } from '#rxsteer/cli/lab.js';
import { Child } from './process.js';

/** CPU of the generator, and of the forwarder. */
export const GENERATOR_CPU = 0;
export const FORWARDER_CPU = 1;

export const SINK_ADDRESS = '10.0.0.2';
export const DIRECT_ADDRESS = '10.0.1.2';

/** One line of /proc/net/dev. */
export interface LinkCounters {
  readonly rxPackets: number;
  readonly txPackets: number;
  readonly txDropped: number;
}

export type Role = 'generator' | 'forwarder' | 'sink';

export class Topology {
  private readonly lab = new Lab();
  readonly names: Record<Role, string>;
  private readonly anchors: Record<Role, Child>;
  private offloaded = true;

  private constructor() {
    const { lab } = this;
    this.names = {
      generator: lab.namespace('generator'),
      forwarder: lab.namespace('forwarder'),
      sink: lab.namespace('sink'),
    };
    const { generator, forwarder, sink } = this.names;
    lab.veth(generator, 'g0', forwarder, 'f0');
    lab.veth(forwarder, 'f1', sink, 's0');
    lab.veth(generator, 'g1', sink, 's1');
    lab.ip('-n', generator, 'addr', 'add', '10.0.0.1/24', 'dev', 'g0');
    lab.ip('-n', sink, 'addr', 'add', `${SINK_ADDRESS}/24`, 'dev', 's0');
    lab.ip('-n', generator, 'addr', 'add', '10.0.1.1/24', 'dev', 'g1');
    lab.ip('-n', sink, 'addr', 'add', `${DIRECT_ADDRESS}/24`, 'dev', 's1');
    this.neighbour(generator, 'g0', SINK_ADDRESS, sink, 's0');
    this.neighbour(sink, 's0', '10.0.0.1', generator, 'g0');
    this.neighbour(generator, 'g1', DIRECT_ADDRESS, sink, 's1');
    this.neighbour(sink, 's1', '10.0.1.1', generator, 'g1');
    // The bridge would run every frame through iptables; absent where its module is not loaded.
    for (const family of ['iptables', 'ip6tables', 'arptables']) {
      const name = `/proc/sys/net/bridge/bridge-nf-call-${family}`;
      if (existsSync(name)) lab.inside(forwarder, 'sh', '-c', `[ ! -w ${name} ] || echo 0 > ${name}`);
    }
    this.anchors = {
      generator: this.anchor(generator),
      forwarder: this.anchor(forwarder),
      sink: this.anchor(sink),
    };
  }

  /** Builds it; removes what dead runs left first. */
  static async build(): Promise<Topology> {
    sweepDead();
    const made: Topology[] = [];
    try {
      const topology = new Topology();
      made.push(topology);
      await Promise.all(Object.values(topology.anchors).map((anchor) => anchor.until(/^inside$/m)));
      return topology;
    } catch (error) {
      for (const topology of made) topology.close();
      // A constructor that threw has registered its namespaces under this process only.
      sweepDead();
      throw error;
    }
  }

  private mac(namespace: string, link: string): string {
    const text = this.lab.ip('-n', namespace, '-o', 'link', 'show', 'dev', link);
    return /link\/ether ([0-9a-f:]{17})/.exec(text)![1]!;
  }

  private neighbour(namespace: string, link: string, address: string, peer: string, peerLink: string): void {
    const mac = this.mac(peer, peerLink);
    this.lab.ip('-n', namespace, 'neigh', 'replace', address, 'lladdr', mac, 'dev', link, 'nud', 'permanent');
  }

  /** A process that does nothing but live in a namespace: through it /proc shows the namespace's counters. */
  private anchor(namespace: string): Child {
    return new Child('anchor', ['sh', '-c', 'echo inside; exec cat'], { namespace });
  }

  counters(role: Role, link: string): LinkCounters {
    const rows = readFileSync(`/proc/${this.anchors[role].pid}/net/dev`, 'utf8').split('\n');
    const row = rows.find((line) => line.trim().startsWith(`${link}:`));
    if (row === undefined) throw new Error(`${role}: no interface ${link}`);
    const columns = row
      .slice(row.indexOf(':') + 1)
      .trim()
      .split(/\s+/)
      .map(Number);
    return { rxPackets: columns[1]!, txPackets: columns[9]!, txDropped: columns[11]! };
  }

  ip(role: Role, ...args: string[]): string {
    return this.lab.ip('-n', this.names[role], ...args);
  }

  /** Runs a command in a namespace. Throws one line. */
  inside(role: Role, ...command: string[]): string {
    return this.lab.inside(this.names[role], ...command);
  }

  /**
   * Offloads of all links: on (frames up to 64 KiB and partial checksums cross the veth), or off for forwarders
   * that cannot carry them. Segmentation in the sender's stack stays on: it is the best that is left.
   */
  offloads(on: boolean): void {
    this.offloaded = on;
    const state = on ? 'on' : 'off';
    const links: [Role, string][] = [
      ['generator', 'g0'],
      ['forwarder', 'f0'],
      ['forwarder', 'f1'],
      ['sink', 's0'],
    ];
    for (const [role, link] of links) this.inside(role, 'ethtool', '-K', link, 'tx', state, 'tso', state);
  }

  /** Segmentation and checksums of a generator's link: given up for a while, or back to what `offloads` said. */
  segmentation(link: string, restore: boolean): void {
    const state = restore && (this.offloaded || link !== 'g0') ? 'on' : 'off';
    this.inside('generator', 'ethtool', '-K', link, 'tx', state, 'tso', state, 'tx-udp-segmentation', state);
  }

  close(): void {
    for (const anchor of Object.values(this.anchors)) anchor.kill();
    this.lab.close();
  }
}
