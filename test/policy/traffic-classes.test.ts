// Traffic classes without pools, on the NICs that have them.
import { describe, expect, it } from 'vitest';
import { namedKey } from '#rxsteer/hash/keys.js';
import { NicModel } from '#rxsteer/nic/model.js';
import { nicProfile } from '#rxsteer/nic/profiles.js';
import { ethernet, ipv4, tcp } from '#rxsteer/packet/build.js';
import { policy, steer } from './support.js';

const packet = ipv4({ src: '66.9.149.187', dst: '161.142.100.80' }, tcp({ sport: 2794, dport: 1766 }));
const tagged = (priority: number, payload = packet) => ethernet({ vlans: [(priority << 13) | 7] }, payload);
const arp = new Uint8Array(28);
/** Microsoft's value for this tuple is 0x51ccc178: bucket 120. */
const BASE = 'rss:nic=ixgbe-82599,key=microsoft';

const queues = (text: string, frames: Uint8Array[]) => {
  const steering = policy(text, { workers: 5 });
  const burst = steer(steering, frames);
  expect(frames.map((_, i) => burst.worker[i])).toEqual(frames.map((_, i) => burst.rxq[i]! % 5));
  return frames.map((_, i) => burst.rxq[i]);
};

describe('traffic classes', () => {
  const priorities = Array.from({ length: 8 }, (_, priority) => tagged(priority));

  it('each have the table over queues of their own', () => {
    // 120 mod 7 = 1.
    expect(queues(`${BASE},queues=7,tcs=8`, [...priorities, ethernet({}, packet)])).toEqual([
      1, 8, 15, 22, 29, 36, 43, 50, 1,
    ]);
    expect(queues(`${BASE},queues=16,tcs=4`, priorities)).toEqual([8, 24, 40, 56, 8, 24, 40, 56]);
    expect(queues(`${BASE},equal=2,start=1,tcs=3`, priorities.slice(0, 4))).toEqual([1, 4, 7, 1]);
  });

  it('hash as without them, and give what is not hashed their first queue', () => {
    const burst = steer(policy(`${BASE},queues=4,tcs=2`), [tagged(1), ethernet({}, packet)]);
    const plain = steer(policy(`${BASE},queues=4`), [tagged(1), ethernet({}, packet)]);
    for (const field of ['hash', 'hashType', 'bucket'] as const) {
      expect(burst[field].slice(0, 2)).toEqual(plain[field].slice(0, 2));
    }
    const unknown = ethernet({ vlans: [(3 << 13) | 7], ethertype: 0x0806 }, arp);
    expect(queues(`${BASE},queues=4,tcs=4`, [unknown])).toEqual([12]);
  });

  it('take the map of priorities', () => {
    expect(queues(`${BASE},queues=4,tcs=4,classes=0+0+0+0+1+1+2+3`, priorities)).toEqual([
      0, 0, 0, 0, 4, 4, 8, 12,
    ]);
  });

  it('leave flow rules the whole NIC, and divide the workers where no queues are given', () => {
    const rules = `${BASE},queues=4,tcs=4,rules=flow-type tcp4 dst-port 1766 action 13`;
    expect(queues(rules, [tagged(1), ethernet({}, packet)])).toEqual([13, 13]);
    expect(policy(`${BASE},tcs=4`, { workers: 9 }).queues).toBe(8);
    expect(policy(`${BASE},tcs=4`, { workers: 1 }).queues).toBe(4);
    expect(policy(`${BASE},queues=2,tcs=4`, {}).queues).toBe(8);
  });

  it('are explained', () => {
    const steering = policy(`${BASE},queues=7,tcs=8`);
    const burst = steer(steering, [tagged(5), ethernet({ ethertype: 0x0806 }, arp)]);
    expect(steering.explain(burst, 0)).toBe(
      'tcp-ipv4 is enabled: addresses and ports hashed; 0x51ccc178 & 127 = bucket 120 -> index 1; ' +
        'priority 5 is traffic class 5: queue 5 * 7 + 1 = 36 (register 81)',
    );
    expect(steering.explain(burst, 1)).toBe(
      'not an IP packet, so no type applies, index 0; untagged, priority 0 is traffic class 0: queue 0 * 7 + 0 = 0 (register 0)',
    );
    const four = policy(`${BASE},queues=16,tcs=3`);
    expect(four.explain(steer(four, [tagged(2)]), 0)).toMatch(/queue 2 \* 16 \+ 8 = 40 \(register 72\)$/);
  });

  it.each([
    ['rss:tcs=4', 'policy rss: tcs: traffic classes: generic has none; ixgbe NICs do'],
    ['rss:nic=ixgbe-82599,classes=0+1', 'policy rss: classes: goes with tcs'],
    [`${BASE},tcs=9`, /tcs/],
    [`${BASE},queues=9,tcs=5`, 'policy rss: tcs: 9 queues a class: with 5 traffic classes 8 at most'],
    [`${BASE},queues=17,tcs=2`, /reaches 16 at most/],
    [
      `${BASE},tcs=4,classes=0+1`,
      'policy rss: tcs: traffic classes: 2 of them: one for each of 8 VLAN priorities',
    ],
    [`${BASE},tcs=2,classes=0+1+2+0+0+0+0+0`, 'class 2: there are classes 0 to 1'],
    [`${BASE},tcs=2,inner=vxlan`, 'policy rss: inner: does not go with traffic classes'],
    [`${BASE},tcs=2,implementation=native`, 'implementation: native: does not go with traffic classes'],
  ])('%s is refused', (text, message) => {
    expect(() => policy(text)).toThrow(message);
  });

  it('go without ATR, filters and pools', () => {
    const filters = { tuples: [{ protocol: 6, queue: 1 }] };
    expect(() => policy({ policy: 'rss', nic: 'ixgbe-82599', tcs: 4, queues: 2, filters })).toThrow(
      'policy rss: filters: what they choose with traffic classes is not known',
    );
    const options = { profile: nicProfile('ixgbe-82599'), queues: 4, key: namedKey('microsoft') };
    const classes = { count: 4 };
    expect(() => new NicModel({ ...options, classes, atr: {} })).toThrow('atr: off with traffic classes');
    const model = new NicModel({ ...options, classes });
    expect(model.queues).toBe(16);
    expect(() => model.setQueues(2)).toThrow('fixed by the traffic classes');
  });
});
