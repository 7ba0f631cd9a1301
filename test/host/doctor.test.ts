/** How the doctor judges: load, roles, what is unknown, who undoes. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Diagnosis, diagnose } from '#rxsteer/host/doctor.js';
import { fixScript } from '#rxsteer/host/fix-script.js';
import { guestRows } from '#rxsteer/host/guest-table.js';
import { readHost } from '#rxsteer/host/read-host.js';
import { hideAddresses } from '#rxsteer/host/source/pack.js';
import type { Source } from '#rxsteer/host/source/source.js';
import { TreeSource } from '#rxsteer/host/source/tree.js';
import { worded } from '#rxsteer/host/wording.js';
import { FakeHost } from './fake-host.js';

const one = (diagnosis: Diagnosis, id: string) => diagnosis.findings.find((finding) => finding.id === id);
const remote = (packets?: readonly number[]) =>
  new FakeHost(8, 2).nic('eth0', { queues: 4, node: 1, ...(packets === undefined ? {} : { packets }) });

describe('load', () => {
  it('an idle device is not blamed for what costs under load', async () => {
    const finding = one(diagnose(await remote([10, 10, 10, 10]).read()), 'irq-remote');
    expect(finding).toMatchObject({ severity: 'I', why: expect.stringContaining('would matter under load') });
    expect(one(diagnose(await remote().read()), 'irq-remote')).toMatchObject({ severity: 'W' });
  });

  it('one reading makes averages since boot, which weigh less', async () => {
    const host = new FakeHost().nic('eth0').counter('eth0', 'rx_missed_errors', 0);
    const finding = one(diagnose(await host.read(1)), 'ring-drops');
    expect(finding).toMatchObject({ severity: 'W', why: expect.stringContaining('since boot') });
    expect(one(diagnose(await host.read()), 'ring-drops')).toBeUndefined();
  });

  it('counters of 32 bits wrap', async () => {
    const host = new FakeHost().nic('eth0');
    for (const cpu of host.softnet.keys()) host.softnet.set(cpu, { processed: 2 ** 32 - 1000 });
    const { load } = await host.read();
    expect(
      'softnet' in load && 'get' in load.softnet && load.softnet.get(0)!.processed,
    ).toBeGreaterThanOrEqual(0);
  });
});

describe('what is not known', () => {
  it('is never fine', async () => {
    const host = new FakeHost().nic('eth0');
    for (const path of [
      '/rxsteer/ethtool/eth0.json',
      '/proc/uptime',
      '/proc/sys/net/core/rps_sock_flow_entries',
    ])
      host.files.delete(path);
    const { unknown } = diagnose(await host.read(1));
    const ids = new Set(unknown.map(({ id }) => id));
    for (const id of ['reta-hole', 'rfs-half', 'backlog-drops', 'squeezed', 'ring-drops', 'softirq-one-cpu'])
      expect(ids).toContain(id);
    for (const { why } of unknown) expect(why).toMatch(/\S/);
  });

  it('names a check that fails instead of stopping', async () => {
    const host = await new FakeHost().nic('eth0').read();
    const bad = {
      id: 'bad',
      severity: 'W' as const,
      title: '',
      run(): Iterable<never> {
        throw new Error('oops');
      },
    };
    expect(diagnose(host, [], [bad])).toMatchObject({
      findings: [],
      unknown: [{ id: 'bad', why: 'failed: oops' }],
    });
  });
});

describe('roles', () => {
  const roleOf = async (change: (host: FakeHost) => unknown) => {
    const host = new FakeHost().nic('eth0');
    host.role = null;
    change(host);
    return (await host.read()).role;
  };

  const cases: readonly (readonly [string, (host: FakeHost) => unknown])[] = [
    ['server', () => {}],
    ['vm-host', (h) => h.bridge('br0').tap('vnet0', 'br0')],
    ['vm-host', (h) => h.guest('vm0', 'vnet0')],
    ['sniffer', (h) => h.process(9, 'zeek')],
    ['forwarder', (h) => h.nic('eth1', { firstIrq: 80 }).set('/proc/sys/net/ipv4/ip_forward', '1')],
    [
      'server',
      (h) => h.nic('eth1', { firstIrq: 80 }).process(8, 'kubelet').set('/proc/sys/net/ipv4/ip_forward', '1'),
    ],
    ['guest', (h) => h.set('/sys/class/dmi/id/sys_vendor', 'QEMU')],
  ];

  it.each(cases)('%s', async (role, change) => expect(await roleOf(change)).toBe(role));
});

describe('fixes', () => {
  it('name who would undo them', async () => {
    const host = remote()
      .process(500, 'irqbalance', ['irqbalance'])
      .process(501, 'tuned')
      .set('/etc/tuned/active_profile', 'network-latency');
    const finding = one(diagnose(await host.read()), 'irq-remote')!;
    expect(finding.undoneBy.join('\n')).toMatch(/irqbalance[\s\S]*tuned \(profile network-latency\)/);
  });

  it('of hostile names stay words', async () => {
    const name = "e$(id)'`;";
    const host = new FakeHost(8, 2).nic(name, { queues: 2 });
    for (let queue = 0; queue < 2; queue++)
      host.set(`/sys/class/net/${name}/queues/rx-${queue}/rps_cpus`, 'f0');
    const diagnosis = diagnose(await host.read());
    expect(one(diagnosis, 'rps-remote')!.fix[0]).toBe(
      "echo f > '/sys/class/net/e$(id)'\\''`;/queues/rx-0/rps_cpus'",
    );
    expect(fixScript(diagnosis, 'x\ny')).not.toContain('\ny');
  });
});

describe('words', () => {
  it.each([
    ['1 taps with one queue each get packets from 4 CPUs', '1 tap with one queue gets packets from 4 CPUs'],
    [
      '1 queues interrupt CPUs 0, several of them CPU 0; CPUs 1-3',
      '1 queue interrupts CPU 0, several of them CPU 0; CPUs 1-3',
    ],
    [
      'its 1 vCPUs may run on CPUs 3 only, 1 vhost workers on any',
      'its 1 vCPU may run on CPU 3 only, 1 vhost worker on any',
    ],
    ['11 queues have 1.1 queues, CPUs 1,3 and 2.1 CPUs', '11 queues have 1.1 queues, CPUs 1,3 and 2.1 CPUs'],
    ['of 1 flow rules lead', 'of 1 flow rule leads'],
  ])('%s', (text, right) => expect(worded(text)).toBe(right));
});

describe('guests', () => {
  it('stand in a table with their CPUs and nodes', async () => {
    const host = new FakeHost(8, 2)
      .nic('eth0', { queues: 1 })
      .bridge('br0')
      .port('br0', 'eth0')
      .tap('vnet0', 'br0');
    host.guest('db', 'vnet0', { vcpu: 5, vhost: 1, vcpuAllowed: '4-7' });
    expect(guestRows(await host.read())).toEqual([['db', 'vnet0', 'eth0', '0', '1 (0-7)', '5 (4-7)', '0,1']]);
  });
});

describe('addresses', () => {
  it('become others, the same one the same', () => {
    const secret = new Uint8Array(32);
    const text = hideAddresses(
      '52:54:00:aa:bb:cc 192.0.2.7 52:54:00:AA:BB:CC fe80::1:2:3 00:00:00:00:00:00 127.0.0.1',
      secret,
    );
    const [a, ip, b, six, zero, home] = text.split(' ');
    expect(a).toMatch(/^02:/);
    expect(b).toBe(a);
    expect([zero, home]).toEqual(['00:00:00:00:00:00', '127.0.0.1']);
    expect(text).not.toMatch(/52:54|192\.0\.2|fe80/);
    expect([ip, six].every((address) => address!.length > 4)).toBe(true);
  });
});

describe('whatever stands in the files', () => {
  it.each([
    ['/rxsteer/ethtool/eth0.json', '{"rss":3}', /rss: not what the doctor writes/],
    [
      '/rxsteer/ethtool/eth0.json',
      '{"rss":{"entries":"x","key":null,"function":null,"symmetric":"none"}}',
      /rss/,
    ],
    ['/rxsteer/ethtool/eth0.json', '{"channels":[],"rules":{},"features":{"a":1}}', null],
    ['/rxsteer/netdev.json', '{"queues":{},"counters":[1]}', null],
    ['/rxsteer/statistics/eth0.json', '{"rx":"many"}', null],
  ])('%s with %s is unknown, and no check fails', async (path, content, why) => {
    const host = new FakeHost(4, 2).nic('eth0', { queues: 2 });
    host.role = null;
    host.source();
    host.files.set(path, content);
    const { unknown } = diagnose(await host.read());
    expect(unknown.filter(({ subject }) => subject === 'the check itself')).toEqual([]);
    if (why !== null) expect(JSON.stringify(unknown)).toMatch(why);
  });

  it('no check fails', async () => {
    const host = new FakeHost(4, 2)
      .nic('eth0', { queues: 2 })
      .bridge('br0')
      .port('br0', 'eth0')
      .tap('vnet0', 'br0')
      .guest('vm0', 'vnet0');
    const lookup = host.lookup();
    const paths = [...host.files.keys()];
    const text = fc.oneof(
      fc.string(),
      fc.constantFrom(
        '',
        '-1',
        '4294967295',
        '0-999999',
        'ff,',
        '{}',
        '[]',
        'null',
        '{"rss":3}',
        'CPU0\n1: 2',
      ),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.constantFrom(...paths), text), { minLength: 1, maxLength: 12 }),
        async (changes) => {
          const changed = new Map(changes);
          const source = new TreeSource('made', (path) => {
            const content = changed.get(path);
            return content === undefined ? lookup(path) : { kind: 'file', text: () => content };
          });
          const second = async () => source.secondSample();
          const now = (from: Source) => Number(from.read('/rxsteer/clock'));
          const { unknown } = diagnose(await readHost(source, { role: null, second, now }));
          expect(unknown.filter(({ subject }) => subject === 'the check itself')).toEqual([]);
        },
      ),
      { numRuns: 150 },
    );
  }, 120_000);
});
