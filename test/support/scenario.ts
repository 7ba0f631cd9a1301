/**
 * A forwarder between guests: each guest is a network namespace with one interface `g0` behind one port.
 *
 *   guest 0 ── port p0 ┐
 *   guest 1 ── port p1 ┼ forwarder (own namespace)
 *   guest n ── port pn ┘
 *
 * `veth`: the port is AF_PACKET on one end of a veth pair, the guest has the other. `tap`: the forwarder creates the
 * TAP; the guest has a macvlan on it, because a TAP whose namespace changes is gone for the program that opened it.
 * Guest i has 10.0.0.(i+1)/24 and fd00::(i+1)/64 and, if asked, 10.0.(vlan).(i+1)/24 behind a VLAN tag.
 */
import { type RunningForwarder, startForwarder } from './forwarder.js';
import type { Lab } from './lab.js';
import { SLOW } from './slow.js';
import { expectConservation, type Summary } from './summary.js';
import { ping, vlan } from './traffic.js';

export interface ScenarioOptions {
  /** `xdp` is a veth that is received from and sent to by AF_XDP. */
  readonly ports: readonly ('veth' | 'tap' | 'xdp')[];
  readonly mode?: 'wire' | 'switch';
  readonly policy?: string;
  readonly workers?: number;
  /** Off: neither the guests nor the ports have offloads, so that every frame is one on the wire. */
  readonly offload?: 'on' | 'off';
  /** The same for single ports; goes before `offload`. */
  readonly offloads?: readonly ('on' | 'off')[];
  /** VLAN id (1-250) that guests have an interface for. */
  readonly vlan?: number;
  readonly ipv6?: boolean;
  /** More options of every port, e.g. `queues=2,fanout=hash`. */
  readonly portOptions?: string;
  /** The same of the first port only. */
  readonly firstPortOptions?: string;
  readonly flags?: readonly string[];
  /**
   * One CPU receives at the forwarder's veth ends (`rps_cpus`). Otherwise a frame may overtake another before it reaches
   * the forwarder: a generator that moves to another core fills two cores' queues. The far ends are as they are.
   */
  readonly orderly?: boolean;
  /** False: the guests have no addresses (their interfaces are for pktgen and pktsink). */
  readonly addresses?: boolean;
}

export interface Guest {
  readonly ns: string;
  readonly mac: string;
  readonly ipv4: string;
  readonly ipv6: string;
  /** Address behind the tag; '' without. */
  readonly tagged: string;
}

export interface Scenario {
  /** The forwarder's namespace. */
  readonly ns: string;
  readonly guests: readonly Guest[];
  readonly forwarder: RunningForwarder;
  /** Stops the forwarder and checks conservation. */
  finish(): Promise<Summary>;
}

/** What a scenario is called in a test's name. */
export function describeScenario(options: ScenarioOptions): string {
  const { ports, mode, policy, workers, offload, offloads } = options;
  const parts = [mode ?? (ports.length === 2 ? 'wire' : 'switch'), ports.join('+')];
  if (policy !== undefined) parts.push(policy);
  if (workers !== undefined) parts.push(`${workers} ${workers === 1 ? 'worker' : 'workers'}`);
  if (offload !== undefined) parts.push(`offload ${offload}`);
  if (offloads !== undefined) parts.push(`offloads ${offloads.join('+')}`);
  return parts.join(', ');
}

export async function startScenario(lab: Lab, options: ScenarioOptions): Promise<Scenario> {
  const { ports, ipv6 = false, addresses = true } = options;
  const ns = await lab.namespace();
  const spaces = await Promise.all(ports.map(() => lab.namespace({ ipv6 })));
  const flags: string[] = [];
  for (const [i, kind] of ports.entries()) {
    const offload = options.offloads?.[i] ?? options.offload ?? 'on';
    if (kind !== 'tap') {
      await lab.veth(ns, `p${i}`, spaces[i]!, 'g0');
      if (offload === 'off') {
        const features = { tso: 'off', gso: 'off', gro: 'off', tx: 'off', rx: 'off' } as const;
        await lab.offload(ns, `p${i}`, features);
        await lab.offload(spaces[i]!, 'g0', features);
      }
    }
    if (kind !== 'tap' && options.orderly) {
      await lab.exec(ns, 'sh', '-c', `echo 1 | tee /sys/class/net/p${i}/queues/rx-*/rps_cpus`);
    }
    const target = { veth: 'af_packet', xdp: 'af_xdp', tap: 'tap' }[kind];
    const passed = kind === 'xdp' ? '' : `,offload=${offload}`;
    const only = i === 0 && options.firstPortOptions ? `,${options.firstPortOptions}` : '';
    const more = `${options.portOptions ? `,${options.portOptions}` : ''}${only}`;
    flags.push('--port', `p${i}=${target}:p${i}${passed}${more}`);
  }
  if (options.mode) flags.push('--mode', options.mode);
  if (options.policy) flags.push('--policy', options.policy);
  if (options.workers) flags.push('--workers', `${options.workers}`);
  const forwarder = await startForwarder(lab, ns, ...flags, ...(options.flags ?? []));

  const guests: Guest[] = [];
  for (const [i, kind] of ports.entries()) {
    const space = spaces[i]!;
    if (kind === 'tap') {
      await lab.exec(
        ns,
        ...['ip', 'link', 'add', 'link', `p${i}`, 'name', 'g0', 'netns', space, 'type', 'macvlan'],
        ...['mode', 'bridge'],
      );
      await lab.up(space, 'g0');
    }
    const guest = {
      ns: space,
      mac: await lab.mac(space, 'g0'),
      ipv4: `10.0.0.${i + 1}`,
      ipv6: ipv6 ? `fd00::${i + 1}` : '',
      tagged: options.vlan ? `10.0.${options.vlan}.${i + 1}` : '',
    };
    if (addresses) {
      await lab.address(space, 'g0', `${guest.ipv4}/24`);
      if (ipv6) await lab.address(space, 'g0', `${guest.ipv6}/64`);
    }
    if (options.vlan) {
      await vlan(lab, space, 'g0', 'g0.v', options.vlan);
      await lab.address(space, 'g0.v', `${guest.tagged}/24`);
    }
    guests.push(guest);
  }
  return {
    ns,
    guests,
    forwarder,
    async finish() {
      const summary = await forwarder.stop();
      expectConservation(summary);
      return summary;
    },
  };
}

/** Time limit of a test: above the patience of everything in it, so that a hang is reported by whoever waited. */
export const SCENARIO_TIMEOUT_MS = 240_000 * SLOW;

/** Longest wait for the counters to settle. */
const SETTLE_PATIENCE_MS = 60_000 * SLOW;

/** Time without any change of a counter after which everything is taken to have arrived. */
const QUIET_MS = 400;

/**
 * Resolves when the forwarder has taken what waited for it: port `to` has transmitted `packets`, or (frames may be lost)
 * no counter of its namespace has changed for a while. It stops receiving as soon as it is told to end, and what then
 * still waits in the kernel is not its own.
 */
export async function settle(lab: Lab, scenario: Scenario, to: string, packets: number): Promise<void> {
  let last = '';
  const deadline = performance.now() + SETTLE_PATIENCE_MS;
  for (let since = performance.now(); performance.now() - since < QUIET_MS; ) {
    if (performance.now() > deadline) throw new Error(`${scenario.ns} does not come to rest:\n${last}`);
    const counters = await lab.exec(scenario.ns, 'cat', '/proc/net/dev');
    const row = counters
      .match(new RegExp(`^\\s*${to}:(.*)$`, 'm'))![1]!
      .trim()
      .split(/\s+/);
    if (Number(row[9]) >= packets) return;
    if (counters !== last) since = performance.now();
    last = counters;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Echo requests and replies that a namespace's stack has received, IPv4 and IPv6. */
async function echoes(lab: Lab, ns: string): Promise<number[]> {
  const text = await lab.exec(ns, 'cat', '/proc/net/snmp', '/proc/net/snmp6');
  const [names, values] = [...text.matchAll(/^Icmp: (.*)$/gm)].map((match) => match[1]!.split(' '));
  const v4 = (name: string) => Number(values![names!.indexOf(name)]);
  const v6 = (name: string) => Number(text.match(new RegExp(`^${name}\\s+(\\d+)`, 'm'))![1]);
  return [v4('InEchos'), v4('InEchoReps'), v6('Icmp6InEchos'), v6('Icmp6InEchoReplies')];
}

/** Patience for echoes that are on their way. */
const ECHO_PATIENCE_MS = 60_000 * SLOW;

/**
 * Every guest pings every other on all its addresses; returns what is missing or too much, empty when all is well.
 * Told by the kernels' own counters, because `ping` leaves after two round-trip times and misses late replies.
 */
export async function pingAll(lab: Lab, guests: readonly Guest[], count = 3): Promise<string[]> {
  const before = await Promise.all(guests.map((guest) => echoes(lab, guest.ns)));
  await Promise.all(
    guests.flatMap((from) =>
      guests
        .filter((to) => to !== from)
        .flatMap((to) => [to.ipv4, to.ipv6, to.tagged].filter((target) => target !== ''))
        .map((target) => ping(lab, from.ns, target, { count })),
    ),
  );
  const others = guests.length - 1;
  const deadline = performance.now() + ECHO_PATIENCE_MS;
  for (;;) {
    const after = await Promise.all(guests.map((guest) => echoes(lab, guest.ns)));
    const problems = guests.flatMap((guest, g) => {
      const v4 = count * others * (guest.tagged === '' ? 1 : 2);
      const v6 = guest.ipv6 === '' ? 0 : count * others;
      const wanted = [v4, v4, v6, v6].join(' ');
      const got = after[g]!.map((value, i) => value - before[g]![i]!).join(' ');
      return got === wanted
        ? []
        : [`${guest.ipv4} has seen ${got} echoes and replies, IPv4 and IPv6, not ${wanted}`];
    });
    if (problems.length === 0 || performance.now() > deadline) return problems;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
