/**
 * RPS and RFS in the words of sysfs.
 *
 * Promise: sizes of tables before masks, since a mask switches steering on; the undo is the reverse, to what was read.
 * CPUs that the kernel would leave out without a word (offline, isolated) are left out here, and said. Pure.
 *
 * Source: net/core/net-sysfs.c (store_rps_map, store_rps_dev_flow_table_cnt), net/core/sysctl_net_core.c.
 */
import { known, valueOr } from '../../host/fact.js';
import type { Device, Host } from '../../host/host.js';
import { formatCpuList, formatCpuMask, unique } from '../../host/lists.js';
import { isolatedCpus } from '../../host/read/cpus.js';
import { sysctlNumber } from '../../host/read/sysctls.js';
import { all, type Remedy, setFlows, setRps, setSysctl } from '../../host/remedy.js';
import type { RfsSpec, RpsSpec, SingleSpec } from '../../policy/spec.js';
import { type Cannot, type Compiled, Inexpressible, type Request, UNDO_UNKNOWN } from '../back-end.js';

const TARGET = 'sysfs';
const ENTRIES = 'net.core.rps_sock_flow_entries';

type Spec = SingleSpec | RpsSpec | RfsSpec;

/** Why policies have no words there. */
const WHY: Readonly<Record<string, string>> = {
  rss: 'the table, key and fields of a NIC are set by ethtool (--to ethtool)',
  pools: 'the pools of a NIC are set by its driver',
  mac: 'the kernel steers by a hash of addresses and ports, never by an owner of a MAC address (--to ethtool, bpf, xdp)',
  'mac-hash': 'the kernel hashes addresses and ports, not MAC addresses (--to bpf, xdp)',
  'round-robin': 'the kernel keeps a flow on its CPU',
  js: 'a module of JavaScript does not run in the kernel',
};

/** Turns the policy into files and their contents. @throws Inexpressible */
export function emitSysfs(request: Request): Compiled {
  const { spec, host, now } = request;
  if (spec.policy !== 'single' && spec.policy !== 'rps' && spec.policy !== 'rfs') {
    throw new Inexpressible(TARGET, spec, WHY[spec.policy]!);
  }
  if (spec.policy !== 'single' && spec.hash === 'toeplitz') {
    throw new Inexpressible(
      TARGET,
      spec,
      'RPS takes its own hash, or the one that the NIC gives; hash=toeplitz cannot be set (--to bpf, xdp)',
    );
  }
  const asked = spec.policy === 'single' ? [0] : spec.cpus;
  const cannot: Cannot[] = [];
  const cpus = host === null ? unique(asked) : usable(request, host, asked, cannot);
  noteHash(spec, asked, cannot);
  if (host === null || now === null) {
    return { target: TARGET, commands: anyDevice(spec, cpus), undo: [UNDO_UNKNOWN], cannot };
  }
  const { fix, undo } = remedyOf(spec, cpus, host, now, cannot);
  return { target: TARGET, commands: fix, undo, cannot };
}

/** The CPUs that the kernel would take. */
function usable({ spec }: Request, host: Host, asked: readonly number[], cannot: Cannot[]): number[] {
  const { possible, online } = host.cpus;
  const beyond = asked.filter((cpu) => !possible.includes(cpu));
  if (beyond.length > 0) {
    const there = formatCpuList(possible);
    throw new Inexpressible(TARGET, spec, `CPU ${formatCpuList(beyond)}: this host has CPUs ${there}`);
  }
  const isolated: readonly number[] = valueOr<number[], number[]>(isolatedCpus(host.cpus), []);
  const leave = (what: string, gone: readonly number[]) => {
    if (gone.length === 0) return;
    const list = formatCpuList(gone);
    cannot.push({ what: `CPU ${list}`, why: `${what}: the kernel leaves it out of the mask without a word` });
  };
  leave(
    'offline',
    asked.filter((cpu) => !online.includes(cpu)),
  );
  leave(
    'isolated',
    asked.filter((cpu) => online.includes(cpu) && isolated.includes(cpu)),
  );
  const cpus = unique(asked).filter((cpu) => online.includes(cpu) && !isolated.includes(cpu));
  if (cpus.length === 0) throw new Inexpressible(TARGET, spec, 'none of its CPUs takes packets here');
  return cpus;
}

/** What of the choice among the CPUs is the kernel's own. */
function noteHash(spec: Spec, asked: readonly number[], cannot: Cannot[]): void {
  if (spec.policy === 'single') return;
  cannot.push({
    what: spec.key === undefined ? 'which flow goes to which CPU' : 'key',
    why: 'the kernel draws the key of its hash at boot, and nobody can set or read it: the same function and shares, another flow on each CPU; where the NIC hashes (ethtool -K rxhash on) its hash is taken instead',
  });
  if (asked.some((cpu, i) => i > 0 && cpu < asked[i - 1]!)) {
    cannot.push({
      what: `order of the list ${asked.join('+')}`,
      why: 'a mask has none: CPUs ascend in the map',
    });
  }
  if (spec.order === 'strict') {
    cannot.push({
      what: 'order=strict',
      why: 'the kernel guards moves from one RFS CPU to another only (order=linux)',
    });
  }
}

/** A loop of the shell over the queues of a device of which nothing is known. */
function anyDevice(spec: Spec, cpus: readonly number[]): string[] {
  const each = (file: string, value: string) =>
    `for q in /sys/class/net/$DEV/queues/rx-*; do echo ${value} > $q/${file}; done`;
  return [
    ...(spec.policy === 'rfs'
      ? [`sysctl -w ${ENTRIES}=${spec.entries}`, each('rps_flow_cnt', `${spec.flows}`)]
      : [each('rps_flow_cnt', '0')]),
    each('rps_cpus', formatCpuMask(cpus)),
  ];
}

function remedyOf(
  spec: Spec,
  cpus: readonly number[],
  host: Host,
  now: Device,
  cannot: Cannot[],
): Pick<Remedy, 'fix' | 'undo'> {
  const { name } = now;
  if (now.rx.length === 0) {
    throw new Inexpressible(TARGET, spec, `${name} shows no receive queues in /sys/class/net/${name}/queues`);
  }
  const unread = now.rx.filter(({ rps, flows }) => !known(rps) || !known(flows));
  if (unread.length > 0) {
    cannot.push({
      what: `undo of ${unread.map(({ queue }) => `rx-${queue}`).join(', ')}`,
      why: 'what is set there could not be read',
    });
  }
  const entries = sysctlNumber(host.sysctls, ENTRIES);
  const wanted = spec.policy === 'rfs' ? spec.flows : 0;
  const parts: Remedy[] = [
    ...(spec.policy === 'rfs' ? [setSysctl(ENTRIES, spec.entries, valueOr(entries, 0))] : []),
    // A table of flows without a global one does nothing; one that is left from before would steer on.
    ...now.rx.flatMap(({ queue, flows }) => {
      const was = valueOr(flows, 0);
      return was === 0 && wanted === 0 ? [] : [setFlows(name, queue, wanted, was)];
    }),
    ...now.rx.map(({ queue, rps }) => setRps(name, queue, cpus, valueOr(rps, []))),
  ];
  return all(...parts);
}
