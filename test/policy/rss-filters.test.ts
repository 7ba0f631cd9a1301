import { describe, expect, it } from 'vitest';
import { ethernet, ipv4, TcpFlag, tcp, udp } from '#rxsteer/packet/build.js';
import { policy, steer } from './support.js';

const packet = (dport: number, flags: number = TcpFlag.ack) =>
  ethernet({}, ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, tcp({ sport: 1000, dport, flags })));

const given = {
  policy: 'rss',
  nic: 'igb-82576',
  queues: 8,
  filters: {
    ethertypes: [{ ethertype: 0x88cc, queue: 7 }],
    syn: { queue: 6 },
    tuples: [{ protocol: 6, dport: 22, priority: 7, queue: 5 }],
  },
};

describe('an rss policy with filters, rules and contexts', () => {
  it('steers by them, and hashes the rest as without them', () => {
    const steering = policy(given, { workers: 4 });
    const frames = [packet(22), packet(80, TcpFlag.syn), ethernet({ ethertype: 0x88cc }, 'lldp'), packet(80)];
    const burst = steer(steering, frames);
    const plain = steer(policy('rss:nic=igb-82576,queues=8', { workers: 4 }), frames);
    expect(Array.from(burst.rxq.subarray(0, 4))).toEqual([5, 6, 7, plain.rxq[3]]);
    expect(Array.from(burst.worker.subarray(0, 4))).toEqual([1, 2, 3, plain.worker[3]]);
    expect([burst.hash[3], burst.bucket[3], burst.bucket[0]]).toEqual([plain.hash[3], plain.bucket[3], -1]);
    expect(steering.explain(burst, 0)).toBe('a tuple filter matches -> queue 5');
    expect(steering.explain(burst, 3)).toBe(policy('rss:nic=igb-82576,queues=8').explain(plain, 3));
  });

  it("takes flow rules in ethtool's words, in strings too", () => {
    const rules = 'flow-type tcp4 dst-port 80 action 2 loc 1+flow-type udp4 action -1';
    const steering = policy(`rss:queues=4,rules=${rules}`, { workers: 4 });
    const drop = ethernet({}, ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp({ sport: 1, dport: 2 })));
    const burst = steer(steering, [packet(80), drop]);
    expect(Array.from(burst.rxq.subarray(0, 2))).toEqual([2, 0]);
    expect(steering.decision(burst, 0)).toMatchObject({ hash: null, bucket: null, queue: 2, worker: 2 });
    expect(steering.explain(burst, 1)).toBe(
      'flow rule at loc 1023 (flow-type udp4 action -1): dropped (queue 127) (here: queue 0)',
    );
  });

  it('contexts have tables and keys of their own', () => {
    const steering = policy(
      {
        policy: 'rss',
        queues: 8,
        equal: 2,
        contexts: [{ start: 4, equal: 4, key: 'symmetric' }],
        rules: ['flow-type tcp4 dst-port 80 context 1'],
      },
      { workers: 8 },
    );
    const burst = steer(steering, [packet(80), packet(81)]);
    expect(burst.rxq[0]).toBeGreaterThanOrEqual(4);
    expect(burst.rxq[1]).toBeLessThan(2);
    expect(steering.decision(burst, 0).hash?.key).toBe('6d5a'.repeat(20));
  });

  it.each([
    [{ nic: 'generic', filters: { syn: { queue: 1 } } }, 'policy rss: SYN filter: generic has none'],
    [{ filters: { tuples: [{ dport: 1, queue: 9 }] } }, 'policy rss: five-tuple filter: queue 9'],
    [
      { filters: { tuples: [{ src: '::1', queue: 1 }] } },
      'filters.tuples[0].src: "::1" is not an IPv4 address',
    ],
    [
      { filters: { tuples: [{ dport: 70000, queue: 1 }] } },
      'filters.tuples[0].dport=70000: expected a whole',
    ],
    [{ filters: { vlanPriorities: { 3: 1 } } }, 'VLAN priority filter: igb-82576 has none'],
    [{ rules: 'flow-type tcp4 action 9' }, 'policy rss: rules[0]: flow rule: action 9: queues 0 to 7'],
    [{ rules: ['flow-type x'] }, 'policy rss: rules[0]: flow-type "x" is not one of'],
    [{ contexts: [{ equal: 9 }] }, 'policy rss: contexts[0]: RSS context 1: equal: queues 0 to 8'],
    [{ contexts: [{ key: '00' }] }, 'policy rss: contexts[0].key: the key has 1 bytes; permitted: 40'],
    [{ rules: ['flow-type tcp4 action 1'], inner: 'vxlan' }, 'inner: does not go with filters'],
  ])('%j is refused', (change, message) => {
    const act = () => policy({ policy: 'rss', nic: 'igb-82576', queues: 8, ...change }, { workers: 4 });
    expect(act).toThrow(message);
    expect(act).not.toThrow(/\n/);
  });
});
