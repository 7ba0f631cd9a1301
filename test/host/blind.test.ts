/** What nobody could read is told: a check that finds nothing on a host that it cannot see says so. */
import { describe, expect, it } from 'vitest';
import { NEEDS } from '#rxsteer/host/checks/needs.js';
import { diagnose } from '#rxsteer/host/doctor.js';
import { unknown } from '#rxsteer/host/fact.js';
import { readHost } from '#rxsteer/host/read-host.js';
import { type Lookup, TreeSource } from '#rxsteer/host/source/tree.js';
import { CASES, type Case } from './cases.js';
import { FakeHost } from './fake-host.js';

const GROUPS: Readonly<Record<string, RegExp>> = {
  interrupts: /^\/(rxsteer\/later\/)?proc\/interrupts$/,
  affinities: /^\/(rxsteer\/later\/)?proc\/irq\/\d+/,
  devices: /^\/sys\/class\/net$/,
  queues: /^\/sys\/class\/net\/[^/]+\/queues/,
  masks: /(rps_cpus|xps_cpus|rps_flow_cnt)$/,
  ethtool: /^\/rxsteer\/ethtool\//,
  statistics: /\/statistics\//,
  softnet: /softnet_stat$/,
  softirqs: /\/softirqs$/,
  stat: /\/proc\/stat$/,
  sysctls: /^\/proc\/sys\//,
  processes: /^\/proc\/\d+(\/|$)/,
  nodes: /system\/node/,
};

function made({ machine, bare, breaks }: Case): FakeHost {
  const host = new FakeHost(machine?.cpus, machine?.nodes, machine?.smt);
  if (bare !== true) host.nic('eth0');
  breaks(host);
  return host;
}

/** A host of which some files are there and may not be read. */
async function read(host: FakeHost, hidden: RegExp | null) {
  const lookup = host.lookup();
  const blind: Lookup = (path) => {
    const node = lookup(path);
    if (node === null || node.kind === 'link' || hidden === null || !hidden.test(path)) return node;
    const denied = unknown(`no right to read ${path}`, 'denied');
    return node.kind === 'file'
      ? { kind: 'file', text: () => denied }
      : { kind: 'folder', names: () => denied };
  };
  const source = new TreeSource('made', blind);
  return readHost(source, {
    role: host.role,
    second: async () => source.secondSample(),
    now: (from) => Number(from.read('/rxsteer/clock')),
  });
}

/** Daily one check a group; all of them where `BLIND_ALL` is set, as `npm run soak` does (test/soak/doctor-blind.test.ts). */
const SAMPLE: Readonly<Record<string, string>> = {
  interrupts: 'irq-pileup',
  affinities: 'irq-remote',
  devices: 'rps-self',
  queues: 'xps-hole',
  masks: 'rps-remote',
  ethtool: 'key-weak',
  statistics: 'ring-drops',
  softnet: 'backlog-drops',
  softirqs: 'softirq-one-cpu',
  stat: 'rps-wanted',
  sysctls: 'bridge-nf',
  processes: 'vhost-off',
  nodes: 'irq-remote',
};

describe('each check', () => {
  it('reads what the list of its needs says', () => {
    expect(Object.keys(NEEDS).filter((id) => CASES[id] === undefined)).toEqual([]);
  });

  it.each(Object.entries(GROUPS))(
    'finds it without the %s, or says that it could not read them',
    async (group, hidden) => {
      const ids = process.env.BLIND_ALL === undefined ? [SAMPLE[group]!] : Object.keys(CASES);
      const silent: string[] = [];
      for (const id of ids) {
        const { findings, unknown: told } = diagnose(await read(made(CASES[id]!), hidden));
        if (![...findings, ...told].some((one) => one.id === id)) silent.push(id);
      }
      expect(silent).toEqual([]);
    },
  );

  it('of a host that is read whole has no gap', async () => {
    const { unknown: told } = diagnose(await read(made(CASES['irq-pileup']!), null));
    expect(told).toEqual([]);
  });
});
