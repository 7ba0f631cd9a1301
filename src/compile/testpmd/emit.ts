/**
 * A policy in the words of DPDK's testpmd: table, key and hash of a port, or a flow rule for each owned MAC address.
 *
 * Promise: the commands are those of its prompt, for port 0; the first line says how to start it. Pure.
 *
 * Source: the testpmd user guide; app/test-pmd/cmdline.c (a list of table entries is one word of 128 characters at most).
 */
import { UserError } from '../../errors.js';
import { toHex } from '../../hash/hex.js';
import { hashTypeList } from '../../nic/hash-types.js';
import { lowerMac } from '../../policy/owners.js';
import { type RssSteering, rssKey } from '../../policy/rss.js';
import type { MacSpec } from '../../policy/spec.js';
import { type Cannot, type Compiled, Inexpressible, type Request } from '../back-end.js';
import { noteLearning } from '../ethtool/emit.js';

const TARGET = 'testpmd';
const WORD_MAX = 120;

const WHY: Readonly<Record<string, string>> = {
  rps: 'a core of testpmd processes what its queues give it and hands nothing over',
  rfs: 'a core of testpmd processes what its queues give it and hands nothing over',
  'mac-hash': 'the hash by MAC addresses (rss l2-dst-only) is another function on each NIC',
  pools: 'pools are set up when testpmd starts (--nb-… and port config all rxmode)',
  'round-robin': 'a NIC keeps a flow on its queue',
  js: 'a module of JavaScript does not run there',
};

/** Words of `port config all rss` and the types that each stands for. */
const HASHES: readonly (readonly [string, readonly string[]])[] = [
  ['ip', ['ipv4', 'ipv6']],
  ['tcp', ['tcp-ipv4', 'tcp-ipv6']],
  ['udp', ['udp-ipv4', 'udp-ipv6']],
  ['all', ['ipv4', 'ipv6', 'tcp-ipv4', 'tcp-ipv6', 'udp-ipv4', 'udp-ipv6']],
];

function start(queues: number, workers: number): string {
  return `# dpdk-testpmd -l 0-${workers} -a PCI -- -i --nb-cores=${workers} --rxq=${queues} --txq=${queues}`;
}

/** @throws Inexpressible */
export function emitTestpmd(request: Request): Compiled {
  const { spec, steering } = request;
  const cannot: Cannot[] = [];
  const undo = ['# testpmd keeps nothing: quit', 'flow flush 0'];
  if (spec.policy === 'rss') {
    return { target: TARGET, commands: rssCommands(steering as RssSteering, cannot), undo, cannot };
  }
  if (spec.policy !== 'mac' && spec.policy !== 'single') {
    throw new Inexpressible(TARGET, spec, WHY[spec.policy]!);
  }
  const rules = spec.policy === 'mac' ? ruleCommands(spec, cannot) : [];
  const { workers } = steering;
  return {
    target: TARGET,
    commands: [start(workers, workers), 'port config all rss none', ...rules],
    undo,
    cannot,
  };
}

/** What has no rule goes to queue 0, since nothing is hashed. */
function ruleCommands(spec: MacSpec, cannot: Cannot[]): string[] {
  noteLearning(spec, cannot);
  const owners = [...spec.owners].sort((a, b) => Number(a.vlan === undefined) - Number(b.vlan === undefined));
  return owners.flatMap((owner) => {
    const mac = lowerMac(owner.mac);
    if (owner.vlan === 0) {
      cannot.push({ what: `owner ${mac} on VLAN 0`, why: 'a pattern cannot ask for a frame without a tag' });
      return [];
    }
    const vlan = owner.vlan === undefined ? '' : ` / vlan vid is ${owner.vlan}`;
    const queue = owner.worker ?? owner.cpu ?? 0;
    return [
      `flow create 0 ingress pattern eth dst is ${mac}${vlan} / end actions queue index ${queue} / end`,
    ];
  });
}

function rssCommands(steering: RssSteering, cannot: Cannot[]): string[] {
  const { spec, table, rssHash, profile } = steering;
  if (spec.tcs !== undefined)
    throw new Inexpressible(TARGET, spec, 'traffic classes are set by port config dcb');
  for (const name of ['rules', 'filters', 'contexts', 'inner'] as const) {
    if (spec[name] !== undefined) {
      cannot.push({ what: name, why: 'write them as flow rules of testpmd by hand: their fields differ' });
    }
  }
  const { types, symmetric, function: hash = 'toeplitz' } = rssHash.options;
  if (hash !== 'toeplitz')
    cannot.push({ what: `function=${hash}`, why: 'goes by a flow rule (actions rss func)' });
  if (symmetric !== 'none') {
    cannot.push({
      what: `symmetric=${symmetric}`,
      why: 'goes by a flow rule (func symmetric_toeplitz), where the NIC has it',
    });
  }
  const names = hashTypeList(types);
  const same = HASHES.find(
    ([, list]) => list.length === names.length && list.every((name) => names.includes(name as never)),
  );
  if (same === undefined) {
    cannot.push({
      what: `types ${names.join('+')}`,
      why: 'port config all rss knows groups: ip, tcp, udp, all',
    });
  } else if (same[0] === 'all') {
    cannot.push({
      what: 'no more than these types',
      why: '"all" hashes whatever the NIC can: SCTP ports, tunnels',
    });
  }
  const key = toHex(rssKey(spec, profile, types));
  return [
    start(table.queues, steering.workers),
    `port config all rss ${same?.[0] ?? 'all'}`,
    `port config 0 rss-hash-key ipv4 ${key}`,
    ...retaCommands(table.entries),
  ];
}

/** Entries of the table, as many in a command as its words may be long. */
function retaCommands(entries: Int32Array): string[] {
  const commands: string[] = [];
  let word = '';
  entries.forEach((queue, i) => {
    const pair = `(${i},${queue})`;
    if (word.length + pair.length + 1 > WORD_MAX) {
      commands.push(`port config 0 rss reta ${word}`);
      word = '';
    }
    word += word === '' ? pair : `,${pair}`;
  });
  if (word !== '') commands.push(`port config 0 rss reta ${word}`);
  return commands;
}

const RULE =
  /^flow create 0 ingress pattern eth dst is ([0-9a-f:]{17})(?: \/ vlan vid is (\d+))? \/ end actions queue index (\d+) \/ end$/;

/** The policy. @throws UserError */
export function parseTestpmd(commands: readonly string[]): Record<string, unknown> {
  const entries: number[] = [];
  const owners: Record<string, unknown>[] = [];
  let key: string | undefined;
  let types: readonly string[] = [];
  for (const command of commands) {
    if (command.startsWith('#')) continue;
    const hash = /^port config all rss (ip|tcp|udp|all|none)$/.exec(command);
    const given = /^port config 0 rss-hash-key ipv4 ([0-9a-f]+)$/.exec(command);
    const reta = /^port config 0 rss reta (\(.*\))$/.exec(command);
    const rule = RULE.exec(command);
    if (hash !== null) types = HASHES.find(([name]) => name === hash[1])?.[1] ?? [];
    else if (given !== null) key = given[1];
    else if (reta !== null) {
      for (const [, i, queue] of reta[1]!.matchAll(/\((\d+),(\d+)\)/g)) entries[Number(i)] = Number(queue);
    } else if (rule !== null) {
      const [, mac, vlan, queue] = rule;
      owners.push({ mac, ...(vlan === undefined ? {} : { vlan: Number(vlan) }), worker: Number(queue) });
    } else throw new UserError(`testpmd: "${command}" is not understood`);
  }
  if (owners.length > 0) return { policy: 'mac', assign: 'static', owners };
  if (entries.length === 0) return { policy: 'single' };
  return { policy: 'rss', entries, types, ...(key === undefined ? {} : { key }) };
}
