/** A chosen imbalance is there: counted by the policy itself, over the packets that were made. */
import { describe, expect, it } from 'vitest';
import { Experiment } from '#rxsteer/policy/experiment.js';
import { makeFrames, makeTraffic } from '#rxsteer/traffic/frames.js';
import { TrafficMaker } from '#rxsteer/traffic/maker.js';
import { planTraffic, type TrafficOptions } from '#rxsteer/traffic/options.js';

function loads(options: TrafficOptions): number[] {
  const { policy } = options.imbalance!;
  const experiment = new Experiment(policy);
  for (const frame of makeFrames(options)) experiment.add(frame);
  const { queues, workers } = experiment.spread();
  return (String(policy).startsWith('rps') ? workers : queues).map(({ packets }) => packets);
}

const ALL = { tcp: 1, udp: 1, sctp: 1, icmp: 1 };

describe('imbalance', () => {
  // Toeplitz with a table of a power of two is solved, everything else is searched; both must hit.
  it.each<[string, number, number, TrafficOptions]>([
    ['rss:nic=ice-e810,queues=8', 3, 0.7, { zipf: 1 }],
    ['rss:nic=ixgbe-82599,queues=16', 0, 0.5, { protocols: ALL, ipv6: 0.4, guests: 5 }],
    ['rss:nic=mlx5,queues=6', 5, 0.9, { elephants: 2, elephantShare: 0.3 }],
    ['rss:queues=8,symmetric=xor', 1, 0.4, {}],
    ['rss:queues=8,function=crc32c', 1, 0.4, {}],
    ['rss:queues=8,inner=vxlan', 2, 0.6, { tunnels: { vxlan: 1 } }],
    ['rss:queues=8', 2, 0.6, { tunnels: { vxlan: 1 } }],
    ['rss:nic=ena-old,queues=8', 7, 0.8, {}],
    ['rps:cpus=1-4', 2, 0.5, { protocols: { udp: 1 } }],
    ['rss:queues=4', 1, 0, {}],
    ['rss:queues=4', 1, 1, {}],
  ])('%s: queue %i gets %f of the packets', (policy, queue, share, others) => {
    const got = loads({ packets: 4000, flows: 200, ...others, imbalance: { policy, queue, share } });
    expect(got[queue]).toBe(4000 * share);
    expect(got.reduce((a, b) => a + b)).toBe(4000);
  });

  it('is solved, not searched, where the hash is Toeplitz: about one change a flow', () => {
    for (const protocols of [{ tcp: 1 }, { icmp: 1 }]) {
      const imbalance = { policy: 'rss:queues=64,table=4096', queue: 40, share: 0.5 };
      const plan = planTraffic({ packets: 2000, flows: 1000, ipv6: 0.5, protocols, imbalance });
      // Drawing would take 64 changes a flow.
      expect(new TrafficMaker(plan).targets!.changes).toBeLessThan(1200);
    }
  });

  it('can be the work of one flow', () => {
    const imbalance = { policy: 'rss:nic=ice-e810,queues=8', queue: 6, share: 0.5, flows: 1 };
    const packets = [...makeTraffic({ packets: 2000, flows: 100, imbalance })];
    const counts = new Map<number, number>();
    for (const { flow } of packets) counts.set(flow, (counts.get(flow) ?? 0) + 1);
    expect(Math.max(...counts.values())).toBe(1000);
  });

  it('differs in all tuples: no two flows are one', () => {
    const experiment = new Experiment('rss:nic=ixgbe-82599,queues=4');
    const imbalance = { policy: 'rss:nic=ixgbe-82599,queues=4', queue: 2, share: 0.9 };
    for (const frame of makeFrames({ packets: 3000, flows: 3000, clients: 1, imbalance }))
      experiment.add(frame);
    expect(experiment.spread().queues.reduce((sum, { flows }) => sum + flows, 0)).toBe(3000);
  });

  it.each([
    [{ policy: 'rss:queues=4', queue: 9, share: 0.5 }, {}, 'queue 9: rss:queues=4 has 0, 1, 2, 3'],
    [{ policy: 'round-robin', queue: 0, share: 0.5 }, {}, 'policy round-robin does not steer by addresses'],
    [{ policy: 'rss:queues=4', queue: 0, share: 0.5 }, { tunnels: { gre: 1 } }, 'no queue'],
    [{ policy: 'rss:queues=1', queue: 0, share: 0.5 }, {}, 'has one queue'],
    [{ policy: 'rss:queues=4', queue: 0, share: 0.5 }, { flows: 1 }, 'more flows are needed'],
    [{ policy: 'rss:queus=4', queue: 0, share: 0.5 }, {}, 'did you mean queues'],
    [{ policy: 'rss:queues=4', queue: 0 }, {}, 'imbalance.share is missing'],
  ])('refuses %j with %j', (imbalance, others, message) => {
    expect(() => makeTraffic({ ...others, imbalance } as TrafficOptions)).toThrow(message);
  });
});
