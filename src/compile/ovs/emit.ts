/**
 * A policy in the words of Open vSwitch's userspace datapath: how many queues a port has, and which PMD thread polls each.
 *
 * Promise: worker w is the PMD thread on CPU w. What the switch does not leave to its user (key, table, fields of RSS) is said.
 * Pure.
 *
 * Source: ovs-vswitchd.conf.db(5); Documentation/topics/dpdk/pmd.rst.
 */
import { UserError } from '../../errors.js';
import { quoted } from '../../host/remedy.js';
import type { RssSteering } from '../../policy/rss.js';
import type { RssSpec } from '../../policy/spec.js';
import { type Cannot, type Compiled, Inexpressible, type Request } from '../back-end.js';

const TARGET = 'ovs';

const WHY: Readonly<Record<string, string>> = {
  rps: 'a PMD thread processes what its queues give it and hands nothing over',
  rfs: 'a PMD thread processes what its queues give it and hands nothing over',
  mac: 'which PMD thread has a packet follows from its queue; a flow by MAC address comes after that (--to ethtool, testpmd)',
  'mac-hash': 'the NIC chooses the queue, and hashes addresses and ports',
  pools: 'Open vSwitch uses no pools',
  'round-robin': 'a PMD thread keeps its queues',
  js: 'a module of JavaScript does not run there',
};

/** What of the NIC's RSS is not to be set through the switch. */
const OWN: readonly (readonly [keyof RssSpec, string])[] = [
  ['key', 'key'],
  ['types', 'types'],
  ['symmetric', 'symmetric'],
  ['function', 'function'],
  ['table', 'table'],
  ['entries', 'entries'],
  ['weight', 'weight'],
  ['equal', 'equal'],
  ['rules', 'rules'],
  ['filters', 'filters'],
  ['contexts', 'contexts'],
  ['inner', 'inner'],
  ['tcs', 'tcs'],
];

/** Queue and CPU of each, and the mask of CPUs, as the switch is told. */
export interface PmdPlan {
  readonly queues: number;
  readonly cpus: readonly number[];
}

/** Which PMD thread polls each queue. */
export function pmdPlan({ spec, steering }: Request): PmdPlan {
  const queues = spec.policy === 'rss' ? (steering as RssSteering).queues : 1;
  return { queues, cpus: Array.from({ length: queues }, (_, queue) => queue % steering.workers) };
}

/** A mask as ovs-vsctl takes it. */
function maskOf(cpus: readonly number[]): string {
  const mask = cpus.reduce((bits, cpu) => bits | (1n << BigInt(cpu)), 0n);
  return `0x${mask.toString(16)}`;
}

/** @throws Inexpressible */
export function emitOvs(request: Request): Compiled {
  const { spec, steering, device } = request;
  if (spec.policy !== 'rss' && spec.policy !== 'single') {
    throw new Inexpressible(TARGET, spec, WHY[spec.policy]!);
  }
  const cannot: Cannot[] = [];
  if (spec.policy === 'rss') {
    const given = OWN.filter(([name]) => spec[name] !== undefined).map(([, name]) => name);
    if (given.length > 0) {
      cannot.push({
        what: given.join(', '),
        why: 'Open vSwitch sets the NIC’s RSS itself: IP, TCP and UDP, with the key and table of its driver',
      });
    }
  }
  cannot.push({
    what: 'undo to other values',
    why: 'what the database holds now is not read: the undo removes the settings',
  });
  const { queues, cpus } = pmdPlan(request);
  const all = Array.from({ length: steering.workers }, (_, cpu) => cpu);
  const name = device === null ? '"$DEV"' : quoted(device);
  const affinity = cpus.map((cpu, queue) => `${queue}:${cpu}`).join(',');
  return {
    target: TARGET,
    commands: [
      `ovs-vsctl set Open_vSwitch . other_config:pmd-cpu-mask=${maskOf(all)}`,
      `ovs-vsctl set Interface ${name} options:n_rxq=${queues}`,
      `ovs-vsctl set Interface ${name} other_config:pmd-rxq-affinity='"${affinity}"'`,
      '# a PMD thread with pinned queues takes no others, unless other_config:pmd-rxq-isolate=false (pmd-rxq-assign=group only)',
    ],
    undo: [
      `ovs-vsctl remove Interface ${name} other_config pmd-rxq-affinity`,
      `ovs-vsctl remove Interface ${name} options n_rxq`,
      'ovs-vsctl remove Open_vSwitch . other_config pmd-cpu-mask',
    ],
    cannot,
  };
}

/** The plan that commands stand for. @throws UserError */
export function parsePlan(commands: readonly string[]): PmdPlan & { readonly workers: number } {
  let queues = 1;
  let workers = 1;
  const cpus: number[] = [];
  for (const command of commands) {
    if (command.startsWith('#')) continue;
    const mask = /^ovs-vsctl set Open_vSwitch \. other_config:pmd-cpu-mask=0x([0-9a-f]+)$/.exec(command);
    const rxq = /^ovs-vsctl set Interface \S+ options:n_rxq=(\d+)$/.exec(command);
    const affinity = /^ovs-vsctl set Interface \S+ other_config:pmd-rxq-affinity='"([\d:,]+)"'$/.exec(
      command,
    );
    if (mask !== null) workers = BigInt(`0x${mask[1]}`).toString(2).length;
    else if (rxq !== null) queues = Number(rxq[1]);
    else if (affinity !== null) {
      for (const pair of affinity[1]!.split(','))
        cpus[Number(pair.split(':')[0])] = Number(pair.split(':')[1]);
    } else throw new UserError(`ovs: "${command}" is not understood`);
  }
  return { queues, workers, cpus };
}

/** The policy. @throws UserError for threads that no policy assigns so */
export function parseOvs(commands: readonly string[]): Record<string, unknown> {
  const { queues, workers, cpus } = parsePlan(commands);
  const odd = cpus.findIndex((cpu, queue) => cpu !== queue % workers);
  if (odd >= 0 || cpus.length !== queues) {
    throw new UserError(`ovs: queue ${Math.max(odd, 0)} is on CPU ${cpus[Math.max(odd, 0)]}: not in turns`);
  }
  return queues === 1 ? { policy: 'single' } : { policy: 'rss', queues };
}
