import { describe, expect, it } from 'vitest';
import { formatNtuple, parseNtuple } from '#rxsteer/nic/ntuple-text.js';
import { ethernet, ipv4, ipv6, tcp, udp } from '#rxsteer/packet/build.js';
import { addRule, burstOf, model, segment } from './support.js';

const stage = (nic: ReturnType<typeof model>, frame: Uint8Array) => {
  const { stage: decided, queue, location } = nic.receive(burstOf(frame), 0);
  return [decided, queue, location];
};

describe('flow rules', () => {
  it('the lowest location wins; without one a rule goes to the highest that is free', () => {
    const nic = model('mlx5');
    expect(addRule(nic, 'flow-type tcp4 dst-port 80 action 1')).toBe(1023);
    expect(addRule(nic, 'flow-type tcp4 src-port 1000 action 2')).toBe(1022);
    expect(stage(nic, segment())).toEqual(['flow-rule', 2, 1022]);
    expect(addRule(nic, 'flow-type ip4 dst-ip 10.0.0.2 action 3 loc 7')).toBe(7);
    expect(stage(nic, segment())).toEqual(['flow-rule', 3, 7]);
    expect(stage(nic, segment({ dst: '10.0.0.3' }))).toEqual(['flow-rule', 2, 1022]);
    nic.rules.delete(7);
    expect(stage(nic, segment())[1]).toBe(2);
    expect(addRule(nic, 'flow-type ether dst-mac 52:54:00:00:00:01 action 5 loc 1022')).toBe(1022);
    expect(nic.rules.locations).toEqual([1022, 1023]);
    expect(stage(nic, segment())[1]).toBe(1);
    expect(stage(nic, segment({ dstMac: '52:54:00:00:00:01' }))[1]).toBe(5);
  });

  it('action -1 drops', () => {
    const nic = model('mlx5');
    addRule(nic, 'flow-type tcp4 dst-port 80 action -1 loc 3');
    const verdict = nic.receive(burstOf(segment()), 0);
    expect(verdict).toMatchObject({ stage: 'rule-drop', queue: null, queues: [], location: 3 });
    expect(verdict.reason).toBe(
      'flow rule at loc 3 (flow-type tcp4 dst-port 80 action -1): dropped (queue 127)',
    );
  });

  it('m names the bits that are not compared', () => {
    const nic = model('mlx5');
    addRule(nic, 'flow-type ip4 src-ip 10.0.0.0 m 0.0.0.255 action 4');
    addRule(nic, 'flow-type tcp6 dst-ip 2001:db8:: m 0:0:0:ffff:ffff:ffff:ffff:ffff action 5');
    addRule(nic, 'flow-type ether proto 0x0806 vlan 7 m 0xf000 action 6');
    expect(stage(nic, segment({ src: '10.0.0.200' }))[1]).toBe(4);
    expect(stage(nic, segment({ src: '10.0.1.200' }))[0]).toBe('rss');
    const v6 = (dst: string) => ethernet({}, ipv6({ src: '::1', dst }, tcp({ sport: 1, dport: 2 })));
    expect(stage(nic, v6('2001:db8:0:1::9'))[1]).toBe(5);
    expect(stage(nic, v6('2001:db9::9'))[0]).toBe('rss');
    const arp = (tag: number) => ethernet({ ethertype: 0x0806, vlans: [tag] }, new Uint8Array(28));
    expect(stage(nic, arp((3 << 13) | 7))[1]).toBe(6);
    expect(stage(nic, arp(8))[0]).toBe('default');
  });

  it('a rule with ports leaves fragments alone', () => {
    const nic = model('mlx5');
    addRule(nic, 'flow-type udp4 action 4');
    const part = (moreFragments: boolean) =>
      ethernet({}, ipv4({ src: '10.0.0.1', dst: '10.0.0.2', moreFragments }, udp({ sport: 1, dport: 2 }, 8)));
    expect(stage(nic, part(false))[1]).toBe(4);
    expect(stage(nic, part(true))[0]).toBe('rss');
  });

  it.each([
    ['flow-type tcp4 dst-port 80 action 8', 'action 8: queues 0 to 7, or -1 to drop'],
    ['flow-type tcp4 dst-port 80 context 1', 'RSS context 1 does not exist; contexts: 0'],
    ['flow-type tcp4 dst-port 80 context 0 action -1', 'action -1 does not go with a context'],
    ['flow-type tcp4 dst-port 80 context 0 action 1', 'context 0 + action 1 reaches queue 8'],
    ['flow-type tcp4 dst-port 80 action 1 loc 1024', 'loc 1024: 0 to 1023'],
    ['flow-type tcp5 action 1', 'flow-type "tcp5" is not one of ether, ip4, tcp4'],
    ['tcp4', 'a rule starts with flow-type'],
    ['flow-type tcp4 dst-port', 'dst-port: a value is missing'],
    ['flow-type tcp4 dst-port 65536 action 1', 'dst-port "65536" is no such value'],
    ['flow-type tcp4 src-ip ::1 action 1', 'src-ip "::1" is no such value'],
    ['flow-type ip4 dst-port 1 action 1', '"dst-port": flow-type ip4 has src-ip, dst-ip, l4proto, vlan'],
    ['flow-type tcp4 m 1 action 1', 'm follows the value of a field'],
    ['flow-type tcp4 dst-port 1', 'action (a queue, or -1) or context is needed'],
    ['flow-type tcp4 queue -1', 'queue "-1": a whole number'],
    ['flow-type tcp4 dst-port 1 dst-port 2 action 1', 'dst-port is given twice'],
  ])('%s is refused', (text, message) => {
    const nic = model('mlx5');
    const act = () => addRule(nic, text);
    expect(act).toThrow(message);
    expect(act).not.toThrow(/\n/);
    expect(nic.rules.size).toBe(0);
  });

  it('prints what it read', () => {
    const text = 'flow-type tcp4 src-ip 10.0.0.1 dst-port 80 context 1 action 2';
    expect(formatNtuple(parseNtuple(`${text} loc 4`, 'test'))).toBe(text);
  });

  it('a queue that a rule uses cannot be taken away', () => {
    const nic = model('mlx5');
    addRule(nic, 'flow-type tcp4 dst-port 80 action 5 loc 3');
    expect(() => nic.setQueues(5)).toThrow('5 queues: the flow rule at loc 3 uses queue 5');
    nic.setQueues(6);
    expect(nic.receive(burstOf(segment()), 0).queue).toBe(5);
    expect(() => addRule(nic, 'flow-type tcp4 action 6')).toThrow('action 6: queues 0 to 5');
  });
});

describe("the 82599's perfect filters", () => {
  it('know IPv4 only, in 2046 places, with one mask for all', () => {
    const nic = model('ixgbe-82599', { queues: 64 });
    expect(() => addRule(nic, 'flow-type tcp6 dst-port 80 action 1')).toThrow(
      'flow-type tcp6: permitted here: ip4, tcp4, udp4, sctp4',
    );
    expect(addRule(nic, 'flow-type tcp4 dst-port 80 action 63')).toBe(2045);
    expect(stage(nic, segment())).toEqual(['flow-rule', 63, 2045]);
    expect(() => addRule(nic, 'flow-type tcp4 src-port 80 action 1')).toThrow(
      'it compares src-port ffff; all rules of this NIC must compare the same: dst-port ffff',
    );
    expect(addRule(nic, 'flow-type udp4 dst-port 80 action 1')).toBe(2044);
    expect(() => addRule(nic, 'flow-type tcp4 dst-port 81 action 1 loc 2046')).toThrow('loc 2046: 0 to 2045');
    const large = model('ixgbe-82599', { flowDirectorKib: 256 });
    expect(addRule(large, 'flow-type tcp4 dst-port 80 action 1')).toBe(8189);
    expect(() => addRule(large, 'flow-type tcp4 dst-port 80 context 0')).toThrow('context 0: there are none');
  });

  it('10 rules in a bucket and no more', () => {
    const nic = model('ixgbe-82599');
    // Addresses exchanged with one XOR have one bucket.
    const rule = (n: number) => `flow-type tcp4 src-ip 10.0.0.${n} dst-ip 10.0.0.${n ^ 0x40} action 1`;
    for (let n = 0; n < 10; n++) addRule(nic, rule(n));
    expect(() => addRule(nic, rule(10))).toThrow('has 10 rules, no more fit');
    addRule(nic, 'flow-type tcp4 src-ip 10.0.0.1 dst-ip 10.0.0.2 action 1');
    expect(nic.rules.size).toBe(11);
  });
});
