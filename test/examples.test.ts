/** Every example runs as it stands, from another folder, and what it prints has the property that it is about. */
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { matrix } from './support/matrix.js';

const directory = fileURLToPath(new URL('../examples', import.meta.url));
const examples = readdirSync(directory).filter((name) => name.endsWith('.mjs'));

/** All whole numbers of a text, in order. */
const numbers = (text: string) => (text.match(/\d+/g) ?? []).map(Number);
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

/** What the output of an example must show. */
const checks: Record<string, (lines: string[], all: string) => void> = {
  'simulate-host.mjs': (lines) => {
    const remote = lines.slice(0, 2).map((line) => Number(/([\d.]+) remote lines/.exec(line)![1]));
    // The guests' owners touch no other CPU's lines that flow steering does not touch too.
    expect(remote[1]).toBeLessThan(remote[0]!);
    const times = Number(/16 CPUs would make ([\d.]+) times/.exec(lines[2]!)![1]);
    expect(times).toBeGreaterThan(8);
    expect(times).toBeLessThan(20);
  },
  'sweep-rps-masks.mjs': (lines) => {
    const rates = lines.slice(0, 5).map((line) => Number(/(\d+)k transactions/.exec(line)![1]));
    expect(rates[0]).toBeGreaterThan(1.3 * rates[4]!);
    // The mask of the interrupt CPU alone is no RPS at all: it is never the best.
    expect(lines[0]).not.toContain('RPS on CPUs 0 ');
    expect(lines[5]).toBe('the same again: true');
    expect(lines[6]).toMatch(/^busy: (\d+ %(, )?){4}$/);
    expect(lines[7]).toMatch(/^a packet sees CPUs \d( -> \d)*, \d+ us$/);
  },
  'io-uring-reads.mjs': (lines) => {
    // Where the kernel or a container refuses io_uring, that is the one line of each worker.
    if (lines.every((line) => line.includes('io_uring_setup'))) return;
    const reads = lines.map((line) => /^tenants ([\d,]+): (\d+) reads, 0 failed, /.exec(line)!);
    expect(reads.flatMap(([, tenants]) => tenants!.split(',')).sort()).toEqual(['0', '1', '2', '3']);
    expect(sum(reads.map(([, , count]) => Number(count)))).toBe(4000);
    for (const line of lines)
      expect(sum([...line.matchAll(/CPU \d+: (\d+)/g)].map(([, n]) => Number(n)))).toBeGreaterThan(0);
  },
  'nvme-queues.mjs': (lines, all) => {
    // The document shows it as it is.
    expect(readFileSync(join(directory, '../docs/storage.md'), 'utf8')).toContain(all.trimEnd());
    const [quietHctx, quietOwner] = lines.slice(-2).map((line) => Number(/p99 (\d+)/.exec(line)![1]));
    expect(quietHctx).toBeGreaterThan(5 * quietOwner!);
  },
  'simulate-presets.mjs': (lines, all) => {
    const [, halts, polls] = /answers in ([\d.]+) us, with polling of the host in ([\d.]+) us/.exec(all)!;
    expect(Number(polls)).toBeLessThan(Number(halts));
    const [, hold, predicted] = /^(\d+) of (\d+) predictions hold$/.exec(lines.at(-1)!)!;
    expect(Number(predicted)).toBeGreaterThan(0);
    expect(hold).toBe(predicted);
  },
  'sweep.mjs': (lines, all) => {
    expect(lines[0]).toBe('4 workers, best first');
    expect(all).toContain('\n8 workers, best first\n');
    expect(all).toMatch(/rss:queues=4,key=random +over 3 seeds: \d+\.\d % to \d+\.\d %/);
    expect(all).toMatch(/left out: .*RSS of ixgbe-82599 reaches 16 at most/);
    expect(lines.at(-1)).toMatch(/^queues 8: fullest \d\.\d\d x fair on average$/);
  },
  'predicted-and-counted.mjs': (lines) => {
    expect(lines).toEqual([
      'queue 0: 40.0 % predicted, 40.0 % counted',
      'queue 1: 20.0 % predicted, 60.0 % counted',
      'queue 2: 20.0 % predicted, 0.0 % counted',
      'queue 3: 20.0 % predicted, 0.0 % counted',
      'at least 40.0 % of the packets went elsewhere',
    ]);
  },
  'accelerated-rfs.mjs': (lines) => {
    expect(lines[0]).toBe('CPU 3 is nearest to queue 1');
    expect(lines[1]).toMatch(/^filter: flow \d+ to queue 1$/);
    expect(lines[3]).toBe('active true, may expire false');
    expect(lines[4]).toBe('2560 packets of others later: active false, may expire true');
  },
  'atr.mjs': (lines) => {
    const hashes = lines.slice(0, 4).map((line) => /0x[0-9a-f]{8}/.exec(line)![0]);
    expect(new Set(hashes).size).toBe(4);
  },
  'auto-rebalance.mjs': (lines) => {
    expect(lines.slice(0, 3).map((line) => line.split(' ')[0])).toEqual(['false', 'false', 'true']);
    expect(lines[2]).toContain('8 moves bring it to');
    expect(lines[3]).toBe('guest 02:00:00:00:00:01: 0 -> 1, guest 02:00:00:00:00:02: 0 -> 1');
  },
  'backlog.mjs': (lines, all) => {
    expect(all).toContain('accepted: 1001, backlog: 199');
    expect(all).toContain('1001 delivered in 16 softirq runs, 1 IPI');
    expect(lines.at(-1)!.split(' ')).toHaveLength(15);
  },
  'burst-interface.mjs': (lines) => expect(lines[1]).toContain('after recvmsg on CPU 1: 1,1,1'),
  'capture-batches.mjs': (lines) =>
    expect(lines).toEqual(['1000 packets, 60000 bytes on the wire, ethernet, warning: null']),
  'capture-spread.mjs': (lines) => {
    const packets = lines.map((line) => /(\d+) packets of (\d+) flows/.exec(line)!.slice(1).map(Number));
    expect(packets).toEqual(Array(4).fill([5231, 100]));
    expect(lines.at(-1)).toContain('gini 0.000');
  },
  'compare-policies.mjs': (lines) => {
    expect(lines).toHaveLength(7);
    for (const line of lines) expect(sum(numbers(line.split(': ')[1]!.split(',')[0]!))).toBe(6400);
    expect(lines[0]).toContain('6400 0 0 0');
  },
  'plan-change.mjs': (lines, all) => {
    expect(lines[0]).toBe('rss:queues=2 (table)');
    expect(all).toMatch(/\n {2}\d+ of 400 flows seen move, with/);
    expect(all).toMatch(/from 2\.00 to 1\.\d\d times its fair share/);
    expect(all).toMatch(/\nheld 1, moved \d+\nnone\n32 buckets move/);
  },
  'cpumap.mjs': (lines, all) => {
    expect(lines[0]).toContain("errno: 'EOVERFLOW'");
    expect(lines[1]).toBe('delivered 10 11 12 13 14 15 before 0 1 2 3 4 5 6 7 8 9');
    expect(all).toContain('dropped: 108');
  },
  'live-changes.mjs': (lines) => {
    expect(lines.slice(0, 5)).toEqual([
      'table: 1 of 128 buckets (0 workers paused)',
      'policy rss -> rps:cpus=0-1 (2 workers paused)',
      'worker 2 added (3 workers paused)',
      'worker 2 removed (3 workers paused)',
      'policy rps:cpus=0-1 -> rss (2 workers paused)',
    ]);
    expect(lines[5]).toMatch(/^traced: worker 0 gave a frame to worker [01]: .* -> queue [01]/);
    expect(lines[6]).toBe('refused: policy rps: cpus: CPU 5 is no worker; workers: 0 to 1');
    expect(lines[7]).toBe('lost uncounted 0, reordered 0');
  },
  'nic-model.mjs': (lines) => {
    expect(lines.slice(0, 2)).toEqual([
      'the SYN filter matches -> queue 63',
      'a tuple filter matches -> queue 62',
    ]);
    expect(lines[2]).toContain('-> queue 2');
    expect(lines[3]).toContain('written when the host transmitted on ring 40');
    expect(lines[4]).toContain('dst-port 80 action 3) -> queue 3');
    expect(lines[5]).toBe('loc 2045: flow-type udp4 dst-port 53 context 1');
    expect(lines[6]).toBe('8191 signatures, or 32767 with all the memory');
    expect(lines[7]).toContain('filters: true');
  },
  'dissect-frames.mjs': (lines) => {
    expect(lines[0]).toContain('"vlans":[7,100]');
    expect(lines[1]).toContain('"fragment":true');
    expect(lines.filter((line) => line.includes('"bad":true'))).toHaveLength(1);
  },
  'ethtool-file.mjs': (lines) => {
    expect(lines[1]).toContain('128 entries, 6 queues');
    // The file's table is i mod 6.
    for (const line of lines.filter((candidate) => candidate.includes('bucket'))) {
      const [, bucket, queue] = /bucket (\d+) -> queue (\d+)/.exec(line)!.map(Number);
      expect(queue).toBe(bucket! % 6);
    }
  },
  'explain-flow.mjs': (lines) => {
    expect(lines[1]).toBe('  toeplitz 0x51ccc178, bucket 120, queue 8, worker 8');
    expect(lines.slice(-5)).toEqual([
      'tcp: tcp-ipv4',
      'udp: udp-ipv4',
      'sctp: ipv4',
      'icmp: ipv4',
      'ip: ipv4',
    ]);
  },
  'fanout.mjs': (lines) => {
    const of = (n: number) => lines[n]!.split(/ +/).slice(1);
    expect(of(0).slice(0, 4)).toEqual(of(0).slice(4, 8));
    expect(of(1).slice(0, 6).join('')).toBe('bcabca');
    expect(of(2).join('')).toBe('aaaabbbbcccc');
    expect(lines[4]).toContain('0x10000007');
  },
  'first-experiment.mjs': (lines) => {
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      const counts = / (\d+) (\d+) (\d+) (\d+) gini/.exec(line)!.slice(1).map(Number);
      expect(sum(counts)).toBe(1000);
      for (const count of counts) expect(count).toBeGreaterThan(150);
    }
  },
  'errors.mjs': (lines) => {
    expect(lines[0]).toMatch(/^RXS_NIC_LIMIT: the NIC does not have what the policy asks for: .*reaches 16/);
    expect(lines[1]).toMatch(/^RXS_UNKNOWN_NAME: .*did you mean rss/);
  },
  'flows-for-queue.mjs': (lines) => {
    expect(lines[0]).toBe('4032 of 64512 source ports, by algebra');
    expect(lines[5]).toBe(Array(16).fill(1).join(' '));
  },
  'forward-in-memory.mjs': (lines) => {
    const [received, delivered, dropped] = numbers(lines[0]!);
    expect(received).toBe(200_000);
    expect(delivered! + dropped!).toBe(received);
  },
  'hash-functions.mjs': (lines) => {
    expect(lines[1]).toBe('toeplitz 0x51ccc178 0x51ccc178');
    const pairs = lines.slice(-4).map((line) => line.split(' '));
    expect(pairs.map(([name, a, b]) => [name, a === b])).toEqual([
      ['none', false],
      ['xor', true],
      ['or-xor', true],
      ['sort', true],
    ]);
  },
  'hash-types.mjs': (lines) => {
    expect(lines).toHaveLength(8);
    expect(lines[3]).toContain('mobile: none (queue 0)');
    expect(lines[7]).toContain('mobile: tcp-ipv6-ex;');
  },
  'native-hash.mjs': (lines) => {
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^(tables only: |bursts of 8)/);
    expect(lines[1]).toMatch(/^[1-9]\d*( [1-9]\d*){3}$/);
    expect(lines[2]).toBe(lines[1]);
  },
  'key-quality.mjs': (_, all) => {
    expect(all).toMatch(/^microsoft: symmetric no .* 32 effective bits/m);
    expect(all).toMatch(/^symmetric: symmetric yes .* 16 effective bits/m);
    expect(all).toMatch(/^mtcp05: symmetric yes .* 6 effective bits, 6 of a 128-entry table/m);
  },
  'learn-the-key.mjs': (lines) => {
    const [, known, matter] = numbers(lines[0]!);
    expect(known).toBe(matter);
    const [predicted, truth] = numbers(lines[1]!);
    expect(predicted).toBe(truth);
  },
  'make-traffic.mjs': (lines) => {
    const [hot, other] = lines.slice(0, 2).map((line) => line.split(' ').slice(1).map(Number));
    expect(hot![3]).toBe(14_000);
    expect(sum(other!)).toBe(20_000);
    expect(Math.max(...other!)).toBeLessThan(14_000);
    expect(sum(numbers(lines[2]!.split(':')[1]!))).toBe(1000);
    const types = lines.slice(4).map((line) => JSON.parse(line.slice(line.indexOf('{'))));
    expect(types).toHaveLength(3);
    for (const type of types) expect(sum(Object.values(type))).toBe(3000);
    expect(lines[3]).toMatch(/^100 fragments in \d+\.\d ms$/);
  },
  'mac-owners.mjs': (lines) => {
    expect(lines[0]).toBe('4 guests learned; worker 0 owns 2, worker 1 owns 2');
    expect(lines[1]).toContain('202 packets');
  },
  'nic-profiles.mjs': (lines) => {
    expect(lines).toHaveLength(numbers(lines[0]!)[0]! + 3);
    expect(lines.at(-2)).toBe('ena uses fa01acbe where the driver gives beac01fa');
  },
  'own-policy.mjs': (lines) => {
    expect(lines[0]).toContain('100 200 100 0 ');
    expect(lines[2]).toBe('source port 1026 is even');
  },
  'owner-table.mjs': (lines) => {
    expect(lines[4]).toContain('full, owner none');
    expect(lines.at(-2)).toBe('announced on port 3, owner still 0');
    expect(lines.at(-1)).toBe('moved by hand: loads 1 3 2');
  },
  'pool-switch.mjs': (_, all) => {
    expect(all).toContain('VM 1 to VM 2: inside 2\nVM 1 to a stranger: wire\n');
    expect(all).toContain('VM 1 with the address of VM 2: spoofed');
  },
  'pool-modes.mjs': (lines, all) => {
    expect(lines.slice(0, 2)).toEqual([
      '40 functions, linux: 64x2, default pool 40, MRQC 11',
      '20 functions, dpdk: 32x4, default pool 20, MRQC 10',
    ]);
    expect(all).toContain('64x1: pool 5 uses queues 10 to 10');
    expect(all).toContain('16x8tc: pool 5 uses queues 40 to 47');
    expect(lines.at(-1)).toContain('udp-ipv4 hashes ports');
  },
  'pools.mjs': (lines) => {
    const queues = lines.filter((_, n) => n % 2 === 0).map((line) => Number(/queue (\d+)/.exec(line)![1]));
    expect(queues.map((queue) => queue % 8)).toEqual([1, 2, 7, 0]);
  },
  'rebalance.mjs': (lines) => {
    const unevenness = lines.slice(0, 4).map((line) => Number(line.split(' ').at(-1)));
    expect(unevenness).toEqual([...unevenness].sort((a, b) => b - a));
    for (const line of lines.slice(0, 4)) expect(sum(numbers(/\[(.*)\]/.exec(line)![1]!))).toBe(1000);
  },
  'receive-path.mjs': (lines) => {
    expect(lines[3]).toContain('not steered, CPU 0, backlog false');
    expect(lines.at(-1)).toBe("the application's CPU: 3");
  },
  'replay.mjs': (lines) => {
    const rows = lines.slice(1).map((line) => /^(\S+)\s+fullest ([\d.]+).*reordered (\d+)$/.exec(line)!);
    const of = (name: string) => rows.find((row) => row[1]!.startsWith(name))!;
    expect(Number(of('rss:nic')[2])).toBeGreaterThan(1.9);
    expect(Number(of('rss:queues')[2])).toBeLessThan(1.5);
    expect(Number(of('rss:queues')[3])).toBe(0);
    expect(Number(of('round-robin')[3])).toBeGreaterThan(0);
  },
  'rfs-life.mjs': (lines) => {
    const steps = lines.map((line) => /\((\w+)\)/.exec(line)![1]);
    expect(steps).toEqual(['map', 'moved', 'held', 'moved', 'flow']);
  },
  'rps-cpu.mjs': (lines) => {
    expect(lines[0]).toBe(lines[1]);
    expect(lines[0]!.endsWith(/-> (CPU \d)$/.exec(lines[2]!)![1]!)).toBe(true);
  },
  'source-port-for-queue.mjs': (lines) => {
    expect(lines).toHaveLength(4);
    for (const line of lines) expect(line).toMatch(/^port \d+: queue 5 .* -> queue 5\)$/);
  },
  'sysfs.mjs': (_, all) => {
    expect(all).toContain('rps_cpus < 1ff: {"ok":false,"errno":"EOVERFLOW"}');
    expect(all).toContain('rps_flow_cnt < 3000: {"ok":true,"value":4096}');
  },
  'transmit-queue.mjs': (lines) => {
    expect(lines.slice(0, 3)).toEqual(
      [0, 1, 2].map((cpu) => `sent on CPU ${cpu}: queue ${cpu >> 1} (xps-cpus)`),
    );
    expect(lines.at(-2)).toContain("{ queue: 2, reason: 'learned' }");
    expect(lines.at(-1)).toContain("reason: 'hash'");
  },
  'tunnel-headers.mjs': (lines) => {
    expect(lines).toHaveLength(7);
    for (const line of lines) expect(line).toMatch(/: 10\.0\.0\.1:40000 > 10\.0\.0\.2:443$/);
  },
  'tunnels.mjs': (lines) => {
    expect(numbers(lines[0]!).filter((n) => n === 256)).toHaveLength(1);
    expect(lines[1]).toContain('64 64 64 64');
  },
  'virtio-device.mjs': (lines, all) => {
    expect(lines.slice(0, 2)).toEqual([
      'no command yet: queue 0, report none 0x00000000',
      '4 pairs, sent on queue 3: queue 3, report none 0x00000000',
    ]);
    expect(lines[2]).toMatch(/^RSS: queue [012], report tcp-ipv4 0x/);
    expect(all).toContain('queue 9: receive queues 0 to 3 are enabled');
  },
  'virtio-hash-report.mjs': (_, all) =>
    expect(all).toContain("{ hash: 1372373368, type: 2, name: 'tcp-ipv4' }"),
  'virtio-rss-command.mjs': (lines) => {
    expect(lines[0]).toMatch(/^67 bytes: 07000000070000000000010002000300/);
    expect(lines[2]).toContain('a power of two is needed');
  },
};

describe('examples', () => {
  it('each has a check of its output, and no check is left over', () => {
    expect(Object.keys(checks).sort()).toEqual(examples.sort());
  });

  // A third of them every day, the others in the soak.
  const daily = examples.flatMap((_, place) => (place % 6 === 0 ? [place] : []));
  it.each(matrix(examples, daily))('%s', async (name) => {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [join(directory, name)], {
      encoding: 'utf8',
      cwd: tmpdir(),
      timeout: 100_000,
    });
    expect(stderr).toBe('');
    checks[name]?.(stdout.trimEnd().split('\n'), stdout);
  });

  it('the first experiment has 15 lines at most', () => {
    const text = readFileSync(join(directory, 'first-experiment.mjs'), 'utf8');
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(15);
  });
});
