import { describe, expect, it } from 'vitest';
import { ethernet, ipv4, ipv6, sctp, tcp } from '#rxsteer/packet/build.js';
import { defaultWorkers } from '#rxsteer/policy/compile.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { policy, steer } from './support.js';

const guest = (n: number) => `52:54:00:00:00:${n.toString(16).padStart(2, '0')}`;
const frame = (dst: string, n = 0, vlans: number[] = []) =>
  ethernet(
    { dst, vlans },
    ipv4({ src: `10.0.0.${n}`, dst: '10.1.0.1' }, tcp({ sport: 1000 + n * n, dport: 80 })),
  );
const frames = (dst: string) => Array.from({ length: 60 }, (_, n) => frame(dst, n));

function queues(given: string | object, list: Uint8Array[]): number[] {
  const steering = policy(given, { workers: 4 });
  return [...new Set(steer(steering, list).rxq.subarray(0, list.length))].toSorted((a, b) => a - b);
}

describe('pools', () => {
  it('82576: pool p owns the queues p and p + 8', () => {
    const given = { policy: 'pools', nic: 'igb-82576', layout: '8x2', macs: { [guest(3)]: 3 } };
    expect(queues(given, frames(guest(3)))).toEqual([3, 11]);
    expect(queues(given, frames(guest(9)))).toEqual([0, 8]);
    expect(policy(given, { workers: 1 }).queues).toBe(16);
  });

  it.each([
    ['32x4', [20, 21, 22, 23]],
    ['64x2', [10, 11]],
  ])('82599: layout %s gives pool 5 the queues %j', (layout, expected) => {
    const given = { policy: 'pools', nic: 'ixgbe-82599', layout, key: 'microsoft', macs: { [guest(3)]: 5 } };
    expect(queues(given, frames(guest(3)))).toEqual(expected);
    expect(policy(given, { workers: 1 }).queues).toBe(128);
  });

  it('queue q belongs to worker q mod workers; a pool without RSS uses its first queue', () => {
    const given = { policy: 'pools', macs: { [guest(3)]: 3, [guest(5)]: 5 }, rss: [3] };
    expect(queues(given, frames(guest(5)))).toEqual([5]);
    const burst = steer(policy(given, { workers: 3 }), frames(guest(3)));
    for (let i = 0; i < 60; i++) expect(burst.worker[i]).toBe(burst.rxq[i]! % 3);
  });

  it('chooses by VLAN too', () => {
    const given = {
      policy: 'pools',
      vlanFiltering: true,
      macs: [{ mac: guest(1), pools: [1, 2] }],
      vlans: [
        { vlan: 10, pools: [1] },
        { vlan: 20, pools: '2' },
      ],
    };
    expect(queues(given, [frame(guest(1), 0, [10])])[0]! % 8).toBe(1);
    expect(queues(given, [frame(guest(1), 0, [20])])[0]! % 8).toBe(2);
    const dropped = policy(given, { workers: 2 });
    const burst = steer(dropped, [frame(guest(1), 0, [30])]);
    expect(dropped.explain(burst, 0)).toBe(
      'VLAN 30 is not in the VLAN table: the NIC drops the frame (here: queue 0)',
    );
  });

  it('layouts and workers by default', () => {
    expect(policy('pools', { workers: 1 }).queues).toBe(16);
    expect(policy('pools:nic=ixgbe-82599', { workers: 1 }).queues).toBe(128);
    expect(defaultWorkers(parsePolicy('pools'))).toBe(1);
    expect(parsePolicy('pools')).toMatchObject({ stage: 'nic', order: 'none' });
  });

  it.each([
    [
      frame(guest(3)),
      'an address filter has 52:54:00:00:00:03 -> pool 3; tcp-ipv4 is enabled: addresses and ports hashed; 0x',
    ],
    [frame(guest(9)), 'no filter has 52:54:00:00:00:09 -> default pool 0; tcp-ipv4 is enabled'],
    [frame('ff:ff:ff:ff:ff:ff'), 'broadcast -> pools 0-7, steered by the lowest; tcp-ipv4'],
    [frame('01:00:5e:00:00:01'), 'no pool wants 01:00:5e:00:00:01: the NIC drops the frame (here: queue 0)'],
    [
      ethernet({ dst: guest(3) }, ipv6({ src: '::1', dst: '::2' }, sctp({ sport: 1, dport: 2 }))),
      'pool 3; neither TCP nor UDP, so ipv6: addresses hashed; 0x',
    ],
    [
      ethernet({ dst: guest(3), ethertype: 0x88cc }, 'lldp'),
      '-> pool 3; not an IP packet, so no type applies, index 0; queue 3 + 8 * 0 = 3',
    ],
    [new Uint8Array(9), 'no whole Ethernet header: the NIC drops the frame (here: queue 0)'],
  ])('%#: explains %s', (bytes, words) => {
    const steering = policy({ policy: 'pools', macs: { [guest(3)]: 3 } }, { workers: 2 });
    const burst = steer(steering, [bytes]);
    expect(steering.explain(burst, 0)).toContain(words);
  });

  it.each([
    [{ layout: '64x2' }, 'policy pools: layout=64x2: igb-82576 with RSS has 8x2'],
    [{ nic: 'ixgbe-82599', layout: '8x2' }, 'policy pools: layout=8x2: ixgbe-82599 with RSS has 64x2, 32x4'],
    [
      { nic: 'mlx5' },
      'policy pools: nic=mlx5: its pools are not modelled; those of igb-82576, igb-i350, ixgbe-82599, ixgbe-x540, ixgbe-x550 are',
    ],
    [{ nic: 'ixgbe-82598' }, 'unknown NIC "ixgbe-82598": did you mean ixgbe-82599?'],
    [{ macs: { [guest(1)]: 8 } }, 'policy pools: macs[0]: pool 8: there are pools 0 to 7'],
    [{ defaultPool: 9 }, 'policy pools: defaultPool: pool 9'],
    [
      { macs: Array.from({ length: 25 }, (_, n) => ({ mac: guest(n), pools: 0 })) },
      'macs[24]: igb-82576 has 24 address filters',
    ],
    [
      { vlans: Array.from({ length: 33 }, (_, vlan) => ({ vlan, pools: 0 })) },
      'vlans[32]: igb-82576 has 32 VLAN filters',
    ],
    [
      { mirrors: Array.from({ length: 5 }, () => ({ uplink: true, to: 1 })) },
      'mirrors: igb-82576 has 4 mirror rules',
    ],
    [{ mirrors: [{ vlans: [7], to: 1 }] }, 'mirrors[0]: VLAN 7 has no entry in vlans'],
    [{ mirrors: [{ uplink: true, to: 8 }] }, 'mirrors[0].to: pool 8'],
    [{ layout: '8x4' }, 'layout=8x4: RSS reaches 2 queues in each of 8 pools; igb-82576 with RSS has 8x2'],
    [{ nic: 'ixgbe-82599', layout: '64x4' }, 'RSS reaches 2 queues in each of 64 pools'],
    [{ nic: 'ixgbe-82599', layout: '16x8' }, 'layout=16x8: ixgbe-82599 with RSS has 64x2, 32x4'],
    [{ layout: 'all' }, 'layout="all": expected pools x queues such as 8x2'],
    [{ longLengths: { 9: 2000 } }, 'longLengths: pool 9'],
    [{ longLengths: { 1: 20000 } }, 'expected a whole number from 64 to 16383'],
    [{ macs: { x: 1 } }, 'macs[0].mac: "x" is not a MAC address'],
    [{ promiscuous: '0-8' }, 'policy pools: promiscuous: pool 8'],
    [{ key: '00' }, 'policy pools: key: the key has 1 bytes; permitted: 40 bytes'],
  ])('%j is refused', (given, message) => {
    expect(() => policy({ policy: 'pools', ...given }, { workers: 1 })).toThrow(message);
  });
});
