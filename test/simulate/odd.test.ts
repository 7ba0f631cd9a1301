/** Scenarios that contradict themselves or never end: one line with the path and what would be right, no hang. */
import { describe, expect, it } from 'vitest';
import { COST_NAMES, type PartialCosts } from '#rxsteer/simulate/costs/schema.js';
import { costSet } from '#rxsteer/simulate/costs/sets.js';
import { parseScenario } from '#rxsteer/simulate/scenario/parse.js';
import type { ScenarioInput } from '#rxsteer/simulate/scenario/schema.js';
import { simulate } from '#rxsteer/simulate/simulate.js';

const open = [{ kind: 'open' as const }];

describe('a scenario that contradicts itself', () => {
  const cases: [unknown, string][] = [
    [[], 'x.yaml=[]: expected an object with keys such as name, about, durationMs'],
    [{ durationMs: Number.NaN }, 'x.yaml: durationMs=NaN: expected a number'],
    [{ nics: {} }, 'x.yaml: nics={}: expected at least one NIC'],
    [{ host: { cpus: { sockets: 8, cores: 128 } } }, 'expected at most 128 CPUs'],
    [{ workers: '9' }, 'x.yaml: workers: CPU 9 does not exist; CPUs: 0 to 1'],
    [{ nics: { a: { rps: { cpus: ['0', '7'] } } } }, 'nics.a.rps.cpus: CPU 7 does not exist; CPUs: 0 to 1'],
    [
      { nics: { a: { transmit: { queues: 2, select: ['0', '7'] } } } },
      'transmit.select: CPU 7 does not exist',
    ],
    [{ nics: { a: { transmit: { select: ['0', '1'] } } } }, 'nics.a.transmit.select: 2 lists for 1 queues'],
    [
      { nics: { a: { transmit: { busylock: false } } } },
      'nics.a.transmit.busylock=false: goes with qdisc true, not false',
    ],
    [{ nics: { a: { transmit: { limit: 9 } } } }, 'nics.a.transmit.limit=9: goes with qdisc true, not false'],
    [{ nics: { a: { node: 1 } } }, 'nics.a.node: node 1 does not exist; nodes: 0 to 0'],
    [{ host: { softirq: { flowLimitCpus: '9' } } }, 'host.softirq.flowLimitCpus: CPU 9 does not exist'],
    [{ guests: { vm: { vcpus: 2, irqs: '2' } } }, 'guests.vm.irqs: vCPU 2 does not exist; vCPUs: 0 to 1'],
    [{ guests: { vm: { apps: [{ cpus: '3' }] } } }, 'guests.vm.apps[0].cpus: vCPU 3 does not exist'],
    [{ guests: { vm: { count: 2 }, vm0: {} } }, 'guests.vm0: a guest vm0 is there already'],
    [{ guests: { vm: { count: 1024, vcpus: 128 } } }, '131072 vCPUs in all: expected at most 16384'],
    [{ host: { apps: [{}, {}] } }, 'host.apps[1].name=app is there already'],
    [
      { host: { apps: [{ kind: 'block' }] } },
      'host.apps[0].kind=block: expected a guest with path vhost-scsi',
    ],
    [{ host: { apps: [{ kind: 'send', to: 'vm' }] } }, 'host.apps[0].to=vm: there are no guests'],
    [{ host: { cpus: { cores: 1 }, apps: [{ kind: 'ipi' }] } }, 'expected at least two CPUs'],
    [{ load: [{ to: ['vn'] }], guests: { vm: {} } }, 'load[0].to: unknown guest "vn": did you mean vm?'],
    [{ load: [{ app: 'web' }], host: { apps: [{ name: 'wep' }] } }, 'load[0].app: unknown application "web"'],
    [{ load: [{}], guests: { vm: { apps: [] } } }, 'load[0].app: vm has no application that receives'],
    [{ load: [{ kind: 'closed' }], host: { apps: [{ kind: 'sink' }] } }, 'expected kind echo'],
    [
      { nics: { a: {}, b: {} }, guests: { vm: { path: 'sriov' } }, load: [{ nic: 'b' }] },
      'load[0].nic=b: vm has path sriov, which is of the first NIC, a',
    ],
    [{ load: [{ rate: 1e9 }], durationMs: 1e6 }, 'load[0].rate: 1e12 packets'],
    [{ changes: [{ atMs: 1 }] }, 'changes[0] changes nothing: expected policy, rpsCpus or rollback'],
    [{ load: [{ kind: 'capture' }] }, 'x.yaml: load[0].file is missing: expected a capture file'],
  ];
  it.each(cases)('%j', (scenario, message) => {
    let said = '';
    try {
      parseScenario(scenario, 'x.yaml');
    } catch (error) {
      said = (error as Error).message;
    }
    expect(said).toContain(message);
    expect(said).not.toContain('\n');
  });
});

describe('what a policy says is wrong', () => {
  const said = (scenario: ScenarioInput) => {
    try {
      simulate({ durationMs: 1, warmupMs: 0, load: open, ...scenario }, { limit: false });
    } catch (error) {
      return (error as Error).message;
    }
    return '';
  };

  it('is told with its place in the scenario, once', () => {
    expect(said({ policies: ['single', 'rsss'] })).toMatch(/^policies\[1\]: .*did you mean rss/);
    expect(said({ policies: ['mac:stage=nic,order=strict'] })).toMatch(/^policies\[0\]: policy mac: order/);
    expect(said({ nics: { a: { queues: 2, policy: 'rsss' } } })).toMatch(/^nics\.a\.policy: .*did you mean/);
    expect(said({ guests: { vm: { count: 2, queues: 2, policy: 'rss:queues=4' } } })).toMatch(
      /^guests\.vm\.policy: policy rss has 4 queues, the guest 2/,
    );
  });

  it('a rebalancer without anything to move is one, unless it is compared with one that has', () => {
    const rebalance = { everyMs: 0.5 };
    expect(said({ rebalance, policies: ['round-robin'] })).toMatch(
      /^rebalance: policy round-robin has nothing/,
    );
    expect(said({ rebalance })).toMatch(/^rebalance: policy none has nothing/);
    expect(said({ rebalance, policies: ['single', 'round-robin'] })).toMatch(
      /^rebalance: policy single, round-r/,
    );
    expect(said({ rebalance, policies: ['single', 'rss:queues=2'] })).toBe('');
  });
});

describe('where nothing takes time', () => {
  const zero = (value: unknown): unknown =>
    typeof value === 'number'
      ? 0
      : Object.fromEntries(Object.entries(value as object).map(([key, inner]) => [key, zero(inner)]));
  const modern = costSet('modern').costs;
  const costs = Object.fromEntries(
    COST_NAMES.map((name) => [name, name === 'siblingSlowdown' ? 1 : zero(modern[name] ?? 0)]),
  ) as PartialCosts;
  const base = { costs, variation: 'none', durationMs: 1, warmupMs: 0 } as const;
  const endless: ScenarioInput[] = [
    { ...base, host: { apps: [{ kind: 'ping', threads: 1, workNs: 0 }] } },
    { ...base, nics: { eth0: { wireUs: 0 } }, load: [{ kind: 'closed', clients: 3 }] },
  ];
  it.each(endless.map((scenario, i) => [['threads', 'clients'][i]!, scenario] as const))(
    'what would go on without end is told: %s',
    (_, scenario) => {
      expect(() => simulate(scenario, { limit: false })).toThrow('time stands still');
    },
  );

  it('packets that come at a rate are served, free of charge', () => {
    const { throughput, cpu } = simulate({ ...base, durationMs: 10, load: open }, { limit: false })
      .results[0]!;
    expect(throughput.value).toBeGreaterThan(90_000);
    expect(cpu.busyShare).toBe(0);
  });
});

it('a softirq without time still polls a device in each run, as the kernel does', () => {
  const { throughput, dropped } = simulate(
    { durationMs: 10, host: { softirq: { weight: 1, budget: 1, timeUs: 0 } }, load: open },
    { limit: false },
  ).results[0]!;
  expect(throughput.value).toBeGreaterThan(90_000);
  expect(dropped).toEqual({});
});
