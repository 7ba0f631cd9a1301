import { describe, expect, it } from 'vitest';
import { namedKey, randomKey } from '#rxsteer/hash/keys.js';
import { toeplitzBitwise } from '#rxsteer/hash/toeplitz.js';
import {
  arp,
  ethernet,
  homeAddressExtension,
  ipv4,
  ipv4Bytes,
  ipv6,
  ipv6Bytes,
  macBytes,
  routingExtension,
  tcp,
  udp,
  uint16s,
} from '#rxsteer/packet/build.js';
import { policyBytes } from '#rxsteer/policy/compile.js';
import type { MacSteering } from '#rxsteer/policy/mac.js';
import { parsePolicy } from '#rxsteer/policy/parse.js';
import { policy, steer, workersOf } from './support.js';

const flow = (n: number) =>
  ethernet(
    {},
    ipv4({ src: `10.0.${n >> 8}.${n & 255}`, dst: '192.0.2.1' }, udp({ sport: 1000 + n, dport: 53 })),
  );
const flows = Array.from({ length: 60 }, (_, n) => flow(n));
const arpFrame = ethernet(
  { dst: 'ff:ff:ff:ff:ff:ff' },
  arp({ operation: 1, senderMac: '02:00:00:00:00:01', senderIp: '192.0.2.1', targetIp: '192.0.2.2' }),
);

describe('single', () => {
  it('sends everything to worker 0', () => {
    const burst = steer(policy('single', { workers: 3 }), [...flows.slice(0, 5), arpFrame]);
    expect(Array.from(burst.worker.subarray(0, 6))).toEqual([0, 0, 0, 0, 0, 0]);
    expect([burst.rxq[0], burst.bucket[0], burst.hashType[0]]).toEqual([0, -1, 0]);
  });
});

describe('round-robin', () => {
  it('goes on where the last burst ended', () => {
    const steering = policy('round-robin', { workers: 3 });
    expect(workersOf(steering, flows.slice(0, 4))).toEqual([0, 1, 2, 0]);
    expect(workersOf(steering, flows.slice(0, 4))).toEqual([1, 2, 0, 1]);
  });
});

describe('rss', () => {
  it('is hash, table, queue, and queue q belongs to worker q mod workers', () => {
    const steering = policy('rss:nic=ixgbe-82599,queues=16,key=microsoft', { workers: 3 });
    const frame = ethernet(
      {},
      ipv4({ src: '66.9.149.187', dst: '161.142.100.80' }, tcp({ sport: 2794, dport: 1766 })),
    );
    const burst = steer(steering, [frame]);
    expect(burst.hash[0]! >>> 0).toBe(0x51ccc178);
    expect([burst.bucket[0], burst.rxq[0], burst.worker[0]]).toEqual([120, 8, 2]);
    expect(steering.queues).toBe(16);
  });

  it('what no type covers goes to queue 0', () => {
    const steering = policy('rss:queues=4,types=tcp-ipv4');
    const burst = steer(steering, [arpFrame, flow(1)]);
    expect([burst.bucket[0], burst.rxq[0], burst.worker[0], burst.hash[0]]).toEqual([-1, 0, 0, 0]);
    expect([burst.bucket[1], burst.rxq[1]]).toEqual([-1, 0]);
    expect(steering.explain(burst, 0)).toBe('not an IP packet, so no type applies -> default queue 0');
  });

  it('queues are as many as workers where nobody says', () => {
    const steering = policy('rss', { workers: 5 });
    expect(steering.queues).toBe(5);
    expect(new Set(workersOf(steering, flows)).size).toBe(5);
  });

  it('igb fills its table in blocks', () => {
    const blocks = policy('rss:nic=igb-82576,queues=3,types=udp-ipv4');
    const burst = steer(blocks, flows);
    for (let i = 0; i < flows.length; i++)
      expect(burst.rxq[i]).toBe(Math.floor((burst.bucket[i]! * 3) / 128));
  });

  it('ENA hashes with the key reversed and from ffffffff', () => {
    const key = namedKey('microsoft');
    const burst = steer(policy('rss:nic=ena,key=microsoft,queues=4'), [flow(1)]);
    const input = new Uint8Array([...ipv4Bytes('10.0.0.1'), ...ipv4Bytes('192.0.2.1'), ...uint16s(1001, 53)]);
    expect(burst.hash[0]).toBe(toeplitzBitwise(key.slice().reverse(), input, -1));
  });

  it('the first ENA generations sort, and give the low half of the hash twice', () => {
    const there = ethernet({}, ipv4({ src: '10.9.0.2', dst: '10.0.0.1' }, tcp({ sport: 2, dport: 1 })));
    const back = ethernet({}, ipv4({ src: '10.0.0.1', dst: '10.9.0.2' }, tcp({ sport: 1, dport: 2 })));
    const burst = steer(policy('rss:nic=ena-old,queues=4'), [there, back]);
    const input = new Uint8Array([...ipv4Bytes('10.0.0.1'), ...ipv4Bytes('10.9.0.2'), ...uint16s(1, 2)]);
    const low = toeplitzBitwise(namedKey('enaFixed'), input, -1) & 0xffff;
    expect(burst.hash[0]! >>> 0).toBe(low * 0x10001);
    expect(burst.hash[1]).toBe(burst.hash[0]);
  });

  it('random keys come from the seed', () => {
    const hashes = (text: string) => Array.from(steer(policy(text), [flow(1)]).hash.subarray(0, 1));
    expect(hashes('rss:key=random,seed=5')).toEqual(hashes('rss:key=random,seed=5'));
    expect(hashes('rss:key=random,seed=5')).not.toEqual(hashes('rss:key=random,seed=6'));
    const hex = Buffer.from(randomKey(40, 5)).toString('hex');
    expect(hashes('rss:key=random,seed=5')).toEqual(hashes(`rss:key=${hex}`));
  });

  it('symmetric transforms give both directions one queue', () => {
    const there = ethernet({}, ipv4({ src: '10.0.0.1', dst: '10.9.0.2' }, tcp({ sport: 1, dport: 2 })));
    const back = ethernet({}, ipv4({ src: '10.9.0.2', dst: '10.0.0.1' }, tcp({ sport: 2, dport: 1 })));
    for (const symmetric of ['xor', 'or-xor', 'sort']) {
      const burst = steer(policy(`rss:queues=64,symmetric=${symmetric}`), [there, back]);
      expect(burst.hash[1]).toBe(burst.hash[0]);
    }
    const plain = steer(policy('rss:queues=64'), [there, back]);
    expect(plain.hash[1]).not.toBe(plain.hash[0]);
  });

  it('_EX types hash home address and routing header type 2', () => {
    const ports = { sport: 1000, dport: 2000 };
    const addresses = { src: '2001:db8:1::1', dst: '2001:db8:2::2' };
    const home = ethernet(
      {},
      ipv6({ ...addresses, extensions: [homeAddressExtension('2001:db8::10')] }, tcp(ports)),
    );
    const route = ethernet(
      {},
      ipv6({ ...addresses, extensions: [routingExtension(2, '2001:db8::20')] }, tcp(ports)),
    );
    const other = ethernet(
      {},
      ipv6({ ...addresses, extensions: [routingExtension(0, '2001:db8::20')] }, tcp(ports)),
    );
    const burst = steer(policy('rss:key=microsoft,types=tcp-ipv6-ex+tcp-ipv6'), [home, route, other]);
    expect(burst.hash[0]! >>> 0).toBe(0xd2a3c212);
    expect(burst.hash[1]! >>> 0).toBe(0x5c351cfa);
    const plain = new Uint8Array([
      ...ipv6Bytes(addresses.src),
      ...ipv6Bytes(addresses.dst),
      ...uint16s(1000, 2000),
    ]);
    expect(burst.hash[2]).toBe(toeplitzBitwise(namedKey('microsoft'), plain));
  });

  it('hashes every packet of a burst, not only the first', () => {
    const steering = policy('rss:queues=8');
    const together = Array.from(steer(steering, flows).hash.subarray(0, flows.length));
    const alone = flows.map((frame) => steer(steering, [frame]).hash[0]);
    expect(together).toEqual(alone);
    expect(new Set(together).size).toBe(flows.length);
  });
});

describe('rps', () => {
  it('scales the hash to the CPU list', () => {
    const steering = policy('rps:cpus=1+3+0', { workers: 4 });
    const burst = steer(steering, flows);
    for (let i = 0; i < flows.length; i++) {
      const index = Number((BigInt(burst.hash[i]! >>> 0) * 3n) >> 32n);
      expect([burst.bucket[i], burst.worker[i]]).toEqual([index, [1, 3, 0][index]]);
    }
    expect(new Set(burst.bucket.subarray(0, flows.length))).toEqual(new Set([0, 1, 2]));
    expect(burst.rxq[0]).toBe(-1);
  });

  it('toeplitz is the hash of rss, and what it does not hash goes to the first CPU', () => {
    const burst = steer(policy('rps:cpus=2+1,hash=toeplitz'), [...flows.slice(0, 9), arpFrame]);
    const rss = steer(policy('rss'), flows.slice(0, 9));
    expect(burst.hash.subarray(0, 9)).toEqual(rss.hash.subarray(0, 9));
    expect([burst.bucket[9], burst.worker[9]]).toEqual([0, 2]);
  });

  it('the kernel hash is symmetric, keyed, and never 0, ARP included', () => {
    const there = ethernet({}, ipv4({ src: '10.0.0.1', dst: '10.9.0.2' }, tcp({ sport: 1, dport: 2 })));
    const back = ethernet({}, ipv4({ src: '10.9.0.2', dst: '10.0.0.1' }, tcp({ sport: 2, dport: 1 })));
    const hashes = (text: string) =>
      Array.from(steer(policy(text), [there, back, arpFrame]).hash.subarray(0, 3));
    const [a, b, c] = hashes('rps:cpus=0-3');
    expect(a).toBe(b);
    expect(c).not.toBe(0);
    expect(hashes('rps:cpus=0-3,seed=2')[0]).not.toBe(a);
    expect(hashes('rps:cpus=0-3,key=000102030405060708090a0b0c0d0e0f')[0]).not.toBe(a);
  });
});

describe('mac-hash', () => {
  const frame = ethernet(
    { dst: '02:00:00:00:00:07', src: '02:00:00:00:01:09' },
    ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp({ sport: 1, dport: 2 })),
  );

  it.each([
    ['dst', ['02:00:00:00:00:07']],
    ['src', ['02:00:00:00:01:09']],
    ['both', ['02:00:00:00:00:07', '02:00:00:00:01:09']],
  ])('fields=%s', (fields, macs) => {
    const burst = steer(policy(`mac-hash:fields=${fields}`, { workers: 5 }), [frame]);
    const hash = toeplitzBitwise(
      namedKey('microsoft'),
      new Uint8Array(macs.flatMap((mac) => [...macBytes(mac)])),
    );
    expect(burst.hash[0]).toBe(hash);
    expect([burst.bucket[0], burst.rxq[0], burst.worker[0]]).toEqual([
      hash & 127,
      (hash & 127) % 5,
      (hash & 127) % 5,
    ]);
  });

  it('a frame without its addresses goes to queue 0', () => {
    const burst = steer(policy('mac-hash:fields=both', { workers: 5 }), [frame.slice(0, 11)]);
    expect([burst.bucket[0], burst.worker[0]]).toEqual([-1, 0]);
  });
});

describe('mac', () => {
  const guest = (n: number) => `52:54:00:00:00:${n.toString(16).padStart(2, '0')}`;
  const payload = ipv4({ src: '10.0.0.1', dst: '10.0.0.2' }, udp({ sport: 1, dport: 2 }));
  const frame = (src: string, dst: string, vlans: number[] = []) => ethernet({ src, dst, vlans }, payload);
  const ports = [{ name: 'vm1' }, { name: 'vm2' }, { name: 'up' }];
  const broadcast = 'ff:ff:ff:ff:ff:ff';

  it('eight guests on four workers are two for each, where a hash leaves some worker with none or many', () => {
    const steering = policy('mac', { workers: 4 });
    const learned = Array.from({ length: 8 }, (_, n) => frame(guest(n), broadcast));
    workersOf(steering, learned);
    const owners = workersOf(
      steering,
      Array.from({ length: 8 }, (_, n) => frame('02:00:00:00:00:99', guest(n))),
    );
    expect(owners).toEqual([0, 1, 2, 3, 0, 1, 2, 3]);
  });

  it('a destination with an owner goes there, all else to the owner of the port it came from', () => {
    const steering = policy('mac:uplink=up', { workers: 3, ports });
    expect(workersOf(steering, [frame(guest(1), broadcast)], 0)).toEqual([0]);
    expect(workersOf(steering, [frame(guest(2), broadcast)], 1)).toEqual([1]);
    // From the uplink: known guests to their owners, the rest to the uplink's owner (port 2 mod 3 workers).
    const fromUp = [guest(1), guest(2), guest(3), broadcast, '01:00:5e:00:00:01'].map((dst) =>
      frame('02:00:00:00:00:50', dst),
    );
    expect(workersOf(steering, fromUp, 2)).toEqual([0, 1, 2, 2, 2]);
    // Bound for the uplink: its address was never learned, so the guest's own worker does it.
    expect(workersOf(steering, [frame(guest(2), '02:00:00:00:00:50')], 1)).toEqual([1]);
    expect((steering as MacSteering).owners.guests).toBe(2);
  });

  it('static: only configured owners, on a VLAN or on all', () => {
    const spec = {
      policy: 'mac',
      assign: 'static',
      owners: [
        { mac: guest(1), worker: 2 },
        { mac: guest(2), vlan: 10, worker: 3 },
      ],
      ports: { vm1: 1 },
    };
    const steering = policy(spec, { ports });
    expect(steering.workers).toBe(4);
    const to = (dst: string, vlans: number[] = []) =>
      workersOf(steering, [frame(guest(9), dst, vlans)], 0)[0];
    expect([to(guest(1)), to(guest(1), [77]), to(guest(2), [10]), to(guest(2), [11]), to(guest(9))]).toEqual([
      2, 2, 3, 1, 1,
    ]);
  });

  it('follow-cpu: the guest is owned by the worker of its port', () => {
    const steering = policy({ policy: 'mac', assign: 'follow-cpu', ports: { vm1: 3, vm2: 1 } }, { ports });
    workersOf(steering, [frame(guest(1), broadcast)], 0);
    workersOf(steering, [frame(guest(2), broadcast)], 1);
    expect(workersOf(steering, [frame(guest(7), guest(1)), frame(guest(7), guest(2))], 2)).toEqual([3, 1]);
  });

  it('a gratuitous ARP or RARP from another port moves the guest, a mere frame does not', () => {
    const announce = (operation: number, vlans: number[] = [], targetIp = '10.0.0.1') =>
      ethernet(
        { src: guest(1), dst: broadcast, vlans },
        arp({ operation, senderMac: guest(1), senderIp: '10.0.0.1', targetIp }),
      );
    for (const [move, vlans, expected] of [
      [announce(1), [], 1],
      [announce(2, [7, 8]), [7, 8], 1],
      [announce(3, [], '10.0.0.9'), [], 1],
      [announce(1, [], '10.0.0.9'), [], 3],
      [announce(1).slice(0, 40), [], 3],
      [frame(guest(1), broadcast), [], 3],
    ] as const) {
      const steering = policy({ policy: 'mac', assign: 'follow-cpu', ports: { vm1: 3, vm2: 1 } }, { ports });
      workersOf(steering, [frame(guest(1), broadcast, [...vlans])], 0);
      workersOf(steering, [move], 1);
      expect(workersOf(steering, [frame(guest(7), guest(1), [...vlans])], 2)).toEqual([expected]);
      const { owners } = steering as MacSteering;
      // The guest itself and guest 7 behind the third port.
      expect([0, 1, 2, 3].reduce((sum, worker) => sum + owners.load(worker), 0)).toBe(2);
    }
  });

  it('least-loaded keeps the owner of a guest that moves, and knows its new port', () => {
    const steering = policy('mac', { workers: 3, ports }) as MacSteering;
    workersOf(steering, [frame(guest(1), broadcast)], 0);
    const rarp = arp({ operation: 3, senderMac: guest(1), senderIp: '0.0.0.0', targetIp: '0.0.0.0' });
    workersOf(steering, [ethernet({ src: guest(1), dst: broadcast }, rarp)], 1);
    expect(steering.owners.portOf(0, 0x5254, 1)).toBe(1);
    expect(workersOf(steering, [frame(guest(7), guest(1))], 2)).toEqual([0]);
  });

  it('workers with the same shared memory agree', () => {
    const shared = new SharedArrayBuffer(policyBytes(parsePolicy('mac')));
    const a = policy('mac', { workers: 2, shared });
    const b = policy('mac', { workers: 2, shared });
    workersOf(a, [frame(guest(1), broadcast), frame(guest(2), broadcast)]);
    expect(workersOf(b, [frame(guest(3), guest(1)), frame(guest(3), guest(2))])).toEqual([0, 1]);
    expect(workersOf(a, [frame(guest(4), guest(3))])).toEqual([0]);
  });

  it('learns nothing from group and zero addresses', () => {
    const steering = policy('mac', { workers: 2 }) as MacSteering;
    workersOf(steering, [
      frame('03:00:00:00:00:01', guest(1)),
      frame('00:00:00:00:00:00', guest(1)),
      new Uint8Array(13).fill(2),
    ]);
    expect(steering.owners.guests).toBe(0);
  });

  it('what does not exist is refused', () => {
    expect(() => policy('mac:uplink=eth9', { ports })).toThrow(
      'uplink: there is no port "eth9"; ports: vm1, vm2, up',
    );
    const spec = { policy: 'mac', owners: { [guest(1)]: 4 } };
    expect(() => policy(spec, { workers: 2, ports })).toThrow(
      'owners[0]: worker 4 does not exist; workers: 0 to 1',
    );
    expect(() => policy({ policy: 'mac', ports: { vm1: 2 } }, { workers: 2, ports })).toThrow(
      'ports.vm1: worker 2 does not exist',
    );
  });

  it.each([
    [guest(1), '52:54:00:00:00:01 is owned by worker 0 (the least loaded when it was learned)'],
    [guest(8), '52:54:00:00:00:08 has no owner -> owner of port vm1, worker 0'],
    [broadcast, 'broadcast -> owner of port vm1, worker 0'],
    ['01:00:5e:00:00:01', 'multicast 01:00:5e:00:00:01 -> owner of port vm1, worker 0'],
  ])('explains %s', (dst, words) => {
    const steering = policy('mac', { workers: 2, ports });
    const burst = steer(steering, [frame(guest(1), dst)]);
    expect(steering.explain(burst, 0)).toBe(words);
  });
});

describe('every policy', () => {
  const texts = [
    'single',
    'rss:queues=4',
    'rps:cpus=0-3',
    'rps:cpus=0-3,hash=toeplitz',
    'rfs:cpus=0-3',
    'mac',
    'mac-hash',
    'pools:nic=ixgbe-82599',
    'round-robin',
  ];

  it.each(texts)('%s takes the same decisions again from the start', (text) => {
    const run = () => {
      const steering = policy(text, { workers: 4 });
      return [flows, [arpFrame], flows.slice(7)].map((frames) => workersOf(steering, frames));
    };
    expect(run()).toEqual(run());
  });

  it.each(texts)('%s names existing workers, and explains each frame in one line', (text) => {
    const steering = policy(text, { workers: 4 });
    const frames = [...flows.slice(0, 20), arpFrame, new Uint8Array(3), flow(3).slice(0, 30)];
    const burst = steer(steering, frames);
    for (let i = 0; i < frames.length; i++) {
      expect(burst.worker[i]).toBeGreaterThanOrEqual(0);
      expect(burst.worker[i]).toBeLessThan(4);
      const decision = steering.decision(burst, i);
      expect(decision.worker).toBe(burst.worker[i]);
      expect(decision.reason).toMatch(/^[^\n]{10,}$/);
      expect(steering.explain(burst, i)).toBe(decision.reason);
      if (decision.hash !== null) expect(Number(decision.hash.value)).toBe(burst.hash[i]! >>> 0);
    }
  });
});
