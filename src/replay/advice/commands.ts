/**
 * How to make Linux do what a policy does: `ethtool`, `rps_cpus`, `rps_flow_cnt`, `xps_cpus`.
 *
 * Promise: pure; a policy that Linux and its NICs cannot do is told in words, with the nearest that they can. The device
 * is `$DEV`.
 *
 * Sources: the kernel's scaling document, the ethtool manual.
 */
import { toHex } from '../../hash/hex.js';
import { formatMask } from '../../linux/cpumask.js';
import type { HashTypeName } from '../../nic/hash-types.js';
import { nicProfile } from '../../nic/profiles.js';
import type { RssSteering } from '../../policy/rss.js';
import type { Steering } from '../../policy/steering.js';
import type { Advice } from '../result.js';

/** Widest mask that is printed. */
const CPUS_LEAST = 1;

function mask(cpus: readonly number[]): string {
  return formatMask(cpus, Math.max(CPUS_LEAST, ...cpus.map((cpu) => cpu + 1)));
}

/**
 * One transmit queue a CPU, CPUs in turn. That holds only where the interrupt of queue q runs on CPU q, which no policy
 * says: it is said, and how to make it so.
 */
function xps(queues: number, cpus: number): string[] {
  const assumed = [
    `# next: CPU q takes queue q (mod ${cpus}). Linux does not do that by itself: stop irqbalance, find the interrupt of`,
    '# each queue in /proc/interrupts, and: echo CPU > /proc/irq/NUMBER/smp_affinity_list. Then transmit queues likewise:',
  ];
  return [...assumed, ...xpsLines(queues, cpus)];
}

function xpsLines(queues: number, cpus: number): string[] {
  return Array.from({ length: queues }, (_, q) => {
    const own = Array.from({ length: cpus }, (_, cpu) => cpu).filter((cpu) => cpu % queues === q);
    return `echo ${mask(own.length > 0 ? own : [q % cpus])} > /sys/class/net/$DEV/queues/tx-${q}/xps_cpus`;
  });
}

/** `ethtool -N` for the transport types that the policy hashes, or does not. */
function fields(types: readonly HashTypeName[]): string[] {
  return (['tcp', 'udp'] as const).flatMap((transport) =>
    ([4, 6] as const).map((version) => {
      const isHashed = types.includes(`${transport}-ipv${version}`);
      return `ethtool -N "$DEV" rx-flow-hash ${transport}${version} ${isHashed ? 'sdfn' : 'sd'}`;
    }),
  );
}

function rssCommands(steering: RssSteering): string[] {
  const { table, rssHash, spec } = steering;
  // Of each traffic class, where there are some.
  const { queues } = table;
  const counts = [...table.counts()];
  // What a fill by weights makes: queues in order, each one block.
  const isBlocks =
    table.configured && table.entries.every((queue, i) => i === 0 || queue >= table.entries[i - 1]!);
  const isTurns = table.entries.every((queue, i) => queue === i % queues);
  const fill = isTurns ? `equal ${queues}` : isBlocks ? `weight ${counts.join(' ')}` : null;
  const types = spec.types ?? steering.profile.types;
  const key = rssHash.options.key;
  const differs = (a: readonly string[], b: readonly string[]) =>
    a.length !== b.length || a.some((one) => !b.includes(one));
  const hasOwnTypes = differs(types, steering.profile.types);
  return [
    ...(spec.tcs === undefined
      ? []
      : [`# ${spec.tcs} traffic classes: set them by DCB first; ethtool's channels are those of one class`]),
    `ethtool -L "$DEV" combined ${queues}`,
    ...(!table.configured
      ? []
      : [
          fill === null
            ? '# this table has single entries that ethtool -X cannot write; drivers take them by netlink'
            : `ethtool -X "$DEV" ${fill}`,
        ]),
    ...(spec.key === undefined || spec.key === steering.profile.key
      ? []
      : [`ethtool -X "$DEV" hkey ${toHex(key).match(/../g)!.join(':')}`]),
    ...(spec.symmetric === 'xor' || spec.symmetric === 'or-xor'
      ? [`ethtool -X "$DEV" xfrm symmetric-${spec.symmetric}`]
      : []),
    ...(hasOwnTypes ? fields(types) : []),
  ];
}

function rpsCommands(cpus: readonly number[], flows: { entries: number; flows: number } | null): string[] {
  const lines = [`for q in /sys/class/net/$DEV/queues/rx-*; do echo ${mask(cpus)} > $q/rps_cpus; done`];
  if (flows !== null) {
    lines.push(
      `sysctl net.core.rps_sock_flow_entries=${flows.entries}`,
      `for q in /sys/class/net/$DEV/queues/rx-*; do echo ${flows.flows} > $q/rps_flow_cnt; done`,
    );
  }
  return lines;
}

/** Whether the policy says nothing but how many queues there are: then the NIC does all of it by itself. */
function isOfTheNic({ spec }: RssSteering): boolean {
  const own = ['policy', 'text', 'order', 'stage', 'nic', 'queues', 'seed', 'implementation'];
  const { key } = spec;
  return Object.entries(spec).every(
    ([name, value]) =>
      value === undefined || own.includes(name) || (name === 'key' && key === nicProfile(spec.nic).key),
  );
}

/** The best policy of a comparison as commands for Linux. */
export function commandsFor(steering: Steering): Advice {
  const { spec, text, workers } = steering;
  const advice = (words: string, commands: string[]): Advice => ({
    id: 'commands',
    severity: 'info',
    text: words,
    commands: commands.length === 0 ? [] : ['DEV=eth0   # your interface', ...commands],
  });
  switch (spec.policy) {
    case 'rss': {
      const rss = steering as RssSteering;
      if (isOfTheNic(rss)) {
        const what = spec.nic === 'generic' ? 'a NIC' : `a NIC of the kind ${spec.nic}`;
        return advice(
          `${text} is what ${what} does by itself: nothing but the number of channels is to be set.`,
          [`ethtool -L "$DEV" combined ${rss.table.queues}`],
        );
      }
      return advice(
        `To set up ${text} as it was replayed, without the changes above, on a NIC under Linux (what the NIC does by itself is left out):`,
        [...rssCommands(rss), ...xps(rss.queues, rss.workers)],
      );
    }
    case 'rps':
      return advice(`To set up ${text} under Linux:`, [
        ...rpsCommands(spec.cpus, null),
        ...xps(workers, workers),
      ]);
    case 'rfs':
      return advice(`To set up ${text} under Linux:`, [
        ...rpsCommands(spec.cpus, spec),
        ...xps(workers, workers),
      ]);
    case 'pools':
      return advice(
        `${text}: pools are set by the driver: make the virtual functions (or macvlan with l2-fwd-offload), then give each its address.`,
        ['echo 8 > /sys/class/net/$DEV/device/sriov_numvfs', 'ip link set "$DEV" vf 0 mac 02:00:00:00:00:01'],
      );
    case 'mac':
    case 'mac-hash':
      return advice(
        `${text}: Linux does not steer by MAC address in software; a NIC does with VMDq or SR-IOV (one pool a guest), or with an ntuple rule for each guest, for example:`,
        ['ethtool -N "$DEV" flow-type ether dst 02:00:00:00:00:01 action 0'],
      );
    default:
      return advice(`${text} has no counterpart in Linux; rxsteer forward runs it.`, []);
  }
}
