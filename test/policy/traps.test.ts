/** Traps that became bugs in other steering code, one test for each. */
import { describe, expect, it } from 'vitest';
import { IndirectionTable } from '#rxsteer/nic/indirection-table.js';
import { concatBytes, ethernet, icmp, ipv4, ipv6, tcp, udp } from '#rxsteer/packet/build.js';
import { Burst } from '#rxsteer/packet/burst.js';
import { dissectBurst } from '#rxsteer/packet/dissect.js';
import { policy, steer } from './support.js';

const v4 = { src: '10.0.0.1', dst: '10.0.0.2' };
const ports = { sport: 1000, dport: 80 };
const rss = 'rss:queues=4,key=microsoft';
const all = [
  rss,
  'rps:cpus=0-3',
  'rfs:cpus=0-3',
  'mac-hash:queues=4',
  'mac',
  'pools',
  'round-robin',
  'single',
];

/** Hash, hash type and bucket of one frame. */
function outcome(text: string, frame: Uint8Array): number[] {
  const burst = steer(policy(text, { workers: 4 }), [frame]);
  return [burst.hash[0]!, burst.hashType[0]!, burst.bucket[0]!];
}

describe('traps', () => {
  it('the DF bit is no fragment offset', () => {
    const frame = (dontFragment: boolean) => ethernet({}, ipv4({ ...v4, dontFragment }, tcp(ports)));
    for (const text of [rss, 'rps:cpus=0-3']) {
      expect(outcome(text, frame(true))).toEqual(outcome(text, frame(false)));
    }
  });

  it.each(all)('%s reads no header behind a 14-byte frame', (text) => {
    // What follows in memory is the IP header that the frame does not have.
    const next = ethernet({}, ipv4(v4, tcp(ports)));
    for (const ethertype of [0x0800, 0x86dd, 0x8100]) {
      const seen = [next, new Uint8Array(next.length)].map((behind) => {
        const burst = new Burst(concatBytes(ethernet({ ethertype }, ''), behind));
        burst.add(0, 14);
        dissectBurst(burst);
        policy(text, { workers: 4 }).steer(burst);
        return [burst.kind[0], burst.hash[0], burst.hashType[0], burst.bucket[0], burst.worker[0]];
      });
      expect(seen[0]).toEqual(seen[1]);
    }
  });

  it('ICMP bytes are no ports', () => {
    const echo = (id: number) => ethernet({}, ipv4(v4, icmp({ type: 8, rest: ((id << 16) | 1) >>> 0 })));
    for (const text of [rss, 'rps:cpus=0-3']) {
      expect(outcome(text, echo(1))).toEqual(outcome(text, echo(0xbeef)));
    }
  });

  it.each([rss, 'rps:cpus=0-3', 'mac-hash:queues=4', 'pools:key=microsoft'])(
    '%s hashes every packet of a burst, not only the first',
    (text) => {
      const frames = Array.from({ length: 60 }, (_, n) =>
        ethernet(
          { dst: `52:54:00:00:01:${(16 + n).toString(16)}` },
          n % 2 === 0
            ? ipv4(v4, tcp({ sport: n, dport: 80 }))
            : ipv6({ src: '::1', dst: '::2' }, udp({ sport: n, dport: 9 })),
        ),
      );
      const together = steer(policy(text, { workers: 4 }), frames);
      frames.forEach((frame, i) => {
        expect([together.hash[i], together.hashType[i], together.bucket[i]]).toEqual(outcome(text, frame));
      });
      expect(new Set(together.hash.subarray(0, 60)).size).toBeGreaterThan(25);
    },
  );

  it('a bucket is hash & mask, or the unsigned remainder: never negative, never the number of queues', () => {
    const hashes = [0, 1, 127, 128, -1, -128, 0x7fffffff, -0x80000000];
    const table = new IndirectionTable(128, 3);
    expect(hashes.map((hash) => table.bucketOf(hash))).toEqual([0, 1, 127, 0, 127, 0, 127, 0]);
    const odd = new IndirectionTable(192, 3);
    expect(hashes.map((hash) => odd.bucketOf(hash))).toEqual(hashes.map((hash) => (hash >>> 0) % 192));
    // 3 queues: entry of the bucket, not hash mod 3.
    const frames = Array.from({ length: 60 }, (_, n) =>
      ethernet({}, ipv4(v4, tcp({ sport: n * n, dport: 80 }))),
    );
    const burst = steer(policy('rss:queues=3,key=microsoft', { workers: 3 }), frames);
    expect(frames.map((_, i) => burst.rxq[i])).toEqual(
      frames.map((_, i) => ((burst.hash[i]! >>> 0) & 127) % 3),
    );
  });

  it('an unmatched packet or CPU does not silently share queue 0: the reason names the default', () => {
    const steering = policy('rss:queues=4,types=ipv6,entries=1+2+3+1', { workers: 4 });
    const burst = steer(steering, [ethernet({}, ipv4(v4, tcp(ports)))]);
    expect([burst.rxq[0], burst.bucket[0]]).toEqual([0, -1]);
    expect(steering.explain(burst, 0)).toBe(
      'tcp-ipv4 is not enabled, and ipv4 is not enabled, so no type applies -> default queue 0',
    );
    // A CPU list without CPU 0: what the kernel hashes goes to the list, never to CPU 0.
    const list = policy('rps:cpus=2-3', { workers: 4 });
    const frames = [
      ethernet({ ethertype: 0x88cc }, 'lldp'),
      ethernet({}, ipv4(v4, icmp({ type: 8 }))),
      new Uint8Array(9),
    ];
    const workers = steer(list, frames).worker.subarray(0, 3);
    for (const worker of workers) expect([2, 3]).toContain(worker);
  });

  it('VLAN and QinQ tags do not hide IP; a tag that the NIC does not know does, and the reason says so', () => {
    const plain = outcome(rss, ethernet({}, ipv4(v4, tcp(ports))));
    for (const vlans of [[5], [5, 6], [{ id: 5, tpid: 0x88a8 }, 6]]) {
      expect(outcome(rss, ethernet({ vlans }, ipv4(v4, tcp(ports))))).toEqual(plain);
    }
    // A switch's DSA tag: four bytes between the addresses and the ethertype, with an ethertype of its own.
    const frame = ethernet({}, ipv4(v4, tcp(ports)));
    const tagged = concatBytes(
      frame.slice(0, 12),
      Uint8Array.of(0xda, 0xda, 0, 0, 0xc0, 0x08, 0, 0),
      frame.slice(12),
    );
    const steering = policy(rss, { workers: 4 });
    expect(steering.explain(steer(steering, [tagged]), 0)).toBe(
      'not an IP packet, so no type applies -> default queue 0',
    );
  });
});
