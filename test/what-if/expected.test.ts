/** What fixes would bring: which are simulated, what is said of them, and what is not. */
import { describe, expect, it } from 'vitest';
import { examine } from '#rxsteer/host/doctor.js';
import { known } from '#rxsteer/host/fact.js';
import { simulate } from '#rxsteer/simulate/simulate.js';
import { machineOf } from '#rxsteer/what-if/machine.js';
import { expectedOf, setOfCosts } from '#rxsteer/what-if/run.js';
import { expectedLines } from '#rxsteer/what-if/simulated.js';
import { FakeHost } from '../host/fake-host.js';

/** Guests behind one queue whose RPS spreads by flow. */
function hostOfGuests(guests = 2): FakeHost {
  const made = new FakeHost(8)
    .nic('eth0', { queues: 1, packets: [40_000] })
    .bridge('br0')
    .port('br0', 'eth0');
  made.role = null;
  for (let i = 0; i < guests; i++) {
    made.tap(`vnet${i}`, 'br0').guest(`vm${i}`, `vnet${i}`, {
      ...{ pid: 4000 + 10 * i, vcpu: 4 + i, vhost: 2 + i, vcpuAllowed: `${4 + i}`, vhostAllowed: `${2 + i}` },
    });
  }
  return made.set('/sys/class/net/eth0/queues/rx-0/rps_cpus', '0f');
}

async function expectedFor(made: FakeHost) {
  const host = await made.read();
  const { diagnosis, curable } = examine(host);
  const expected = expectedOf(host, curable, setOfCosts());
  const by = (id: string) => {
    const finding = diagnosis.findings.find((one) => one.id === id);
    return finding === undefined ? undefined : expected.of.get(finding);
  };
  return { by, expected };
}

describe('what a fix would bring', () => {
  it('is what the simulator says of the host as it is and as the fix leaves it', async () => {
    const { by, expected } = await expectedFor(hostOfGuests());
    const said = by('vm-flow-steering');
    if (said === undefined || !('simulated' in said)) throw new Error(JSON.stringify(said));
    const { loads, costs, assumed } = said.simulated;
    expect(loads.map(({ load }) => load)).toEqual(['limit', 'now']);
    // Without RPS no other CPU takes part: more at the limit, fewer IPIs and less CPU under a given load.
    const [limit, now] = loads;
    expect(limit!.gain).toBeGreaterThan(1.05);
    expect(now!.after.ipis).toBeLessThan(now!.before.ipis);
    expect(now!.after.cpuUs).toBeLessThan(now!.before.cpuUs);
    expect(costs).toContain('modern');
    expect(assumed.join()).toContain('guests answer');
    const lines = expectedLines(said);
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^simulated at the limit: [\d.]+ -> [\d.]+ k \w+\/s/);
    expect(lines[1]).toMatch(/^simulated at [\d.]+ k packets\/s as now: /);
    // The files are what was run.
    const files = new Map(expected.scenarios);
    for (const [i, part] of (['before', 'after'] as const).entries()) {
      const again = simulate(files.get(`1-vm-flow-steering-now-${part}`)!, { limit: false });
      expect(again.digest, `${i}`).toBe(loads[1]![part].digest);
    }
  });

  it('is not said where a fact that decides is missing', async () => {
    const made = hostOfGuests();
    made.set('/proc/irq/40/effective_affinity_list', '0-3').set('/proc/irq/40/smp_affinity_list', '0-3');
    const { by, expected } = await expectedFor(made);
    expect(by('vm-flow-steering')).toEqual({
      notSimulated: 'eth0: where queue 0 interrupts is not known',
    });
    expect(expected.scenarios).toEqual([]);
  });

  it('is the same for the same facts', async () => {
    const [a, b] = [await expectedFor(hostOfGuests(1)), await expectedFor(hostOfGuests(1))];
    expect([...a.expected.of.values()]).toEqual([...b.expected.of.values()]);
  });

  it('is not looked for where no fix changes what is simulated', async () => {
    const { expected } = await expectedFor(new FakeHost().nic('eth0'));
    expect([expected.of.size, expected.scenarios.length]).toEqual([0, 0]);
  });
});

describe('the CPUs of a host', () => {
  async function machine(made: FakeHost) {
    const found = machineOf((await made.read()).cpus);
    if (!known(found)) throw new Error(found.unknown);
    return found;
  }
  const siblings = (made: FakeHost, of: (cpu: number) => string) => {
    for (let cpu = 0; cpu < made.cpus; cpu++)
      made.set(`/sys/devices/system/cpu/cpu${cpu}/topology/thread_siblings_list`, of(cpu));
    return made;
  };

  it('keep their numbers where the simulator has the same ones', async () => {
    expect(await machine(new FakeHost(8, 2))).toMatchObject({
      spec: { sockets: 2, cores: 4, threads: 1 },
      isRenumbered: false,
    });
    const beside = siblings(new FakeHost(8, 2), (cpu) => `${cpu & ~1}-${cpu | 1}`);
    expect(await machine(beside)).toMatchObject({
      spec: { sockets: 2, cores: 2, threads: 2, siblings: 'beside' },
      isRenumbered: false,
    });
  });

  it('are numbered node by node where nodes take turns', async () => {
    const made = new FakeHost(8, 2);
    made.set('/sys/devices/system/node/node0/cpulist', '0,2,4,6');
    made.set('/sys/devices/system/node/node1/cpulist', '1,3,5,7');
    const found = await machine(made);
    expect([found.isRenumbered, found.cpus([0, 1, 6, 7]), found.node(1)]).toEqual([true, [0, 3, 4, 7], 1]);
  });

  it('are not guessed where nodes or cores are unlike', async () => {
    const made = new FakeHost(8, 2);
    made.set('/sys/devices/system/node/node0/cpulist', '0-2');
    made.set('/sys/devices/system/node/node1/cpulist', '3-7');
    expect(machineOf((await made.read()).cpus)).toMatchObject({
      unknown: 'nodes or cores that are not alike',
    });
  });
});
